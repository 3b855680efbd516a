"""Takes AWS's Runtime Interface Emulator for this machine out of the wheel in a folder.

usage: take_rie.py FOLDER_WITH_WHEEL DESTINATION
"""

import hashlib
import os
import pathlib
import platform
import sys
import zipfile

SHA256 = {
    "x86_64": "6b1e686e62ab2baf5759c412c4864276ef2a88b094fca53ec070637ccba9b9a5",
    "arm64": "ec2e5d09633d853834c008b1ef264bf834b258a94d551d2b2074966494b39a21",
}

machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
(wheel,) = pathlib.Path(sys.argv[1]).glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    program = archive.read(f"samcli/local/rapid/aws-lambda-rie-{machine}")
if hashlib.sha256(program).hexdigest() != SHA256[machine]:
    raise SystemExit(f"{wheel} does not hold the expected program")
destination = pathlib.Path(sys.argv[2])
destination.write_bytes(program)
os.chmod(destination, 0o755)
