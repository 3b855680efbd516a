"""Asks a function by Triton's own client and with arrays of NumPy, and prints what it is told as one line of JSON.

Usage: inference_client.py PORT MODEL INPUT FEATURES
"""

import gzip
import io
import json
import sys
import urllib.request
import zlib

import numpy as np
from tritonclient import http
from tritonclient.utils import InferenceServerException

port, model, name, features = sys.argv[1:]
features = np.array(json.loads(features), dtype=np.float32)
client = http.InferenceServerClient(f"127.0.0.1:{port}")


def infer(rows=features, **options):
    binary = options.pop("binary", True)
    tensor = http.InferInput(name, rows.shape, "FP32")
    tensor.set_data_from_numpy(rows, binary_data=binary)
    metadata = client.get_model_metadata(model)
    outputs = [
        http.InferRequestedOutput(output["name"], binary_data=binary)
        for output in metadata["outputs"]
    ]
    answer = client.infer(model, [tensor], outputs=outputs, request_id="seven", **options)
    assert answer.get_response()["id"] == "seven"
    return [answer.as_numpy(output["name"]) for output in metadata["outputs"]]


def error(call):
    try:
        call()
    except InferenceServerException as problem:
        return problem.message()
    return None


def predict(body, form, accept):
    headers = {"content-type": f"application/{form}", "accept": accept}
    url = f"http://127.0.0.1:{port}/predict"
    request = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def raw(body):
    """The outputs for the bytes of the only input, without JSON."""
    headers = {"inference-header-content-length": "0", "content-type": "application/octet-stream"}
    url = f"http://127.0.0.1:{port}/v2/models/{model}/infer"
    request = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(request) as answer:
        outputs = json.loads(answer.read())["outputs"]
    return [np.array(output["data"]).reshape(output["shape"]) for output in outputs]


def packed_as(coding, unpack):
    """Whether an answer of many rows comes packed, and is the same when it is unpacked."""
    body = json.dumps({"features": np.tile(features, (500, 1)).tolist()}).encode()
    url = f"http://127.0.0.1:{port}/predict"
    with urllib.request.urlopen(urllib.request.Request(url, body, {"accept-encoding": "identity"})) as answer:
        plain = answer.read()
    with urllib.request.urlopen(urllib.request.Request(url, body, {"accept-encoding": coding})) as answer:
        found = answer.read()
        return answer.headers["content-encoding"] == coding and len(found) < len(plain) and unpack(found) == plain


def saved(save, *arrays, **named):
    file = io.BytesIO()
    save(file, *arrays, **named)
    return file.getvalue()


def arrays_of(file):
    with np.load(io.BytesIO(file)) as arrays:
        return {key: arrays[key].tolist() for key in arrays}


# Doubles, as NumPy makes them unless it is told better.
doubles = features.astype(np.float64)
one = saved(np.save, doubles)
fortran = saved(np.save, np.asfortranarray(doubles))
packed = saved(np.savez_compressed, **{name: features})
binary = infer()
ways = [
    infer(binary=False),
    infer(request_compression_algorithm="gzip"),
    infer(request_compression_algorithm="deflate"),
    infer(response_compression_algorithm="gzip"),
    infer(response_compression_algorithm="deflate"),
    [array.astype(known.dtype) for array, known in zip(raw(features.tobytes()), binary)],
]
many = np.tile(features, (500, 1))
print(json.dumps({
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "model_ready": client.is_model_ready(model),
    "other_ready": client.is_model_ready("other"),
    "extensions": client.get_server_metadata()["extensions"],
    "inputs": client.get_model_metadata(model)["inputs"],
    "outputs": [array.tolist() for array in binary],
    "equal": [
        all(np.array_equal(one, other) for one, other in zip(way, binary)) for way in ways
    ],
    "packed": len(infer(many, response_compression_algorithm="gzip")[0]),
    "codings": [packed_as("gzip", gzip.decompress), packed_as("deflate", zlib.decompress)],
    "npy": json.loads(predict(one, "x-npy", "*/*")),
    "octets": json.loads(predict(fortran, "octet-stream", "*/*")),
    "npz": arrays_of(predict(packed, "x-npz", "application/x-npz")),
    "wrong_shape": error(lambda: infer(features[:, :3])),
    "wrong_model": error(lambda: client.get_model_metadata("other")),
}))
