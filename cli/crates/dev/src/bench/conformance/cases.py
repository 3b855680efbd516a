"""Runs the node tests of the ONNX project by ONNX Runtime itself and through a packaged shim.

Usage: cases.py PACKAGE, a folder with everything but the model. Prints one line of JSON:
`{"cases": n, "not_run": n, "not_carried": n, "binary": n, "json": n, "failures": [..]}`, where
`not_run` are those that ONNX Runtime itself refuses, and `not_carried` those with values that the
Open Inference Protocol does not have (sequences, optional values, types without a name). Those whose
inputs JSON does not have (NaN, infinity) are sent as bytes only.
"""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
from onnx.backend.test.loader import load_model_tests

onnxruntime.set_default_logger_severity(4)

DATATYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "bfloat16": "BF16",
    "float32": "FP32",
    "float64": "FP64",
}
TYPES = {name: np.dtype(kind) for kind, name in DATATYPES.items() if kind != "bfloat16"}
TYPES["BF16"] = np.dtype(ml_dtypes.bfloat16)
SKIPPED, REFUSED = "not_carried", "not_run"
NOT_JSON = "JSON has no such numbers"


def main():
    package = Path(sys.argv[1])
    with warnings.catch_warnings():
        # The tests are about what overflows, among other things.
        warnings.simplefilter("ignore")
        cases = load_model_tests(kind="node")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda case: result(package, case), cases))
    count = lambda what: sum(what in found for found in results)
    failures = [
        f"{case.name}: {text}" for case, found in zip(cases, results) for text in found
        if text not in (SKIPPED, REFUSED, "binary", "json")
    ]
    print(json.dumps({
        "cases": len(cases),
        "not_run": count(REFUSED),
        "not_carried": count(SKIPPED),
        "binary": count("binary"),
        "json": count("json"),
        "failures": failures,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
    }))


def result(package, case):
    """What became of a case: the ways that give the bits of ONNX Runtime, and what is wrong."""
    model = case.model.SerializeToString()
    try:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
        inputs = read_inputs(case, session)
        names = [output.name for output in session.get_outputs()]
        if any(kind is None for kind in inputs.values()):
            return [SKIPPED]
        expected = session.run(None, {name: feed(array) for name, array in inputs.items()})
    except Exception:  # Whatever ONNX Runtime raises: the shim cannot do better.
        return [REFUSED]
    if not all(isinstance(array, np.ndarray) and datatype(array) for array in expected):
        return [SKIPPED]
    try:
        return through_shim(package, case.name, model, inputs, dict(zip(names, expected)))
    except Exception as problem:
        return [f"{type(problem).__name__} {problem}"]


def read_inputs(case, session):
    """The values of the first data set by the names of the inputs, None for what is no array."""
    given, _ = case.data_sets[0]
    names = [tensor.name for tensor in session.get_inputs()]
    arrays = [value if isinstance(value, np.ndarray) and datatype(value) else None for value in given]
    return dict(zip(names, arrays, strict=True))


def datatype(array):
    if array.dtype.kind in "OUS":
        return "BYTES"
    return DATATYPES.get(array.dtype.name)


def feed(array):
    # ONNX Runtime's Python takes the bits of types that NumPy does not have as they are.
    if array.dtype == ml_dtypes.bfloat16:
        return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(
            array, onnx.TensorProto.BFLOAT16
        )
    return array


def through_shim(package, name, model, inputs, expected):
    folder = package.parent / "cases" / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(package, folder, symlinks=True, ignore=lambda *_: ["bootstrap"])
    (folder / "model").mkdir()
    (folder / "model/model.onnx").write_bytes(model)
    variables = {"PORT": "0", "MLFN_HOST": "127.0.0.1", "MLFN_ROOT": str(folder)}
    shim = subprocess.Popen([package / "bootstrap"], env=variables, stdout=subprocess.PIPE, text=True)
    try:
        lines = (json.loads(line) for line in shim.stdout)
        address = next(line["address"] for line in lines if "address" in line)
        ways = [(way, ask(address, inputs, expected, way)) for way in ("binary", "json")]
        ways = [(way, problem) for way, problem in ways if problem != NOT_JSON]
        return [way if problem is None else f"{way}: {problem}" for way, problem in ways]
    finally:
        shim.kill()
        shim.wait()
        shim.stdout.close()
        shutil.rmtree(folder)


def ask(address, inputs, expected, way):
    """What is wrong with the answer."""
    head, tail = {"inputs": [], "parameters": {"binary_data_output": way == "binary"}}, b""
    for name, array in inputs.items():
        tensor = {"name": name, "shape": list(array.shape), "datatype": datatype(array)}
        if way == "binary":
            data = to_bytes(array)
            tensor["parameters"] = {"binary_data_size": len(data)}
            tail += data
        elif not finite(array):
            return NOT_JSON
        else:
            tensor["data"] = to_json(array)
        head["inputs"].append(tensor)
    text = json.dumps(head).encode()
    url = f"http://{address}/v2/models/model/infer"
    headers = {"Inference-Header-Content-Length": str(len(text))} if way == "binary" else {}
    headers["Content-Type"] = "application/octet-stream" if headers else "application/json"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, text + tail, headers)) as answer:
            length = answer.headers.get("Inference-Header-Content-Length")
            body = answer.read()
    except urllib.error.HTTPError as problem:
        return problem.read().decode()
    length = len(body) if length is None else int(length)
    return difference(json.loads(body[:length]), body[length:], expected)


def difference(head, tail, expected):
    if [output["name"] for output in head["outputs"]] != list(expected):
        return "other outputs"
    for output, array in zip(head["outputs"], expected.values()):
        if output["shape"] != list(array.shape) or output["datatype"] != datatype(array):
            return f"{output['datatype']} {output['shape']} for {array.dtype} {array.shape}"
        if "data" in output:
            if not same_json(output["data"], array):
                return f"`{output['name']}` differs"
        else:
            size = output["parameters"]["binary_data_size"]
            data, tail = tail[:size], tail[size:]
            if data != to_bytes(array):
                return f"`{output['name']}` has other bits"
    return "bytes that belong to nothing" if tail else None


def finite(array):
    return array.dtype.kind in "OUSbiu" or bool(np.isfinite(array.astype(np.float64)).all())


def texts(array):
    flat = array.reshape(-1)
    return [text.decode() if isinstance(text, bytes) else str(text) for text in flat]


def to_bytes(array):
    if datatype(array) == "BYTES":
        encoded = [text.encode() for text in texts(array)]
        return b"".join(len(text).to_bytes(4, "little") + text for text in encoded)
    return np.ascontiguousarray(array).tobytes()


def to_json(array):
    if datatype(array) == "BYTES":
        return texts(array)
    if array.dtype.kind not in "biu":
        array = array.astype(np.float64)
    return array.reshape(-1).tolist()


def same_json(data, array):
    if datatype(array) == "BYTES":
        return data == texts(array)
    kind = TYPES[datatype(array)]
    flat = array.reshape(-1)
    if kind.kind in "biu":
        return data == flat.tolist()
    # What is no number is null, and zero may lose nothing, not even its sign.
    found = np.array([np.nan if value is None else value for value in data], np.float64).astype(kind)
    number = np.isfinite(flat.astype(np.float64))
    nulls = [value is not None for value in data]
    return nulls == number.tolist() and found[number].tobytes() == flat[number].tobytes()


if __name__ == "__main__":
    main()
