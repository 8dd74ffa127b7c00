"""A worker that looks at a pack, which may be anybody's: ``{"file": PATH, "signer": FINGERPRINT or null}``.

It answers with an EvidenceVerification, and says on stderr how far it is: ``DONE TOTAL FILE``, a line each.
"""

import sys
from pathlib import Path
from typing import Any

from mlops_desk.governance.evidence.verification import verify
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import open_plain
from mlops_desk.kit.base.errors import Invalid, Unavailable
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain

_MOST_BYTES = 128 << 20  # chosen: twice what a pack may hold, which is mostly text that deflates well


def work(request: dict[str, Any]) -> Any:
    """Verify. Raises Invalid, TimedOut, Unavailable."""
    path = Path(request["file"])
    try:
        with open_plain(path, links=True) as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise Unavailable(f"{plain(str(path))} can't be read: {error.strerror}.") from error
    if len(data) > _MOST_BYTES:
        raise Invalid(f"{plain(path.name)} is no evidence pack: it has more than {_MOST_BYTES >> 20} MiB.")
    return wire.to_builtins(verify(data, request.get("signer"), _say))


def _say(number: int, of: int, file: str) -> None:
    sys.stderr.write(f"{number} {of} {plain(file, 100)}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    serve_one(work)
