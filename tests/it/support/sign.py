"""Signs a POST of JSON as clients of AWS do (Signature Version 4), and prints its headers as JSON.

usage: sign.py URL SERVICE KEY_ID SECRET BODY
"""

import json
import sys

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

url, service, key_id, secret, body = sys.argv[1:]
request = AWSRequest("POST", url, data=body, headers={"content-type": "application/json"})
SigV4Auth(Credentials(key_id, secret), service, "us-east-1").add_auth(request)
print(json.dumps(list(request.headers.items())))
