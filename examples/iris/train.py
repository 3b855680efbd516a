"""Trains the logistic regression of this example; writes model.onnx and golden.json."""

import sys
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import golden  # noqa: E402

NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
LABELS = ["setosa", "versicolor", "virginica"]
SETOSA = [5.1, 3.5, 1.4, 0.2]
VERSICOLOR = [7.0, 3.2, 4.7, 1.4]
VIRGINICA = [6.3, 3.3, 6.0, 2.5]
BETWEEN = [6.1, 2.8, 4.9, 1.7]


def main():
    iris = load_iris()
    assert list(iris.target_names) == LABELS
    estimator = LogisticRegression(max_iter=1000).fit(iris.data, iris.target)
    # The default of skl2onnx: an int64 label, and a sequence of maps from class to probability.
    model = to_onnx(estimator, iris.data[:1].astype(np.float32), target_opset=golden.OPSETS)
    golden.save_model(model, HERE / "model.onnx")
    golden.save_golden(HERE, "classifier", cases(), lambda rows: expected(estimator, rows), found)


def cases():
    named = dict(zip(NAMES, VIRGINICA))
    shuffled = dict(reversed(list(zip(NAMES, VERSICOLOR))))
    return [
        golden.one("features", {"features": SETOSA}, SETOSA),
        golden.one("features by name", {"features": named}, VIRGINICA),
        golden.one("names in another order", {"features": shuffled}, VERSICOLOR),
        golden.one("the named object alone", named, VIRGINICA),
        golden.one("the tensor's name", {"X": BETWEEN}, BETWEEN),
        golden.one("below inputs", {"inputs": {"X": VERSICOLOR}}, VERSICOLOR),
        golden.one("integers", {"features": [6, 3, 5, 2]}, [6, 3, 5, 2]),
        golden.batch(
            "a batch",
            {"features": [SETOSA, VERSICOLOR, VIRGINICA]},
            [SETOSA, VERSICOLOR, VIRGINICA],
        ),
        golden.batch("a batch of one", {"features": [BETWEEN]}, [BETWEEN]),
        golden.batch("a batch by name", {"features": [named, shuffled]}, [VIRGINICA, VERSICOLOR]),
    ]


def expected(estimator, rows):
    labels = [LABELS[index] for index in estimator.predict(rows)]
    return golden.classifications(labels, estimator.predict_proba(rows), LABELS)


def found(outputs):
    indices, probabilities = outputs
    rows = [[row[index] for index in range(len(LABELS))] for row in probabilities]
    return golden.classifications([LABELS[index] for index in indices], rows, LABELS)


if __name__ == "__main__":
    main()
