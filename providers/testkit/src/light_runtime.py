"""A runtime for Lambda that starts quickly, as it imports next to nothing. Answers what it was
asked, and reports an error if the request has that word in it."""

import _socket as socket
import posix

HOST, PORT = posix.environ[b"AWS_LAMBDA_RUNTIME_API"].split(b":")
INVOCATIONS = b"/2018-06-01/runtime/invocation/"


def call(method, path, body=b""):
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.connect((HOST.decode(), int(PORT)))
    head = b"%s %s%s HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    connection.send(head % (method, INVOCATIONS, path, len(body)) + body)
    answer = b""
    while chunk := connection.recv(65536):
        answer += chunk
    connection.close()
    return answer.split(b"\r\n\r\n", 1)


while True:
    head, body = call(b"GET", b"next")
    name = b"lambda-runtime-aws-request-id: "
    at = head.lower().index(name) + len(name)
    request = head[at:].split(b"\r\n", 1)[0]
    kind = b"/error" if b"error" in body else b"/response"
    call(b"POST", request + kind, body)
