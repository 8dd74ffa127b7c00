"""The output of a build as it was kept, and as it grows."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mlops_desk.base.errors import NotFound

_POLL_SECONDS = 0.2  # chosen: lines appear as if at once


def build_log(path: Path, *, follow: bool, is_over: Callable[[], bool]) -> Iterator[str]:
    """Yield the lines of a build's log; with ``follow`` until the build ``is_over``. Raises NotFound."""
    try:
        file = path.open(encoding="utf-8", errors="replace")
    except OSError as error:
        if follow and not is_over():
            time.sleep(_POLL_SECONDS)
            yield from build_log(path, follow=follow, is_over=is_over)
            return
        raise NotFound(f"The output of this build is not kept any more ({error.strerror}).") from error
    with file:
        part = ""
        while True:
            over = not follow or is_over()  # before reading: what it wrote last is read once more
            for piece in file:
                part += piece
                if part.endswith("\n"):
                    yield part.rstrip("\n")
                    part = ""
            if over:
                break
            time.sleep(_POLL_SECONDS)
    if part:
        yield part
