"""What the agent has made, as a new file of whoever asks: none is overwritten, none is left half."""

import contextlib
from pathlib import Path

from mlops_desk.base import wire
from mlops_desk.base.errors import Refused, Unavailable
from mlops_desk.cli.output import show


def refuse_taken(out: Path) -> None:
    """Refuse before anything is made where the file is there. Raises Refused."""
    if out.exists():
        raise _taken(out)


def write_new(out: Path, data: bytes, what: str) -> None:
    """Write a file that must be new; ``what`` names it in errors. Raises Refused, Unavailable; nothing is left then."""
    try:
        with out.open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise _taken(out) from None
    except OSError as error:
        with contextlib.suppress(OSError):
            out.unlink(missing_ok=True)
        raise Unavailable(f"{what} can't be written to {out}: {error.strerror}.", "Name a file elsewhere.") from error


def tell_made(made: object, text: str, out: Path, *, as_json: bool) -> None:
    """Tell what was made, without its bytes, and where it is."""
    document = {name: value for name, value in wire.to_builtins(made).items() if name != "data"}
    show({"file": str(out.absolute()), **document}, text, as_json=as_json)


def _taken(out: Path) -> Refused:
    return Refused(f"{out} is there already.", "Name another file.")
