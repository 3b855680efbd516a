"""Prints events as `sam local generate-event` makes them, by the part of AWS's SAM CLI that does it.

usage: sam_events.py JSON
JSON: a list of [service, event, {value: text}], e.g. [["sqs", "receive-message", {"body": "x"}]]
"""

import json
import sys

from samcli.lib.generated_sample_events.events import Events

events = Events()
made = [
    json.loads(events.generate_event(service, event, values))
    for service, event, values in json.loads(sys.argv[1])
]
print(json.dumps(made))
