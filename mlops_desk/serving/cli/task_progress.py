"""Verbs that take minutes: asked in a thread, with how far they are on standard error, and stopped by Ctrl+C.

On a terminal one line is painted over; elsewhere there is a line for each news, and for each tenth.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

from mlops_desk.kit.api.client import Client
from mlops_desk.kit.base.errors import DeskError, NotFound, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.text.cells import cut
from mlops_desk.serving.records.task_progress import Undertaking
from mlops_desk.serving.text.task_progress import line_of

_LOOK_SECONDS = 0.3  # chosen: what moves three times a second looks alive
_STOP_SECONDS = 20.0  # chosen: a container that ends, and files that are deleted; a build may go on for longer
_COLUMNS = 100  # chosen: fits beside the shell in most terminals
_TENTHS = 10  # chosen: the log of a night is read in one look


def followed(client: Client, ask: Callable[[], Any], ticket: str, said: TextIO) -> Any:
    """Ask, tell how far it is until it is answered, and return the answer. Raises DeskError, KeyboardInterrupt."""
    answered = threading.Event()
    found: list[Any] = []
    failed: list[DeskError] = []

    def work() -> None:
        try:
            found.append(ask())
        except DeskError as error:
            failed.append(error)
        finally:
            answered.set()

    Loop("ask").start("ask", work)
    painter = _Painter(said)
    try:
        while not answered.wait(_LOOK_SECONDS):
            painter.show(_progress(client, ticket))
    except KeyboardInterrupt:
        _stop(client, ticket, answered, painter)
        raise
    finally:
        painter.end()
    if failed:
        raise failed[0]
    if not found:
        raise Unavailable("The answer could not be read.", "The log has more.")
    return found[0]


def _progress(client: Client, ticket: str) -> Undertaking | None:
    try:
        return client.endpoints.progress(ticket)
    except DeskError:
        return None  # it has not begun, or is over: its own answer says what is wrong


def _stop(client: Client, ticket: str, answered: threading.Event, painter: "_Painter") -> None:
    """Have it stop, and wait until it has: it may have not begun yet."""
    painter.say("mlops-desk: stopping …")
    deadline = time.monotonic() + _STOP_SECONDS
    while not answered.wait(_LOOK_SECONDS) and time.monotonic() < deadline:
        try:
            client.endpoints.cancel(ticket)
        except NotFound:
            continue
        except DeskError as error:
            painter.say(f"mlops-desk: it could not be stopped: {error.message}")
            return
    if answered.is_set():
        painter.say("mlops-desk: stopped; nothing of it is left.")
    else:
        painter.say("mlops-desk: it stops as soon as the step is over that it is in.")


class _Painter:
    def __init__(self, said: TextIO) -> None:
        self._said = said
        self._in_place = said.isatty()
        self._last: tuple[str, int | None] | None = None
        self._is_painted = False

    def show(self, told: Undertaking | None) -> None:
        if told is None:
            return
        line = line_of(told)
        if self._in_place:
            self._said.write(f"\r\x1b[K{cut(line, _COLUMNS)}")
            self._said.flush()
            self._is_painted = True
            return
        tenth = None if not told.total or told.done is None else told.done * _TENTHS // told.total
        if (told.text, tenth) != self._last:
            self._last = told.text, tenth
            self.say(line)

    def say(self, line: str) -> None:
        self.end()
        self._said.write(f"{line}\n")
        self._said.flush()

    def end(self) -> None:
        """Leave the line that is painted over."""
        if self._is_painted:
            self._is_painted = False
            self._said.write("\r\x1b[K")
            self._said.flush()
