"""Calls AWS at a URL with boto3: one JSON call a line in, one JSON answer a line out.

usage: boto3_client.py URL
call: {"service": "lambda", "call": "invoke", "arguments": {"FunctionName": ...}}
answer: what boto3 returns, streams read and bytes as text, or {"error": code, ...}
"""

import base64
import datetime
import functools
import json
import sys

import boto3
from botocore.config import Config
from botocore.eventstream import EventStream
from botocore.exceptions import ClientError
from botocore.response import StreamingBody


def plain(value):
    if isinstance(value, StreamingBody):
        return value.read().decode()
    if isinstance(value, EventStream):
        return [plain(event) for event in value]
    if isinstance(value, dict):
        pairs = {key: plain(item) for key, item in value.items()}
        if "LogResult" in pairs:
            pairs["LogResult"] = base64.b64decode(pairs["LogResult"]).decode()
        return pairs
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return value


def answer(client, call):
    try:
        return plain(getattr(client, call["call"])(**call["arguments"]))
    except ClientError as error:
        return {
            "error": error.response["Error"]["Code"],
            "type": type(error).__name__,
            "status": error.response["ResponseMetadata"]["HTTPStatusCode"],
            "message": error.response["Error"].get("Message", error.response.get("message")),
            "reason": error.response.get("Reason"),
        }


@functools.cache
def client(service):
    return boto3.client(
        service,
        endpoint_url=sys.argv[1],
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


def main():
    for line in sys.stdin:
        call = json.loads(line)
        print(json.dumps(answer(client(call["service"]), call)), flush=True)


if __name__ == "__main__":
    main()
