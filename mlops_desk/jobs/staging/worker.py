"""The agent's side of the copying worker: started as the person, listened to, ended when nothing moves or nobody waits.

A share may hang in the kernel, with the worker in it: then the worker is killed and left behind, and the job waits.
"""

import contextlib
import json
import os
import selectors
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlops_desk.kit.base.errors import TimedOut, Unavailable, heard
from mlops_desk.kit.base.people.person import person
from mlops_desk.kit.base.process import end_group, python_command, start_child
from mlops_desk.kit.base.text import plain

_WORKER = "mlops_desk.jobs.staging.copier"
SILENT_SECONDS = 180.0
"""Chosen: a server that restarts is back by then; NFS waits 60 s (timeo) before it says that one does not answer."""
_LOOK_SECONDS = 0.5  # chosen: how late a cancel is noticed
_LINE_BYTES = 1 << 20  # chosen: no line is longer; a list of names may be long
_ERRORS_SHOWN = 600  # chosen: the last lines of a traceback, which name the error

Heard = Callable[[int, int], None]
"""Hears how many files and bytes are done."""


class Given(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """Nobody waits for it any more; what was copied stays."""


class CacheFull(Unavailable):
    """The disk of the cache took no more."""


def run_copier(
    request: Mapping[str, Any],
    descriptors: Sequence[int],
    uid: int,
    told: Heard,
    given_up: Callable[[], bool],
    silent_seconds: float = SILENT_SECONDS,
) -> dict[str, Any]:
    """Run the worker as ``uid`` to its answer. Raises Given, the DeskErrors that it tells, CacheFull, TimedOut."""
    with os.fdopen(os.memfd_create("given"), "w+b") as stdin, os.fdopen(os.memfd_create("errors"), "w+b") as errors:
        stdin.write(json.dumps(request).encode())
        stdin.seek(0)
        try:
            process = start_child(
                python_command(_WORKER), stdin=stdin, stderr=errors, as_person=person(uid), keep=descriptors
            )
        except OSError as error:
            raise Unavailable(f"What copies data can't be started: {error.strerror}.") from error
        try:
            answer = _listen(process.stdout, request, told, given_up, silent_seconds)
        finally:
            end_group(process)
        if answer is None:
            errors.seek(0)
            tail = errors.read().decode("utf-8", "replace").strip()[-_ERRORS_SHOWN:]
            raise Unavailable(f"What copies data ended without an answer. It last wrote: {plain(tail, _ERRORS_SHOWN)}")
    return answer


def _listen(
    stdout: Any, request: Mapping[str, Any], told: Heard, given_up: Callable[[], bool], silent_seconds: float
) -> dict[str, Any] | None:
    """Return the answer, None where there is none."""
    descriptor = stdout.fileno()
    os.set_blocking(descriptor, False)
    moved, rest, done = time.monotonic(), b"", (-1, -1)
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            if given_up():
                raise Given
            if time.monotonic() - moved > silent_seconds:
                raise _silent(str(request["source"]), silent_seconds)
            if not selector.select(_LOOK_SECONDS):
                continue
            data = b""
            with contextlib.suppress(BlockingIOError):
                data = os.read(descriptor, _LINE_BYTES)
                if not data:
                    return None
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                document = json.loads(line)
                if "ok" in document:
                    found: dict[str, Any] = document["ok"]
                    return found
                if "error" in document:
                    raise _error_of(document)
                now = (int(document["files"]), int(document["bytes"]))
                if now != done:
                    done, moved = now, time.monotonic()
                    told(*done)


def _error_of(document: dict[str, Any]) -> Exception:
    if document.get("code") == "full":
        return CacheFull(str(document["error"]))
    return heard(document)


def _silent(source: str, seconds: float) -> TimedOut:
    text = f"Nothing was read from {plain(source)} for {seconds:g} s, and the copying was ended."
    return TimedOut(text, "Does its share answer? What was copied is kept, and the copy goes on from there.")
