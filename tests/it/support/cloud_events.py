"""Prints a CloudEvent with the given data in binary and in structured mode, as JSON.

usage: cloud_events.py DATA
"""

import json
import sys

from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent

attributes = {
    "type": "google.cloud.pubsub.topic.v1.messagePublished",
    "source": "//pubsub.googleapis.com/projects/p/topics/t",
}
event = CloudEvent(attributes, json.loads(sys.argv[1]))
modes = []
for headers, body in (to_binary(event), to_structured(event)):
    headers.setdefault("content-type", "application/json")
    modes.append((list(headers.items()), body.decode()))
print(json.dumps(modes))
