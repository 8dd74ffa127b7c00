"""The form of an exported job: a zip archive whose head lists every other member by its size and hash.

mlops-desk.json   version, job, host, and ``files``: the members
job.yaml          the job file, for people; what is read back is the spec of the record
record.json       the job's record
source.json       paths, modes and hashes of its code, whose own hash is the snapshot's name
source/…          its code as files; what has no name in UTF-8 lies in ``source-by-hash/`` instead
outputs/…         what it left, where that was asked for
source.patch, packages.txt, metrics.json, log.txt
"""

from collections.abc import Mapping
from typing import Any

ENDING = ".mldcapsule"
VERSION = 2  # of this form of the file: raised when an older reader would misread it
HEAD = "mlops-desk.json"
FILE = "job.yaml"
RECORD = "record.json"
METRICS = "metrics.json"
PACKAGES = "packages.txt"
PATCH = "source.patch"
LIST = "source.json"
LOG = "log.txt"
CODE = "source/"
ODD = "source-by-hash/"
OUTPUTS = "outputs/"


def member_of(line: Mapping[str, Any]) -> str | None:
    """Return the member that holds a file or link of the code; None for a link that only the list tells of."""
    name = f"{CODE}{line['path']}"
    if is_text(name) and is_text(str(line.get("link", ""))):
        return name
    return None if "link" in line else f"{ODD}{line['sha256']}"


def is_text(name: str) -> bool:
    """Tell whether a name can be written in UTF-8: file names need not be text."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
