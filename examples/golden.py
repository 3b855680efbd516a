"""Writes the two files that every example commits beside its training script.

`model.onnx` is the trained model, with the same bytes each time that the script runs.
`golden.json` has requests, and what the trained estimator itself answers to them: the tests send
the requests to the packaged model and compare. No answer in it comes from ONNX Runtime, which is
only asked, here, whether it agrees.
"""

import json
import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

TOLERANCE = 1e-5
ELEMENT_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64}
OPSETS = {"": 21, "ai.onnx.ml": 3}


def save_model(model, path):
    """Write an ONNX model without what differs from one run or machine to the next."""
    model.producer_name = "mlfn-examples"
    model.producer_version = ""
    model.domain = ""
    model.doc_string = ""
    model.graph.doc_string = ""
    model.graph.name = Path(path).resolve().parent.name
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    onnx.checker.check_model(model, full_check=True)
    Path(path).write_bytes(model.SerializeToString(deterministic=True))


def one(name, request, row):
    """A case that asks about one row, as the model gets it: its answer is one prediction."""
    return {"name": name, "request": request, "rows": [row], "batch": False}


def batch(name, request, rows):
    """A case that asks about some rows: its answer is a list of predictions."""
    return {"name": name, "request": request, "rows": rows, "batch": True}


def save_golden(folder, function, cases, expected, found):
    """Write the cases with their answers, after ONNX Runtime has answered each of them alike.

    `expected` makes the list of predictions, one a row, with the estimator. It gets the rows of a
    case rounded to what the model reads, as doubles. `found` makes that list of the outputs that
    ONNX Runtime gives for the same rows.
    """
    session = onnxruntime.InferenceSession(Path(folder) / "model.onnx")
    tensor = session.get_inputs()[0]
    written = []
    for case in cases:
        rows = np.array(case["rows"], dtype=ELEMENT_TYPES[tensor.type])
        predictions = expected(rows.astype(np.float64))
        check_alike(case["name"], predictions, found(session.run(None, {tensor.name: rows})))
        response = {"prediction": predictions if case["batch"] else predictions[0]}
        written.append({"name": case["name"], "request": case["request"], "response": response})
    (Path(folder) / "golden.json").write_text(golden_text(function, written), encoding="utf-8")


def golden_text(function, cases):
    """The file as JSON, one case a line."""
    lines = ",\n".join("  " + json.dumps(case) for case in cases)
    head = f'"function": {json.dumps(function)},\n "tolerance": {TOLERANCE}'
    return f'{{{head},\n "cases": [\n{lines}\n]}}\n'


def classifications(labels, probabilities, classes):
    """The answers of a classifier: for each row its label, and the probability of each class."""
    return [
        {"label": label, "probabilities": dict(zip(classes, map(float, row), strict=True))}
        for label, row in zip(labels, probabilities, strict=True)
    ]


def check_alike(where, expected, found):
    """Fail unless both have the same form and text, and numbers within TOLERANCE."""
    if isinstance(expected, dict):
        assert expected.keys() == found.keys(), f"{where}: {expected.keys()} is not {found.keys()}"
        for key in expected:
            check_alike(f"{where}.{key}", expected[key], found[key])
    elif isinstance(expected, list):
        assert len(expected) == len(found), f"{where}: {len(expected)} is not {len(found)}"
        for index, value in enumerate(expected):
            check_alike(f"{where}[{index}]", value, found[index])
    elif isinstance(expected, float):
        alike = math.isclose(expected, found, rel_tol=0.0, abs_tol=TOLERANCE)
        assert alike, f"{where}: {expected} is not {found}"
    else:
        assert expected == found, f"{where}: {expected!r} is not {found!r}"
