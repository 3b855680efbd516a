"""Trains the linear regression of this example; writes model.onnx and golden.json."""

import sys
from pathlib import Path

from skl2onnx import to_onnx
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import golden  # noqa: E402

NAMES = [
    "age", "sex", "body_mass_index", "blood_pressure", "cholesterol", "ldl", "hdl",
    "cholesterol_ratio", "log_triglycerides", "glucose",
]  # fmt: skip
FIRST = [59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.8598, 87]
SECOND = [48, 1, 21.6, 87, 183, 103.2, 70, 3, 3.8918, 69]
THIRD = [72, 2, 30.5, 93, 156, 93.6, 41, 4, 4.6728, 85]


def main():
    diabetes = load_diabetes(scaled=False)
    estimator = LinearRegression().fit(diabetes.data, diabetes.target)
    print(f"R2 on the training data: {estimator.score(diabetes.data, diabetes.target):.3f}")
    # A sample of doubles gives a model that reads and computes doubles, as scikit-learn does.
    model = to_onnx(estimator, diabetes.data[:1], target_opset=golden.OPSETS)
    golden.save_model(model, HERE / "model.onnx")
    golden.save_golden(HERE, "progression", cases(), lambda rows: expected(estimator, rows), found)


def cases():
    named = dict(zip(NAMES, SECOND))
    shuffled = dict(reversed(list(zip(NAMES, THIRD))))
    return [
        golden.one("features", {"features": FIRST}, FIRST),
        golden.one("features by name", {"features": named}, SECOND),
        golden.one("names in another order", shuffled, THIRD),
        golden.one("the tensor's name", {"X": THIRD}, THIRD),
        golden.one("below inputs", {"inputs": {"X": SECOND}}, SECOND),
        golden.batch("a batch", {"features": [FIRST, SECOND, THIRD]}, [FIRST, SECOND, THIRD]),
        golden.batch("a batch by name", {"X": [named, shuffled]}, [SECOND, THIRD]),
    ]


def expected(estimator, rows):
    return [float(value) for value in estimator.predict(rows)]


def found(outputs):
    (values,) = outputs
    return [float(value) for value in values[:, 0]]


if __name__ == "__main__":
    main()
