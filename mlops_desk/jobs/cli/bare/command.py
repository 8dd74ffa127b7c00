"""What ``mlops-desk exec`` does: ask for GPUs, wait for them, run the command on them, and say how it ended."""

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from mlops_desk.jobs.cli.bare import arguments as wishes
from mlops_desk.jobs.cli.bare.child import BareCommand, End
from mlops_desk.kit.api import exchange
from mlops_desk.kit.api.exchange import ExchangeError, Inquiry, document, query, refuse
from mlops_desk.kit.base.disk import agent_address
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.disk.lock import FolderLock
from mlops_desk.kit.base.errors import DeskError, Hint, TimedOut, Unavailable


# One question of ``exec`` to the agent, and the answer, as documents of JSON: no record is loaded for it.
def ask(path: Path, verb: str, arguments: dict[str, Any], timeout_seconds: float, *, changes: bool) -> dict[str, Any]:
    """Ask a verb (``bare/claim``) of the agent at a socket. Raises Unavailable, TimedOut, or what the agent says."""
    try:
        with exchange.opened(path, _question(verb, arguments, changes=changes), timeout_seconds) as answer:
            refuse(answer)
            found = document(answer.whole())
    except (exchange.ReadTimeout, exchange.ConnectTimeout) as error:
        text = f"The agent did not answer within {timeout_seconds:g} s."
        hint = Hint("mlops-desk jobs list", before="It may still do what was asked: ")
        raise TimedOut(text, hint) from error
    except ExchangeError as error:
        raise Unavailable(f"The agent can't be reached: {error}") from error
    if not isinstance(found, dict):
        raise Unavailable("The agent's answer is not of the expected form.")
    return found


def _question(verb: str, arguments: dict[str, Any], *, changes: bool) -> Inquiry:
    path = f"/v1/{verb}"
    return Inquiry(path, json.dumps(arguments).encode()) if changes else Inquiry(f"{path}?{query(arguments)}")


_DEADLINE_SECONDS = 60.0  # as every verb's
_WAIT_SECONDS = 30.0  # what one question may wait for its answer
_LAST_WORD_SECONDS = 2.0  # chosen: the command has ended, and its user waits for the prompt
_AWAY_SECONDS = 1.0  # chosen: an agent that is replaced is back within seconds
_OVER = {"succeeded", "failed", "cancelled", "unknown"}


def execute(words: list[str]) -> int:
    """Do it; returns the command's exit code. Raises DeskError where it never began."""
    wish = wishes.read(words)
    address = agent_address.choose(wish.given.address, wish.given.data_dir)
    if wish.given.demo:
        raise DeskError("The demonstration has no GPUs to run on.", "Leave --demo out.")
    socket = _socket(address)
    child = BareCommand(wish.command)
    job_id: str | None = None
    try:
        claim = _claim(socket, wish, child.pid)
        job_id = str(claim["job_id"])
        claim = _granted(address, claim)
        environment = _environment(claim)
    except BaseException:
        child.give_up()
        if job_id is not None:
            _take_back(socket, job_id)
        raise
    started_at = time.time()
    child.begin(environment)
    end = child.wait()
    _tell(socket, claim, end, started_at)
    return end.exit_code


def _socket(address: AgentAddress) -> Path:
    """Return where the agent listens; one is started where none does and one may be."""
    if address.folder is None and address.socket is not None:
        return address.socket
    note = FolderLock(address.files("Running a command").lock).note()
    if note and Path(note).exists():
        return Path(note)
    from mlops_desk.kit.api.client import connect  # noqa: PLC0415 - a sixth of a second, for the first of many commands
    from mlops_desk.kit.api.start import socket_of  # noqa: PLC0415 - likewise

    connect(address, demo=False).close()
    found = socket_of(address)
    if found is None:
        raise Unavailable(f"The agent for {address} ended again.", Hint("mlops-desk doctor"))
    return found


def _claim(socket: Path, wish: wishes.ExecWish, pid: int) -> dict[str, Any]:
    asked = {
        "spec": wish.spec,
        "pid": pid,
        "folder": os.getcwd(),  # noqa: PTH109 - a text is what is sent
        "wait_seconds": _AWAY_SECONDS,
        "now": wish.given.now,
    }
    return ask(socket, "bare/claim", asked, _DEADLINE_SECONDS, changes=True)


def _granted(address: AgentAddress, claim: dict[str, Any]) -> dict[str, Any]:
    """Wait until it may begin, and say on stderr what it waits for. Raises DeskError when it never will."""
    said = ""
    while not claim["granted"]:
        if claim["state"] in _OVER:
            raise _refused(claim)
        if (text := _waits(claim)) != said:
            said = text
            sys.stderr.write(f"mlops-desk: {text}\n")
            sys.stderr.flush()
        claim = _look_again(address, claim)
    return claim


def _look_again(address: AgentAddress, claim: dict[str, Any]) -> dict[str, Any]:
    """Ask how it stands; an agent that is away is waited for, as its queue is."""
    asked = {"job_id": claim["job_id"], "wait_seconds": _WAIT_SECONDS}
    try:
        return ask(_socket(address), "bare/seen", asked, _DEADLINE_SECONDS, changes=False)
    except (Unavailable, TimedOut):
        time.sleep(_AWAY_SECONDS)
        return claim


def _waits(claim: dict[str, Any]) -> str:
    reason = claim["reason"] or {}
    text = str(reason.get("text") or "waits for its turn")
    hint = reason.get("hint") if claim["state"] == "blocked" else None
    start = claim["forecast_start"]
    soon = "" if start is None else f" Starts about {time.strftime('%H:%M', time.localtime(start))}."
    return f"{text}{soon}{f' {hint}' if hint else ''}"


def _refused(claim: dict[str, Any]) -> DeskError:
    reason = claim["reason"] or {}
    text = str(reason.get("text") or f"Job {claim['job_id']} is over already: {claim['state']}.")
    return DeskError(text, reason.get("hint"), reason.get("command"))


def _environment(claim: dict[str, Any]) -> dict[str, str]:
    try:
        place = Path(claim["environment"])
        found: dict[str, str] = json.loads(place.read_text(encoding="utf-8"))
        _empty(place)
    except OSError as error:
        text = f"What belongs to the leased GPUs can't be read from {claim['environment']}: {error.strerror}."
        raise Unavailable(text, "An agent on another machine can't lease GPUs to a command of this one.") from error
    return found


def _empty(place: Path) -> None:
    """Leave nothing in the file but that it may begin: a login lies on the disk for no longer than it must."""
    new = place.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o400)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("{}")
    new.replace(place)


def _take_back(socket: Path, job_id: str) -> None:
    with contextlib.suppress(DeskError):  # its process is gone, which the agent sees for itself
        ask(socket, "jobs/cancel", {"job_id": job_id}, _LAST_WORD_SECONDS, changes=True)


def _tell(socket: Path, claim: dict[str, Any], end: End, started_at: float) -> None:
    """Leave how it ended as a file, which any later agent finds, and let the one that runs look at once."""
    try:
        end.leave(Path(claim["outcome"]), claim["attempt"], started_at)
    except OSError as error:
        sys.stderr.write(f"mlops-desk: how it ended can't be written down: {error.strerror}\n")
    with contextlib.suppress(DeskError):  # no agent is there to look now; the next one will
        ask(socket, "bare/ended", {"job_id": claim["job_id"]}, _LAST_WORD_SECONDS, changes=True)
