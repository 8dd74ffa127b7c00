"""What the command line does beside opening the window: ask a verb of the agent, be the agent, or work without one."""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlops_desk.api.client import Client, connect, wait_until_gone
from mlops_desk.base import wire
from mlops_desk.base.disk.agent_address import AgentAddress
from mlops_desk.base.errors import DeskError, Hint, Invalid, TimedOut, Unavailable
from mlops_desk.base.process import run_worker
from mlops_desk.cli import afterword, output, terminal
from mlops_desk.cli.forms import deployment, job_files
from mlops_desk.cli.output import show
from mlops_desk.cli.parser import arguments_of, file_of
from mlops_desk.cli.watch import watch
from mlops_desk.records.agent import Backup
from mlops_desk.records.drift import DriftReport
from mlops_desk.records.jobs.job_shell import JobShell

Act = Callable[[AgentAddress, argparse.Namespace, bool], int]
_REPORT_TIMEOUT_SECONDS = 3600.0  # chosen: files of many gigabytes; a person watches and can press Ctrl+C
_SELFTEST_TIMEOUT_SECONDS = 300.0  # chosen: it loads every library once, also from a slow disk
_RESTORE_TIMEOUT_SECONDS = 600.0  # chosen: a database of gigabytes is unpacked and checked
_RESTORING = "mlops_desk.storage.restore"


def _verb(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    arguments = arguments_of(given.verb, given)
    client = connect(address, demo=given.demo)
    try:
        before = afterword.before(client, given.verb, arguments)
        try:
            answer = client.call(given.verb, arguments)
        except DeskError as error:
            raise _with_file(error, file_of(given.verb, given)) from error
        if given.verb.streams:
            followed = None if as_json else afterword.followed(given.verb, arguments)
            _say(followed and afterword.waiting(client, followed))
            code = _print_lines(answer, as_json=as_json)
            _say(followed and afterword.over(client, followed))
            return code
        if isinstance(answer, JobShell) and not as_json:
            terminal.enter(answer)
        text = afterword.ended(given.verb, arguments, answer) or (
            afterword.after(before, answer)
            + output.text(answer, afterword.nothing(given.verb, arguments))
            + ("" if as_json else afterword.group(client, given.verb, answer))
        )
        _say(None if as_json else job_files.losses(answer))
        show(wire.to_builtins(answer), text, as_json=as_json)
        if (failed := deployment.failure(given.verb, arguments, answer)) is not None:
            raise failed
    finally:
        client.close()
    return 0


def _with_file(error: DeskError, path: str | None) -> DeskError:
    """Return the error with the name of the file that it is about, which the agent never heard."""
    if error.place is None or path is None:
        return error
    return type(error)(f"{path}: {error.message}", error.hint, error.command, error.place)


def _say(text: str | None) -> None:
    """Say something beside an output that may be piped on."""
    if text:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def _print_lines(lines: Iterator[str], *, as_json: bool) -> int:
    if as_json:
        show(list(lines), "", as_json=True)
        return 0
    for line in lines:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return 0


def _agent(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:  # noqa: ARG001 - an Act
    from mlops_desk import agent  # noqa: PLC0415 - the agent's half of the program

    return agent.main(address.files("Being the agent"), demo=given.demo, echo=sys.stderr.isatty())


def _agent_status(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:  # noqa: ARG001 - all acts are called alike
    client = _running(address)
    if client is None:
        document: dict[str, Any] = {"running": False, "data_dir": _data_dir(address), "address": str(address)}
        show(document, f"No agent runs for {address}.", as_json=as_json)
        return 0
    info = client.agent.info()
    client.close()
    show({"running": True, **wire.to_builtins(info)}, output.text(info), as_json=as_json)
    return 0


def _agent_stop(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    client = connect(address, demo=given.demo) if given.everything else _running(address)
    if client is None:
        show({"stopped": False}, f"No agent runs for {address}.", as_json=as_json)
        return 0
    info = client.agent.info()
    pid = info.pid
    asks = given.everything and not info.simulated  # a demo's endpoints have no containers
    staying = deployment.staying(client.endpoints.list()) if asks else []
    _shut_down(client, address, everything=given.everything)
    if not wait_until_gone(address, 10.0):
        raise TimedOut(f"The agent (pid {pid}) was asked to end and still runs.", Hint(f"kill {pid}"))
    left = {"endpoints_left": staying} if given.everything else {}
    text = f"The agent for {address} has ended.{deployment.farewell(staying)}"
    show({"stopped": True, "pid": pid, **left}, text, as_json=as_json)
    return 0


def _shut_down(client: Client, address: AgentAddress, *, everything: bool = False) -> None:
    try:
        client.agent.shutdown(everything=everything)
    except Unavailable:  # it ends a moment later, which is too soon for the answer where the audit waits for the disk
        if not wait_until_gone(address, 5.0):
            raise
    client.close()


def _agent_restore(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    folder = address.files("Restoring a backup")
    request: dict[str, Any] = {"folder": str(folder.root)}
    if given.listed or given.name is None:
        document = run_worker(_RESTORING, request, _RESTORE_TIMEOUT_SECONDS)
        found = [wire.from_builtins(item, Backup) for item in document]
        show(document, output.text(found, f"There is no backup in {folder.root} yet."), as_json=as_json)
        return 0
    known = [item["name"] for item in run_worker(_RESTORING, request, _RESTORE_TIMEOUT_SECONDS)]
    client = _running(address) if given.name in known else None  # no agent is ended for a name that was mistyped
    if client is not None:
        _shut_down(client, address)
    document = run_worker(_RESTORING, {**request, "name": given.name}, _RESTORE_TIMEOUT_SECONDS)
    document["stopped"] = client is not None
    kept = f" What was there is kept as {document['kept_as']}." if document["kept_as"] else ""
    ended = " The agent was ended; the next command starts it again." if client is not None else ""
    show(document, f"{document['database']} is now the backup {given.name}.{kept}{ended}", as_json=as_json)
    return 0


def _running(address: AgentAddress) -> Client | None:
    try:
        return connect(address, start=False)
    except Unavailable:
        return None


def _data_dir(address: AgentAddress) -> str | None:
    return None if address.folder is None else str(address.folder.root)


def _drift_report(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:  # noqa: ARG001 - all acts are called alike
    files = {name: str(Path(getattr(given, name)).absolute()) for name in ("reference", "current")}
    for path in files.values():
        if not Path(path).is_file():
            raise Invalid(f"{path} is not a file.", "Give a Parquet or CSV file.")
    document = run_worker("mlops_desk.drift.worker", files, _REPORT_TIMEOUT_SECONDS)
    show(document, output.text(wire.from_builtins(document, DriftReport)), as_json=as_json)
    return 0


def selftest(target: str, *, as_json: bool) -> int:
    """Try everything an installation needs; 1 when something failed, with the report in ``target``."""
    folder = Path(target).absolute()
    document = run_worker("mlops_desk.selftest", {"folder": str(folder)}, _SELFTEST_TIMEOUT_SECONDS)
    lines = [f"{'ok  ' if item['ok'] else 'FAIL'} {item['name']}: {item['text']}" for item in document["checks"]]
    show(document, "\n".join([*lines, f"Report: {folder / 'selftest.json'}"]), as_json=as_json)
    return 0 if document["ok"] else 1


ACTS: dict[str, Act] = {
    "verb": _verb,
    "agent": _agent,
    "agent-status": _agent_status,
    "agent-stop": _agent_stop,
    "agent-restore": _agent_restore,
    "drift-report": _drift_report,
    "watch": watch,
}
