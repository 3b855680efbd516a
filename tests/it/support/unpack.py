"""Unpacks a zip or tar.gz file with the modes that it records, and prints what is in it as JSON.

usage: unpack.py ARCHIVE FOLDER
"""

import json
import os
import stat
import sys
import tarfile
import zipfile

archive, folder = sys.argv[1:]
entries = []


def put(path, mode, contents):
    destination = os.path.join(folder, path)
    assert os.path.realpath(destination).startswith(os.path.realpath(folder) + os.sep), path
    os.makedirs(os.path.dirname(destination), exist_ok=True)
    with open(destination, "wb") as file:
        file.write(contents)
    os.chmod(destination, mode)


if archive.endswith(".zip"):
    with zipfile.ZipFile(archive) as file:
        assert file.testzip() is None
        for entry in file.infolist():
            mode = entry.external_attr >> 16
            assert stat.S_ISREG(mode), entry
            put(entry.filename, stat.S_IMODE(mode), file.read(entry))
            made_on_unix = entry.create_system == 3
            time = list(entry.date_time)
            entries.append((entry.filename, stat.S_IMODE(mode), time, made_on_unix))
else:
    with tarfile.open(archive, "r:gz") as file:
        for entry in file:
            if entry.isfile():
                put(entry.name, entry.mode, file.extractfile(entry).read())
                entries.append((entry.name, entry.mode, entry.mtime, True))

names = ("path", "mode", "time", "made_on_unix")
print(json.dumps([dict(zip(names, entry)) for entry in entries]))
