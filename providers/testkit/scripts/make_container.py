"""Makes a container of Azure's blob storage, which no client of ours has to.

usage: make_container.py PORT ACCOUNT KEY CONTAINER

The request is signed with the account's key as in
https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
"""

import base64
import email.utils
import hashlib
import hmac
import http.client
import sys

port, account, key, container = sys.argv[1:]
# Servers on loopback have the account in the path, so that it stands twice in what is signed.
path = f"/{account}/{container}"
date, version = email.utils.formatdate(usegmt=True), "2021-12-02"
signed = "\n".join(
    ["PUT"]
    + [""] * 11
    + [f"x-ms-date:{date}", f"x-ms-version:{version}", f"/{account}{path}", "restype:container"]
)
digest = hmac.new(base64.b64decode(key), signed.encode(), hashlib.sha256).digest()
headers = {
    "Authorization": f"SharedKey {account}:{base64.b64encode(digest).decode()}",
    "Content-Length": "0",
    "x-ms-date": date,
    "x-ms-version": version,
}
connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
connection.request("PUT", f"{path}?restype=container", headers=headers)
answer = connection.getresponse()
if answer.status != 201:
    raise SystemExit(f"{answer.status} {answer.read().decode()}")
