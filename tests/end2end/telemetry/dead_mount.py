"""Mounts a filesystem whose server never answers, in a mount namespace of its own, and reads all filesystems.

    unshare --mount python tests/end2end/telemetry/dead_mount.py FOLDER

Prints what the source says, as JSON: while the server is silent, and after it is gone.
"""

import ctypes
import json
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from mlops_desk.machine.telemetry.host.filesystems import Filesystems  # noqa: E402 - the repository comes first

_DETACH = 2
_KIND = b"fuse.sshfs"


def main() -> None:
    point = Path(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)
    server = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={server},rootmode=40000,user_id=0,group_id=0".encode()
    if libc.mount(b"server:/data", str(point).encode(), _KIND, 0, options) != 0:
        sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
    source = Filesystems(deadline_seconds=1.0)
    try:
        began = time.monotonic()
        source.measure()
        silent = told(source)
        seconds = time.monotonic() - began
        began = time.monotonic()
        source.measure()
        again = time.monotonic() - began
    finally:
        os.close(server)
        libc.umount2(str(point).encode(), _DETACH)
    source.measure()
    print(json.dumps({"silent": silent, "seconds": seconds, "again": again, "gone": told(source)}))


def told(source: Filesystems) -> dict[str, dict[str, object]]:
    rows = source.read(time.monotonic())
    return {row.mount: {"note": row.note, "used": row.metrics["system.filesystem.usage"].value} for row in rows}


if __name__ == "__main__":
    main()
