"""Writing a card that the agent has made into a file of whoever asks.

What the agent has made, as a new file of whoever asks: none is overwritten, none is left half.
"""

import argparse
import contextlib
from pathlib import Path

from mlops_desk.governance.text.card import exported
from mlops_desk.kit.api.client import connect
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.errors import Invalid, Refused, Unavailable
from mlops_desk.kit.text.document import show


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


_FORMS = {".md": "markdown", ".html": "html", ".htm": "html", ".pdf": "pdf"}


def export(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    """Write a card. Raises DeskError; what is half written is taken away."""
    out = Path(given.out)
    form = given.form or _FORMS.get(out.suffix.lower())
    if form is None:
        raise Invalid(f"{out.name} does not say in which form.", "End its name in .md, .html or .pdf, or give --form.")
    refuse_taken(out)
    with contextlib.closing(connect(address, demo=given.demo)) as client:
        made = client.cards.export(given.version, form, given.uri)
    write_new(out, made.data, "The card")
    tell_made(made, exported(made, out.absolute()), out, as_json=as_json)
    return 0
