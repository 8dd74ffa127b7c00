"""Worker: write stdin to a new file as the person who asked for it, whole or not at all."""

import contextlib
import json
import os
import shutil
import sys

from mlops_desk.kit.base.errors import DeskError, Refused, Unavailable
from mlops_desk.kit.base.process import end_with_parent
from mlops_desk.kit.base.text import plain


def write(path: str) -> None:
    """Write stdin to ``path``, where nothing may be yet. Raises Refused, Unavailable."""
    new = f"{path}.{os.getpid()}.new"
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
                file.flush()
                os.fsync(descriptor)
            os.link(new, path, follow_symlinks=False)  # a rename would take the place of what is there
        finally:
            with contextlib.suppress(OSError):
                os.unlink(new)  # noqa: PTH108 - a text, as it was given
    except FileExistsError as error:
        raise Refused(f"{plain(path)} is there already.", "Name another file, or move that one away.") from error
    except OSError as error:
        raise Unavailable(f"{plain(path)} can't be written: {error.strerror}.", "Name another place.") from error


def main() -> None:
    end_with_parent()
    try:
        write(sys.argv[1])
        answer: dict[str, object] = {"ok": True}
    except DeskError as error:
        answer = dict(error.told())
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
