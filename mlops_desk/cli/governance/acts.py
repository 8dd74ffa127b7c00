"""Writing a card that the agent has made into a file of whoever asks."""

import argparse
import contextlib
from pathlib import Path

from mlops_desk.api.client import connect
from mlops_desk.base import wire
from mlops_desk.base.disk.agent_address import AgentAddress
from mlops_desk.base.errors import Invalid, Refused, Unavailable
from mlops_desk.cli.forms.governance.card import exported
from mlops_desk.cli.output import show

_FORMS = {".md": "markdown", ".html": "html", ".htm": "html", ".pdf": "pdf"}


def export(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    """Write a card. Raises DeskError; what is half written is taken away."""
    out = Path(given.out)
    form = given.form or _FORMS.get(out.suffix.lower())
    if form is None:
        raise Invalid(f"{out.name} does not say in which form.", "End its name in .md, .html or .pdf, or give --form.")
    if out.exists():
        raise _taken(out)
    with contextlib.closing(connect(address, demo=given.demo)) as client:
        made = client.cards.export(given.version, form, given.uri)
    try:
        with out.open("xb") as file:
            file.write(made.data)
    except FileExistsError:
        raise _taken(out) from None
    except OSError as error:
        with contextlib.suppress(OSError):
            out.unlink(missing_ok=True)
        raise Unavailable(f"The card can't be written to {out}: {error.strerror}.", "Name a file elsewhere.") from error
    document = {name: value for name, value in wire.to_builtins(made).items() if name != "data"}
    show({"file": str(out.absolute()), **document}, exported(made, out.absolute()), as_json=as_json)
    return 0


def _taken(out: Path) -> Refused:
    return Refused(f"{out} is there already.", "Name another file.")
