"""A runtime for Lambda that does what the request, or START in the environment, tells it."""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
PREFIX = "/2018-06-01/runtime/"


def call(method, path, body=None):
    connection = http.client.HTTPConnection(API)
    connection.request(method, PREFIX + path, body)
    response = connection.getresponse()
    return response, response.read()


def report(path, body):
    response, text = call("POST", path, body)
    print("posted", path.rsplit("/", 1)[-1], response.status, flush=True)
    return response.status, text


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
    if start == "init-error":
        report("init/error", json.dumps({"errorType": "broken_model", "errorMessage": "no"}))
        sys.exit(1)
    if start == "never":
        time.sleep(600)
    if start == "child":
        subprocess.Popen(["/bin/sleep", "600"], close_fds=False)
    while True:
        response, body = call("GET", "invocation/next")
        answer(response.headers, body)


def answer(headers, body):
    identifier = headers["Lambda-Runtime-Aws-Request-Id"]
    request = json.loads(body) if body.startswith(b"{") else {"do": "echo"}
    if request.get("version") == "2.0":
        inner = json.loads(request.get("body") or "{}")
        if inner.get("do", "event") == "event":
            text = json.dumps({"statusCode": 200, "cookies": ["a=1"], "body": json.dumps(request)})
            report(f"invocation/{identifier}/response", text)
            return
        request = inner
    if "Records" in request:
        answer_records(identifier, request)
        return
    do = request.get("do", "echo")
    if do == "echo":
        report(f"invocation/{identifier}/response", body)
    elif do == "describe":
        left = int(headers["Lambda-Runtime-Deadline-Ms"]) / 1000 - time.time()
        text = {"headers": dict(headers), "environment": dict(os.environ), "left": left}
        report(f"invocation/{identifier}/response", json.dumps(text))
    elif do == "error":
        text = json.dumps({"errorType": "wrong_shape", "errorMessage": "4 features"})
        report(f"invocation/{identifier}/error", text)
    elif do == "exit":
        sys.exit(request["status"])
    elif do == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif do == "hang":
        time.sleep(600)
    elif do == "large":
        report(f"invocation/{identifier}/response", b" " * request["bytes"])
    elif do == "pid":
        report(f"invocation/{identifier}/response", json.dumps({"pid": os.getpid()}))
    elif do == "fill memory":
        filled = bytearray(request["bytes"])
        time.sleep(600)
    elif do == "fill disk":
        with open(os.path.join(os.environ["TMPDIR"], "file"), "wb") as file:
            file.write(bytes(request["bytes"]))
        time.sleep(600)
    elif do == "wait":
        # Until the other side closes, which the test does.
        with socket.create_connection(("127.0.0.1", request["port"])) as connection:
            connection.recv(1)
        report(f"invocation/{identifier}/response", json.dumps({"pid": os.getpid()}))
    elif do == "spin":
        end = time.process_time() + request["seconds"]
        while time.process_time() < end:
            pass
        report(f"invocation/{identifier}/response", "{}")
    elif do == "mark":
        with open(os.path.join(os.environ["LAMBDA_TASK_ROOT"], "mark")) as file:
            report(f"invocation/{identifier}/response", json.dumps({"mark": file.read()}))
    elif do == "log":
        for number in range(request["lines"]):
            print("line", number, "x" * 80)
        print("one", file=sys.stderr, flush=True)
        sys.stdout.flush()
        report(f"invocation/{identifier}/response", "{}")
    elif do == "garbage":
        wrong = [report("invocation/another/response", "{}")[0], report("nonsense", "{}")[0]]
        report(f"invocation/{identifier}/response", json.dumps(wrong))


def content(record):
    """What a report calls a record, and what it says."""
    if "body" in record:
        return record["messageId"], record["body"]
    if "kinesis" in record:
        data = base64.b64decode(record["kinesis"]["data"]).decode()
        return record["kinesis"]["sequenceNumber"], data
    if "dynamodb" in record:
        image = record["dynamodb"].get("NewImage", {})
        item = {name: next(iter(value.values())) for name, value in image.items()}
        return record["dynamodb"]["SequenceNumber"], json.dumps(item)
    return None, "{}"


def answer_records(identifier, event):
    print("event", json.dumps(event), flush=True)
    failures = []
    for record in event["Records"]:
        identifier_of_record, body = content(record)
        request = json.loads(body) if body.startswith("{") else {}
        do = request.get("do")
        if do == "fail":
            failures.append({"itemIdentifier": identifier_of_record})
        elif do == "error":
            text = json.dumps({"errorType": "wrong_shape", "errorMessage": "4 features"})
            report(f"invocation/{identifier}/error", text)
            return
        elif do == "wait":
            with socket.create_connection(("127.0.0.1", request["port"])) as connection:
                connection.recv(1)
    report(f"invocation/{identifier}/response", json.dumps({"batchItemFailures": failures}))


main()
