"""``ci run``: begin a pipeline, tell how far it is, and write reports of it.

Exit code 0: it passed (or was begun, with ``--detach``); 1: something did not pass, or it could not be run; 130 and
143: it was ended by Ctrl+C or SIGTERM, and with it its jobs, so what they leased is free. If this process is killed the
agent sees within a minute that nobody asks any more, and ends the run. An agent that ends is waited for, and its next
one goes on.
"""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TextIO

from mlops_desk.api.client import Client, connect
from mlops_desk.base import wire
from mlops_desk.base.disk.agent_address import AgentAddress
from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.cli.ci.asked import AskedAgent
from mlops_desk.cli.ci.logs import JobLogs
from mlops_desk.cli.ci.reports import report, report_paths
from mlops_desk.cli.ci.runner import harmless, ref_of
from mlops_desk.cli.forms.rules.ci import ci_run
from mlops_desk.cli.output import show
from mlops_desk.records.ci.gaps import code_gaps
from mlops_desk.records.ci.run import CiRun, CiStage, CiStageState, CiState

_INTERRUPTED, _TERMINATED = 130, 143  # as shells say it
_WAIT_SECONDS = 3.0  # chosen: news come at once; a third question is asked well before the agent gives us up
_LINE = 2000  # chosen: longer lines are bars and data


class _TerminatedError(Exception):
    """SIGTERM came."""


def run(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    """Run a pipeline to its end. Raises DeskError."""
    said = sys.stderr if as_json else sys.stdout
    with AskedAgent(address, demo=given.demo) as asked, _terminable():
        run_id = ""
        try:
            begun = _begin(asked.client, given)
            run_id = begun.id
            said.write(f"Run {begun.id} of {plain(begun.name)}, commit {(begun.commit or 'none')[:12]}.\n")
            for gap in code_gaps(begun):
                said.write(f"Warning: {harmless(gap.text)} {gap.hint}\n")
            said.flush()
            if given.detach:
                show(wire.to_builtins(begun) if as_json else None, ci_run(begun), as_json=as_json)
                return 0
            ended, code = _followed(asked, begun, said, quiet=given.quiet or as_json), None
        except (KeyboardInterrupt, _TerminatedError) as error:
            code = _INTERRUPTED if isinstance(error, KeyboardInterrupt) else _TERMINATED
            if not run_id:
                raise KeyboardInterrupt from error  # the agent ends what nobody asks about
            ended = asked.end(run_id)
        report(asked.client, ended, given)
        show(wire.to_builtins(ended) if as_json else None, ci_run(ended), as_json=as_json)
    return code if code is not None else int(ended.state is not CiState.PASSED)


def _begin(client: Client, given: argparse.Namespace) -> CiRun:
    branch, tag = (given.branch, given.tag) if given.branch or given.tag else ref_of(os.environ)
    folder = str(Path(given.folder).expanduser().absolute())
    begun: CiRun = client.ci.run(
        folder, given.file, branch, tag, _data(given.data), " ".join(given.secret), dirty=given.dirty,
        attended=not given.detach, reports=report_paths(given),
    )  # fmt: skip
    return begun


def _data(pairs: list[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        target, equals, path = pair.partition("=")
        if not (target and equals and path):
            raise Invalid(f"--data {plain(pair)!r} is not of the form TARGET=PATH.")
        found[target] = str(Path(path).expanduser().absolute())
    return found


def _followed(asked: AskedAgent, run: CiRun, said: TextIO, *, quiet: bool) -> CiRun:
    """Tell what comes of a run until it is over."""
    logs = JobLogs(lambda: connect(asked.address, demo=asked.demo), said)
    known: dict[str, tuple[CiStageState, str]] = {}
    while True:
        for stage in run.stages:
            if known.get(stage.name) != (stage.state, stage.text) and stage.state is not CiStageState.WAITING:
                known[stage.name] = stage.state, stage.text
                logs.say(_line(stage))
            if stage.job_id is not None and not quiet:
                logs.follow(stage.name, stage.job_id)
        if run.state.is_final:
            break
        run = asked.look(run.id, run.revision, _WAIT_SECONDS)
    logs.end()
    return run


def _line(stage: CiStage) -> str:
    job = f" (job {stage.job_id})" if stage.job_id is not None and stage.state is CiStageState.RUNNING else ""
    text = f": {harmless(plain(stage.text, _LINE))}" if stage.text else ""
    return f"{stage.name} {stage.state.value}{job}{text}"


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end what is done as Ctrl+C does."""

    def came(_number: int, _frame: FrameType | None) -> None:
        raise _TerminatedError

    before = signal.signal(signal.SIGTERM, came)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
