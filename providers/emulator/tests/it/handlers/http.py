"""A server for the platforms that speak HTTP. Does what the request, or START in the environment,
tells it. Knows nothing of platforms: it answers what it was sent, so that the tests can look."""

import json
import os
import signal
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send(404, b"only POST")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = json.loads(body)
        if "Data" in request:
            self.envelope(request["Data"])
            return
        do = request.get("do", "echo")
        if do == "echo":
            self.send(200, body)
        elif do == "describe":
            headers = {name.lower(): value for name, value in self.headers.items()}
            text = {"path": self.path, "headers": headers, "environment": dict(os.environ)}
            self.send(200, json.dumps(text).encode())
        elif do == "error":
            self.send(422, b'{"error":{"code":"wrong_shape"}}')
        elif do == "exit":
            os._exit(request["status"])
        elif do == "hang":
            time.sleep(600)
        elif do == "large":
            self.send(200, b" " * request["bytes"])
        elif do == "log":
            print("a line", flush=True)
            self.send(200, b"{}")
        elif do == "garbage":
            self.wfile.write(b"this is not HTTP\r\n\r\n")
            self.close_connection = True

    def envelope(self, data):
        """The trigger's text is the body of the answer, as it came."""
        (value,) = data.values()
        if isinstance(value, str) and "refuse" in value:
            self.send(500, b"no")
        elif isinstance(value, str) and "garbage" in value:
            self.send(200, b"<html>")
        else:
            text = {"path": self.path, "data": data}
            self.send(200, json.dumps({"Logs": ["from the answer"], "ReturnValue": text}).encode())

    def send(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    print("starting in", os.getcwd(), flush=True)
    if "LIFELINE" in os.environ:
        global lifeline
        lifeline = socket.create_connection(("127.0.0.1", int(os.environ["LIFELINE"])))
        lifeline.set_inheritable(True)
    start = os.environ.get("START")
    if start == "crash":
        print("no such model", file=sys.stderr, flush=True)
        sys.exit(7)
    if start == "never":
        time.sleep(600)
    port = os.environ.get("FUNCTIONS_CUSTOMHANDLER_PORT") or os.environ["PORT"]
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    if start == "polite":
        signal.signal(signal.SIGTERM, lambda *_: (print("bye", flush=True), os._exit(0)))
    server.serve_forever()


main()
