"""Writing a card that the agent has made into a file of whoever asks."""

import argparse
import contextlib
from pathlib import Path

from mlops_desk.api.client import connect
from mlops_desk.base.disk.agent_address import AgentAddress
from mlops_desk.base.errors import Invalid
from mlops_desk.cli.forms.governance.card import exported
from mlops_desk.cli.governance.made import refuse_taken, tell_made, write_new

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
