"""``ci run``: begin a pipeline, tell how far it is, and write reports of it.

Exit code 0: it passed (or was begun, with ``--detach``); 1: something did not pass, or it could not be run; 130 and
143: it was ended by Ctrl+C or SIGTERM, and with it its jobs, so what they leased is free. If this process is killed the
agent sees within a minute that nobody asks any more, and ends the run. An agent that ends is waited for, and its next
one goes on.
"""

import argparse
import contextlib
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Self, TextIO
from xml.etree import ElementTree as ET

from mlops_desk.automation.records.ci.gaps import code_gaps
from mlops_desk.automation.records.ci.run import CiRun, CiStage, CiStageKind, CiStageState, CiState
from mlops_desk.automation.text.ci import ci_run
from mlops_desk.kit.api.client import Client, connect
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import step
from mlops_desk.kit.text.document import show


# What a runner of GitHub or GitLab says by its environment: of which branch or tag a commit is, where a summary goes.
# A pull request is of no branch that a pipeline names: GitHub calls it NUMBER/merge, and GitLab sets neither
# variable, so that nobody registers models by naming a branch of a fork ``main``. Pure.
def ref_of(environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return (branch, tag), of which one at most is known."""
    name = environment.get("GITHUB_REF_NAME") or None
    if name is not None and environment.get("GITHUB_REF_TYPE") == "tag":
        return None, name
    if name is not None:
        return name, None
    tag = environment.get("CI_COMMIT_TAG") or None
    return (None, tag) if tag is not None else (environment.get("CI_COMMIT_BRANCH") or None, None)


def summary_of(environment: Mapping[str, str]) -> str | None:
    """Return the file that a step's summary is appended to; None where the runner has none."""
    return environment.get("GITHUB_STEP_SUMMARY") or None


def harmless(line: str) -> str:
    """Return a line of a job's output that no runner takes for a command to itself.

    GitHub's runner obeys lines that begin with ``::``, and ``##[`` wherever it stands; GitLab's folds sections by
    ``section_start:``. What stands before the line keeps the first from its beginning.
    """
    return (
        line.replace("##[", "## [")
        .replace("section_start:", "section_start :")
        .replace("section_end:", "section_end :")
    )


# A run as Markdown: a table of its stages, for a summary that people read on their forge. Pure.
# What a job or a repository has said stands in it as text: no link, no picture and no HTML is made of it.
_MARKS: Mapping[CiState | CiStageState, str] = {
    CiState.PASSED: "✅",
    CiState.FAILED: "❌",
    CiStageState.PASSED: "✅",
    CiStageState.FAILED: "❌",
    CiStageState.SKIPPED: "⏭️",
}
_OTHER = "❔"
_CELL = 300  # chosen: two sentences
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~@:&])")  # CommonMark, and mentions and addresses that forges link


def markdown(run: CiRun) -> str:
    """Return a run as a document."""
    commit = "" if run.commit is None else f" at {run.commit[:12]}"
    ref = "" if run.ref is None else f" of {run.ref_kind} {_text(run.ref)}"
    dirty = ", with changes that are not committed" if run.dirty else ""
    head = (
        f"## {_MARKS.get(run.state, _OTHER)} {_text(run.name)}: {run.state.value}\n\nRun {run.id}{commit}{ref}{dirty}."
    )
    rows = "\n".join(_row(stage) for stage in run.stages)
    head += "".join(f"\n\n⚠️ {_text(gap.text)} {_text(gap.hint)}" for gap in code_gaps(run))
    return f"{head}\n\n| Stage | State | Took | |\n| --- | --- | --- | --- |\n{rows}\n"


def _row(stage: CiStage) -> str:
    took = ""
    if stage.started_at is not None and stage.ended_at is not None:
        took = step(max(0.0, stage.ended_at - stage.started_at))
    state = f"{_MARKS.get(stage.state, _OTHER)} {stage.state.value}"
    return f"| {_text(stage.name)} | {state} | {took} | {_text(stage.text)} |"


def _text(said: str) -> str:
    """Return a text that means nothing but itself in Markdown."""
    return _SPECIAL.sub(r"\\\1", plain(said, _CELL))


# What the jobs of a run write, as it comes: each line behind the name of its stage, so that it is none of a runner's.
# Each job is followed by a thread with a connection of its own. Where a log breaks off (the agent ended) that is
# said; it is whole in ``jobs logs``.
_LINE = 2000  # chosen: longer lines are bars and data
_LAST_SECONDS = 5.0  # chosen: the last lines of jobs that have ended come in a moment


class JobLogs:
    """``connect`` gives a connection; ``said`` is where lines go, whole ones only."""

    def __init__(self, connect: Callable[[], Client], said: TextIO) -> None:
        self._connect = connect
        self._said = said
        self._lock = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        self._loop = Loop("ci-logs")

    def say(self, line: str) -> None:
        """Write a line."""
        with self._lock:
            self._said.write(f"{line}\n")
            self._said.flush()

    def follow(self, stage: str, job_id: str) -> None:
        """Begin to write what a job writes, if that is not done yet."""
        if job_id not in self._threads:
            self._threads[job_id] = self._loop.start(f"log-{job_id}", lambda: self._copy(stage, job_id))

    def _copy(self, stage: str, job_id: str) -> None:
        try:
            with contextlib.closing(self._connect()) as client:
                for line in client.jobs.logs(job_id, follow=True):
                    self.say(f"{stage} | {harmless(plain(line, _LINE))}")
        except DeskError as error:
            whole = Hint(f"mlops-desk jobs logs {job_id}", before="It is whole in: ")
            self.say(f"{stage} | The log broke off: {error.message} {whole}")

    def end(self) -> None:
        """Wait a moment for the last lines."""
        until = time.monotonic() + _LAST_SECONDS
        for thread in self._threads.values():
            thread.join(max(0.0, until - time.monotonic()))


# An agent that is asked about a run until that ends, and looked for anew when it was away.
_AWAY_SECONDS = 90.0  # chosen: an agent that is started anew on a busy machine
_PAUSE_SECONDS = 1.0  # chosen: an agent that is away is looked for so often


class AskedAgent:
    """The agent, looked for anew when it was away."""

    def __init__(self, address: AgentAddress, *, demo: bool) -> None:
        self.address = address
        self.demo = demo
        self.client = connect(address, demo=demo)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_what: object) -> None:
        self.client.close()

    def _again(self) -> None:
        """Find the agent once more, or start one. Raises DeskError."""
        with contextlib.suppress(DeskError, OSError):
            self.client.close()
        self.client = connect(self.address, demo=self.demo)

    def look(self, run_id: str, revision: int, seconds: float) -> CiRun:
        """Return a run once it is another than at a revision. Raises DeskError."""
        return self._patiently(lambda: self.client.ci.follow(run_id, revision, seconds))

    def end(self, run_id: str) -> CiRun:
        """End a run, so that nothing of it is left, and return it as it is then. Raises DeskError."""
        try:
            return self._patiently(lambda: self.client.ci.cancel(run_id))
        except Refused:
            return self.look(run_id, -1, 0.0)  # it was over by then

    def _patiently(self, ask: Callable[[], CiRun]) -> CiRun:
        """Ask, and where the agent is away wait for the next one. Raises DeskError."""
        until = time.monotonic() + _AWAY_SECONDS
        while True:
            try:
                return ask()
            except (Unavailable, TimedOut):
                if time.monotonic() > until:
                    raise
            time.sleep(_PAUSE_SECONDS)
            with contextlib.suppress(Unavailable, TimedOut):
                self._again()


# A run as JUnit XML, as GitHub's reporters, GitLab and Jenkins read it: a suite for the pipeline, a case for a stage.
# https://github.com/jenkinsci/xunit-plugin, junit-10.xsd: a case holds skipped, error or failure, then system-out. A
# failed command or gate is a failure; what was cancelled, or whose end nobody saw, an error. Pure.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2
_KINDS: Mapping[CiStageState, str] = {
    CiStageState.PASSED: "",
    CiStageState.FAILED: "failure",
    CiStageState.CANCELLED: "error",
    CiStageState.UNKNOWN: "error",
}
"""What stands in a case; of all others it is skipped."""


def junit(run: CiRun, logs: Mapping[str, str]) -> str:
    """Return a run as a document; ``logs`` are the last lines of jobs, by the stage."""
    counts = {"tests": str(len(run.stages))}
    for word in ("failure", "error", "skipped"):
        counts[f"{word}s" if word != "skipped" else word] = str(sum(_kind(one) == word for one in run.stages))
    began = [one.started_at for one in run.stages if one.started_at is not None]
    seconds = max(0.0, (run.ended_at or run.created_at) - min(began, default=run.created_at))
    about = {"name": _legal(run.name), **counts, "time": f"{seconds:.3f}"}
    top = ET.Element("testsuites", about)
    at = datetime.fromtimestamp(run.created_at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    suite = ET.SubElement(top, "testsuite", {**about, "timestamp": at})
    properties = ET.SubElement(suite, "properties")
    for name, value in _facts(run).items():
        ET.SubElement(properties, "property", {"name": name, "value": _legal(value)})
    gaps = "\n".join(f"{gap.text} {gap.hint}" for gap in code_gaps(run))
    for stage in run.stages:
        _case(suite, run, stage, logs.get(stage.name))
    if gaps:
        ET.SubElement(suite, "system-err").text = _legal(gaps)
    ET.indent(top)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(top, encoding="unicode") + "\n"


def _case(suite: ET.Element, run: CiRun, stage: CiStage, log: str | None) -> None:
    seconds = 0.0
    if stage.started_at is not None and stage.ended_at is not None:
        seconds = max(0.0, stage.ended_at - stage.started_at)
    about = {"classname": _legal(run.name), "name": _legal(stage.name), "time": f"{seconds:.3f}"}
    case = ET.SubElement(suite, "testcase", about)
    kind = _kind(stage)
    if kind:
        said = {"message": _legal(stage.text or stage.state.value)}
        told = ET.SubElement(case, kind, said if kind == "skipped" else {**said, "type": stage.state.value})
        if kind != "skipped":
            told.text = _legal("\n".join(part for part in (stage.text, stage.hint or "") if part))
    if log:
        ET.SubElement(case, "system-out").text = _legal(log)


def _kind(stage: CiStage) -> str:
    return _KINDS.get(stage.state, "skipped")


def _facts(run: CiRun) -> dict[str, str]:
    found = {
        "run": run.id,
        "repository": run.repository,
        "commit": run.commit or "",
        run.ref_kind or "ref": run.ref or "",
    }
    jobs = {f"job.{stage.name}": stage.job_id for stage in run.stages if stage.job_id is not None}
    return {name: value for name, value in {**found, "dirty": str(run.dirty).lower(), **jobs}.items() if value}


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)


# Reports of a run as files: those that were asked for, and the summary that a runner shows.
_TAIL = 100  # lines, chosen: what a person reads of a failed job on a forge


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


_INTERRUPTED, _TERMINATED = 130, 143  # as shells say it
_WAIT_SECONDS = 3.0  # chosen: news come at once; a third question is asked well before the agent gives us up


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
