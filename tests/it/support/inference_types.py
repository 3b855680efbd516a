"""Sends values of a type by Triton's own client, as bytes and as JSON, to a model that answers what it is given, and prints
what comes back as one line of JSON.

Usage: inference_types.py PORT MODEL VERSION DATATYPE
"""

import json
import sys

import numpy as np
from tritonclient import http
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

VALUES = {
    "BOOL": [[True, False], [False, True]],
    "UINT8": [[0, 255], [1, 2]],
    "INT64": [[-(2**63), 2**63 - 1], [0, -1]],
    "FP16": [[0.5, -65504.0], [0.0, 1.5]],
    "FP64": [[0.1, 5e-324], [-1.7976931348623157e308, 0.0]],
    "BYTES": [[b"", "Größe 😀".encode()], [b'"\n', b"a" * 1000]],
}
# The client has no JSON for these.
BINARY_ONLY = ["FP16"]

port, model, version, datatype = sys.argv[1:]
client = http.InferenceServerClient(f"127.0.0.1:{port}")
kind = np.object_ if datatype == "BYTES" else triton_to_np_dtype(datatype)
values = np.array(VALUES[datatype], dtype=kind)


def comes_back(values, binary_in, binary_out, **options):
    tensor = http.InferInput("x", values.shape, datatype)
    tensor.set_data_from_numpy(values, binary_data=binary_in)
    output = http.InferRequestedOutput("y", binary_data=binary_out)
    answer = client.infer(model, [tensor], outputs=[output], **options)
    found = answer.as_numpy("y")
    if datatype == "BYTES" and not binary_out:
        found = np.array([text.encode() for text in found.ravel()], dtype=np.object_).reshape(found.shape)
    assert answer.get_response()["model_version"] == version
    return bool(found.shape == values.shape and (found == values).all())


def error(call):
    try:
        call()
    except InferenceServerException as problem:
        return problem.message()
    return None


ways = [(True, True)] if datatype in BINARY_ONLY else [(True, True), (True, False), (False, True), (False, False)]
print(json.dumps({
    "ways": [comes_back(values, *way) for way in ways],
    "empty": comes_back(values[:0], True, True),
    "version": comes_back(values, True, True, model_version=version),
    "ready": client.is_model_ready(model, version),
    "metadata": client.get_model_metadata(model, version)["inputs"],
    "parameters": comes_back(values, True, True, parameters={"why": "test", "how": 1}),
    "other_version": error(lambda: comes_back(values, True, True, model_version="other")),
}))
