"""``drift profile``: a reference is read once, in a process of its own and without an agent, and kept as sketches.

With a version's name the agent is asked for the profile that it has left among the files of the version's run.
"""

import argparse
from pathlib import Path
from shlex import quote
from typing import Any

from mlops_desk.drift.cli.report import is_watched, options_of, request_of
from mlops_desk.drift.cli.sources import GivenData
from mlops_desk.drift.cli.workspace import passing_folder
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.errors import Hint, Invalid
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.text import plain

_TIMEOUT_SECONDS = 24 * 3600.0  # chosen: files larger than memory; a person watches and can press Ctrl+C
_MAKING = ("reference", "query", "out", "columns", "ignore", "target", "prediction", "id", "kind")
_NAMED = 10  # chosen: two lines of a terminal; --json has all
_NAME = 60  # chosen: names of columns come from files


def make(address: AgentAddress, given: argparse.Namespace, *, as_json: bool) -> int:
    """Make the profile that the command line asks for. Raises DeskError."""
    if given.reference is None or given.out is None:
        lacking = " and ".join(f"--{word}" for word in ("reference", "out") if getattr(given, word) is None)
        raise Invalid(f"{lacking} is missing.", "Name data and the file to write, or a version: MODEL/VERSION.")
    from mlops_desk.kit.text.document import show  # noqa: PLC0415 - loaded where there is something to show

    with passing_folder() as folder:
        sides = [GivenData(given.reference, given.query, "--reference", "--query")]
        request = request_of(address, given, sides, folder)
        request |= {"out": str(Path(given.out).absolute()), "options": options_of(given)}
        document = run_worker(
            "mlops_desk.drift.profile.worker",
            request,
            _TIMEOUT_SECONDS,
            aloud=is_watched(given),
            folder=Path.cwd(),
        )
    show(document, _text(document), as_json=as_json)
    return 0


def check_shown(given: argparse.Namespace) -> None:
    """Refuse to show a version's profile with what only making one takes. Raises Invalid."""
    chosen = [option for option in _MAKING if getattr(given, option)]
    if chosen:
        text = f"A version's profile is shown as it is; --{chosen[0]} is for one that is made."
        raise Invalid(text, Hint(f"mlops-desk drift profile {quote(plain(given.version))}"))


def _text(document: Any) -> str:
    lines = [f"{document['rows']:,} rows of {len(document['columns'])} columns in {document['bytes']:,} bytes."]
    left_out = document["left_out"]
    named = [f"{plain(name, _NAME)} ({plain(why)})" for name, why in left_out.items()][:_NAMED]
    if named:
        more = f" and {len(left_out) - _NAMED} more" if len(left_out) > _NAMED else ""
        lines.append(f"Left out: {', '.join(named)}{more}.")
    return "\n".join([*lines, *(plain(note, 400) for note in document["notes"]), f"Profile: {document['path']}"])
