"""The rival in `cargo dev bench cold`: an ONNX model behind AWS's runtime client for Python."""

import json
import os

import numpy
import onnxruntime

TYPES = {"tensor(float)": numpy.float32, "tensor(int64)": numpy.int64}

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(
    os.environ["MODEL"], options, providers=["CPUExecutionProvider"]
)


def handler(event, context):
    inputs = {
        tensor.name: numpy.asarray(event.get(tensor.name, event.get("features")), dtype=TYPES[tensor.type])
        for tensor in session.get_inputs()
    }
    outputs = session.run(None, inputs)
    names = [tensor.name for tensor in session.get_outputs()]
    return json.loads(json.dumps(dict(zip(names, outputs)), default=lambda array: array.tolist()))
