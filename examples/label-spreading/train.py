"""Trains the semi-supervised classifier of this example; writes model.onnx and golden.json."""

import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_iris
from sklearn.semi_supervised import LabelSpreading

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import golden  # noqa: E402

NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
LABELS = ["setosa", "versicolor", "virginica"]
UNKNOWN = -1
KNOWN_OF_EACH = 4
SETOSA = [5.0, 3.4, 1.5, 0.2]
VERSICOLOR = [6.1, 2.9, 4.4, 1.3]
VIRGINICA = [6.5, 3.0, 5.6, 2.1]


def main():
    iris = load_iris()
    known = some_known(iris.target)
    estimator = LabelSpreading(kernel="rbf", gamma=5.0).fit(iris.data, known)
    unknown = known == UNKNOWN
    right = estimator.score(iris.data[unknown], iris.target[unknown])
    print(f"accuracy on the {unknown.sum()} flowers without a label: {right:.3f}")
    golden.save_model(inference_graph(estimator), HERE / "model.onnx")
    golden.save_golden(HERE, "species", cases(), lambda rows: expected(estimator, rows), found)


def some_known(target):
    """The labels with all but a few of each class replaced by UNKNOWN."""
    random = np.random.RandomState(0)
    known = np.full_like(target, UNKNOWN)
    for label in range(len(LABELS)):
        chosen = random.choice(np.flatnonzero(target == label), KNOWN_OF_EACH, replace=False)
        known[chosen] = label
    return known


def inference_graph(estimator):
    """The graph of `LabelSpreading.predict_proba` for the RBF kernel; skl2onnx has no converter.

    A flower's probabilities are the label distributions of all training flowers, weighted with
    exp(-gamma * squared distance) and divided by the sum of the weights. Softmax over the training
    flowers is just that, and does not underflow far from all of them.
    """
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["N", len(NAMES)])]
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(LABELS)]),
    ]
    constants = {
        "flowers": estimator.X_[np.newaxis].astype(np.float32),
        "distributions": estimator.label_distributions_.astype(np.float32),
        "minus_gamma": np.array(-estimator.gamma, dtype=np.float32),
        "middle": np.array([1], dtype=np.int64),
        "last": np.array([2], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Unsqueeze", ["X", "middle"], ["row"]),
        helper.make_node("Sub", ["row", "flowers"], ["difference"]),
        helper.make_node(
            "ReduceSumSquare", ["difference", "last"], ["squared_distance"], keepdims=0
        ),
        helper.make_node("Mul", ["squared_distance", "minus_gamma"], ["exponent"]),
        helper.make_node("Softmax", ["exponent"], ["weights"], axis=1),
        helper.make_node("MatMul", ["weights", "distributions"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "middle"], ["total"], keepdims=1),
        helper.make_node("Div", ["weighted", "total"], ["probabilities"]),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "label-spreading", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def cases():
    named = dict(zip(NAMES, VIRGINICA))
    shuffled = dict(reversed(list(zip(NAMES, VERSICOLOR))))
    between = [6.1, 2.8, 4.9, 1.6]
    return [
        golden.one("features", {"features": SETOSA}, SETOSA),
        golden.one("features by name", {"features": named}, VIRGINICA),
        golden.one("names in another order", shuffled, VERSICOLOR),
        golden.one("the tensor's name", {"X": between}, between),
        golden.one("below inputs", {"inputs": {"X": VIRGINICA}}, VIRGINICA),
        golden.batch(
            "a batch",
            {"features": [SETOSA, VERSICOLOR, VIRGINICA]},
            [SETOSA, VERSICOLOR, VIRGINICA],
        ),
        golden.batch("a batch by name", {"features": [named, shuffled]}, [VIRGINICA, VERSICOLOR]),
    ]


def expected(estimator, rows):
    labels = [LABELS[index] for index in estimator.predict(rows)]
    return golden.classifications(labels, estimator.predict_proba(rows), LABELS)


def found(outputs):
    indices, probabilities = outputs
    return golden.classifications([LABELS[index] for index in indices], probabilities, LABELS)


if __name__ == "__main__":
    main()
