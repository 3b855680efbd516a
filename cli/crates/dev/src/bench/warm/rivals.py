"""The rivals in `cargo dev bench warm`: one ONNX model in Python, without and with a server.

    rivals.py bare MODEL SECONDS     runs the session in a loop: prints one line of JSON
    rivals.py handler MODEL PORT     the server of Python's library, JSON as a handler has it

`Runtime` is what MLServer's manual calls a custom inference runtime.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import onnxruntime

TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64}


def session_of(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def bare(path, seconds):
    session = session_of(path)
    random = np.random.default_rng(1)
    inputs = {
        tensor.name: random.random(
            [size if isinstance(size, int) else 1 for size in tensor.shape], TYPES[tensor.type]
        )
        for tensor in session.get_inputs()
    }
    times = []
    end = time.perf_counter() + float(seconds)
    while (begin := time.perf_counter()) < end:
        session.run(None, inputs)
        times.append(time.perf_counter() - begin)
    times.sort()
    at = lambda share: times[(len(times) - 1) * share // 100] * 1e3
    print(json.dumps({"rate": len(times) / float(seconds), "p50": at(50), "p99": at(99)}))


def serve(path, port):
    session = session_of(path)
    names = [output.name for output in session.get_outputs()]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self):
            event = json.loads(self.rfile.read(int(self.headers["content-length"])))
            inputs = {
                tensor.name: np.asarray(event[tensor.name], dtype=TYPES[tensor.type])
                for tensor in session.get_inputs()
            }
            outputs = dict(zip(names, session.run(None, inputs)))
            body = json.dumps(outputs, default=lambda array: array.tolist()).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        # All connections of a run come at once.
        request_queue_size = 64

    Server(("127.0.0.1", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    {"bare": bare, "handler": serve}[sys.argv[1]](*sys.argv[2:])
else:
    from mlserver import MLModel
    from mlserver.codecs import NumpyCodec
    from mlserver.types import InferenceResponse

    class Runtime(MLModel):
        async def load(self):
            self.session = session_of(self.settings.parameters.uri)
            return True

        async def predict(self, payload):
            inputs = {one.name: NumpyCodec.decode_input(one) for one in payload.inputs}
            outputs = self.session.run(None, inputs)
            encoded = []
            for tensor, value in zip(self.session.get_outputs(), outputs):
                if not isinstance(value, np.ndarray):
                    # scikit-learn's dictionaries, as a table.
                    value = np.array([list(row.values()) for row in value], np.float32)
                encoded.append(NumpyCodec.encode_output(tensor.name, value))
            return InferenceResponse(model_name=self.name, outputs=encoded)
