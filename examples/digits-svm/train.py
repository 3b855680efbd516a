"""Trains the support vector machine of this example; writes model.onnx and golden.json."""

import sys
import warnings
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import golden  # noqa: E402

CLASSES = [str(digit) for digit in range(10)]


def main():
    # The successor of `probability=True`, CalibratedClassifierCV, would hide the machine in a
    # larger graph; the pinned scikit-learn still has the parameter, and warns.
    warnings.filterwarnings("ignore", category=FutureWarning, module="sklearn")
    digits = load_digits()
    learn, test, learn_target, test_target = train_test_split(
        digits.images, digits.target, random_state=0
    )
    estimator = SVC(gamma=0.001, probability=True, random_state=0)
    estimator.fit(flat(learn), learn_target)
    accuracy = estimator.score(flat(test), test_target)
    print(f"accuracy on {len(test)} images not seen in training: {accuracy:.3f}")
    sample = flat(learn[:1]).astype(np.float32)
    model = to_onnx(estimator, sample, target_opset=golden.OPSETS)
    read_images(model)
    golden.save_model(model, HERE / "model.onnx")
    golden.save_golden(
        HERE, "digit", cases(test), lambda images: expected(estimator, images), found
    )


def flat(images):
    """Images [N, 8, 8] as the rows [N, 64] that the estimator reads."""
    return images.reshape(len(images), 64)


def read_images(model):
    """Make a model of rows X [N, 64] one of images [N, 8, 8]."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 8, 8])
    flatten = helper.make_node("Flatten", ["image"], ["X"], name="flatten", axis=1)
    model.graph.input[0].CopyFrom(image)
    model.graph.node.insert(0, flatten)


def cases(test):
    images = test[:8].astype(int).tolist()
    return [
        golden.one("features", {"features": images[0]}, images[0]),
        golden.one("the tensor's name", {"image": images[1]}, images[1]),
        golden.one("below inputs", {"inputs": {"image": images[2]}}, images[2]),
        golden.one("another digit", {"image": images[3]}, images[3]),
        golden.one("numbers with a point", {"image": test[4].tolist()}, images[4]),
        golden.batch("a batch", {"features": images}, images),
        golden.batch("a batch of one", {"image": images[5:6]}, images[5:6]),
    ]


def expected(estimator, images):
    rows = flat(images)
    labels = [int(label) for label in estimator.predict(rows)]
    return golden.classifications(labels, estimator.predict_proba(rows), CLASSES)


def found(outputs):
    labels, probabilities = outputs
    rows = [[row[digit] for digit in range(10)] for row in probabilities]
    return golden.classifications([int(label) for label in labels], rows, CLASSES)


if __name__ == "__main__":
    main()
