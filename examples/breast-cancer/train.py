"""Trains the classifier of this example; writes model.onnx and golden.json."""

import sys
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import golden  # noqa: E402

MALIGNANT = 0


def main():
    data = load_breast_cancer()
    assert data.target_names[MALIGNANT] == "malignant"
    learn, test, learn_target, test_target = train_test_split(
        data.data, data.target, random_state=0
    )
    estimator = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    estimator.fit(learn, learn_target)
    accuracy = estimator.score(test, test_target)
    print(f"accuracy on {len(test)} tumours not seen in training: {accuracy:.3f}")
    model = to_onnx(estimator, data.data[:1].astype(np.float32), target_opset=golden.OPSETS)
    golden.save_model(model, HERE / "model.onnx")
    names = [name.replace(" ", "_") for name in data.feature_names]
    golden.save_golden(
        HERE, "diagnosis", cases(names, test), lambda rows: expected(estimator, rows), found
    )


def cases(names, test):
    first, second, third, fourth = test[:4].tolist()
    named = dict(zip(names, second))
    shuffled = dict(sorted(zip(names, third)))
    return [
        golden.one("features", {"features": first}, first),
        golden.one("features by name", {"features": named}, second),
        golden.one("names in another order", shuffled, third),
        golden.one("the tensor's name", {"X": fourth}, fourth),
        golden.one("below inputs", {"inputs": {"X": second}}, second),
        golden.batch("a batch", {"features": test[:8].tolist()}, test[:8].tolist()),
        golden.batch("a batch by name", {"features": [named, shuffled]}, [second, third]),
    ]


def expected(estimator, rows):
    return [float(value) for value in estimator.predict_proba(rows)[:, MALIGNANT]]


def found(outputs):
    _labels, probabilities = outputs
    return [float(row[MALIGNANT]) for row in probabilities]


if __name__ == "__main__":
    main()
