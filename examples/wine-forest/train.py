"""Trains the random forest of this example; writes model.onnx and golden.json."""

import sys
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import golden  # noqa: E402

CLASSES = ["class_0", "class_1", "class_2"]


def main():
    wine = load_wine()
    learn, test, learn_target, test_target = train_test_split(
        wine.data, wine.target_names[wine.target], random_state=0
    )
    estimator = RandomForestClassifier(n_estimators=50, random_state=0).fit(learn, learn_target)
    assert list(estimator.classes_) == CLASSES
    accuracy = estimator.score(test, test_target)
    print(f"accuracy on {len(test)} wines not seen in training: {accuracy:.3f}")
    # Without ZipMap the probabilities are a plain tensor [N, 3].
    model = to_onnx(
        estimator,
        wine.data[:1].astype(np.float32),
        options={"zipmap": False},
        target_opset=golden.OPSETS,
    )
    golden.save_model(model, HERE / "model.onnx")
    names = [name.replace("/", "_") for name in wine.feature_names]
    golden.save_golden(
        HERE, "cultivar", cases(names, test), lambda rows: expected(estimator, rows), found
    )


def cases(names, test):
    rows = test.tolist()
    named = dict(zip(names, rows[1]))
    shuffled = dict(sorted(zip(names, rows[2])))
    return [
        golden.one("features", {"features": rows[0]}, rows[0]),
        golden.one("features by name", {"features": named}, rows[1]),
        golden.one("names in another order", shuffled, rows[2]),
        golden.one("the tensor's name", {"X": rows[3]}, rows[3]),
        golden.one("below inputs", {"inputs": {"X": rows[4]}}, rows[4]),
        golden.batch("a batch", {"features": rows[:8]}, rows[:8]),
        golden.batch("a batch by name", {"features": [named, shuffled]}, rows[1:3]),
    ]


def expected(estimator, rows):
    labels = [str(label) for label in estimator.predict(rows)]
    return golden.classifications(labels, estimator.predict_proba(rows), CLASSES)


def found(outputs):
    labels, probabilities = outputs
    return golden.classifications([str(label) for label in labels], probabilities, CLASSES)


if __name__ == "__main__":
    main()
