"""Reports of a run as files: those that were asked for, and the summary that a runner shows."""

import argparse
import os
from pathlib import Path

from mlops_desk.api.client import Client
from mlops_desk.base.errors import DeskError, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.cli.ci.junit import junit
from mlops_desk.cli.ci.markdown import markdown
from mlops_desk.cli.ci.runner import summary_of
from mlops_desk.records.ci.run import CiRun, CiStageKind, CiStageState

_TAIL = 100  # lines, chosen: what a person reads of a failed job on a forge
_LINE = 2000  # chosen: longer lines are bars and data


def report(client: Client, run: CiRun, given: argparse.Namespace) -> None:
    """Write the reports that were asked for, and that the runner shows. Raises DeskError."""
    if given.junit is not None:
        _write(given.junit, junit(run, _tails(client, run)))
    if given.markdown is not None:
        _write(given.markdown, markdown(run))
    summary = summary_of(os.environ)
    if summary is not None:
        _write(summary, markdown(run) + "\n", mode="a")


def report_paths(given: argparse.Namespace) -> dict[str, str]:
    """Return where the reports that were asked for will lie, which is no code of the repository."""
    named = {"junit": given.junit, "markdown": given.markdown}
    return {kind: str(Path(path).absolute()) for kind, path in named.items() if path is not None}


def _tails(client: Client, run: CiRun) -> dict[str, str]:
    """Return the last lines of the jobs that did not pass."""
    found = {}
    for stage in run.stages:
        is_bad = stage.state.is_over and stage.state is not CiStageState.PASSED
        if stage.kind is CiStageKind.JOB and stage.job_id is not None and is_bad:
            try:
                lines = [plain(line, _LINE) for line in client.jobs.logs(stage.job_id, tail=_TAIL)]
            except DeskError as error:
                lines = [f"Its log can't be read: {error.message}"]
            found[stage.name] = "\n".join(lines)
    return found


def _write(path: str, text: str, mode: str = "w") -> None:
    try:
        with Path(path).open(mode, encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError as error:
        raise Unavailable(f"The report can't be written to {path}: {error.strerror}.", "Name another file.") from error
