"""Keeps the tracking server up while somebody needs it: a running job that holds a ticket, or a window that shows it.

The server's keeper replaces a server that ends or hangs by itself, with or without an agent. What is left to the
agent is rarer: keeper and server gone together, a keeper that is gone or does nothing, a machine that was started
anew while jobs are to go on. And a server that another version has started is replaced, needed or not: it may serve
whoever reaches its port without the walls of this one.
"""

import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.failures import pause_after
from mlops_desk.registry.records.model import Registry
from mlops_desk.registry.server.keeper import TrackingServer

_log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # chosen: how late a server that ended is noticed; it costs one look at a file
IDLE_SECONDS = 5.0  # chosen: nothing waits for a server that nobody has used
_ASK_SECONDS = 5.0  # chosen: so late a server that lives and hangs is noticed
_ANSWER_SECONDS = 3.0  # chosen: the keeper itself replaces a server that is silent for longer
_MISSED_ANSWERS = 4
"""The keeper has replaced a hanging server by then (process.py), so it does nothing itself."""
_PAUSES_SECONDS = (0.0, 1.0, 5.0, 15.0, 30.0, 60.0)
"""Chosen: the first start is tried again at once, one that never works once a minute."""

Answers = Callable[[str], bool]


class Supervision:
    """``look`` is called every second from one thread.

    ``held`` tells whether jobs hold tickets, ``shown`` whether somebody looks at the registry; ``answers`` asks the
    server at a URI for a sign of life.
    """

    def __init__(
        self,
        server: TrackingServer,
        held: Callable[[], bool],
        shown: Callable[[], bool],
        answers: Answers | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._held = held
        self._shown = shown
        self._answers = answers or _answers
        self._clock = clock
        self._failures = 0
        self._due = 0.0
        self._ask_due = 0.0
        self._missed = 0

    def look(self) -> float:
        """Do what is needed now; return in how many seconds to look again."""
        if self._server.ended or not self._server.used:  # no job ever had a ticket where nothing was ever recorded
            self._missed = 0
            return IDLE_SECONDS
        if self._server.outdated:
            self._try("hand over", self._server.relieve)
            return LOOK_SECONDS
        held = self._held()
        if not (held or self._shown()):
            self._missed = 0
            return IDLE_SECONDS
        now = self._server.look()
        if now.state in {"stopped", "failed"}:
            self._try("start", lambda: self._server.start(for_containers=held))
        elif now.state == "running" and not self._server.kept:
            self._try("relieve", self._server.relieve)
        elif now.state == "running" and self._is_mute(now):
            self._try("restart", self._server.restart)
        elif now.state == "running":
            self._recovered()
        return LOOK_SECONDS

    def _is_mute(self, now: Registry) -> bool:
        """Ask for a sign of life now and then; tell whether too many in a row did not come."""
        if self._clock() < self._ask_due or now.uri is None:
            return False
        self._ask_due = self._clock() + _ASK_SECONDS
        self._missed = 0 if self._answers(now.uri) else self._missed + 1
        return self._missed >= _MISSED_ANSWERS

    def _try(self, name: str, act: Callable[[], object]) -> None:
        """Try to bring the server back; after each failure more rarely, and said."""
        if self._clock() < self._due:
            return
        self._missed = 0
        self._failures += 1
        pause = pause_after(self._failures - 1, _PAUSES_SECONDS)
        try:
            act()
        except DeskError as error:
            self._server.trouble = f"{error.message} It is tried again every {max(pause, LOOK_SECONDS):g} s."
            _log.warning("The tracking server could not be brought back (%s): %s", name, error.message)
        self._due = self._clock() + pause

    def _recovered(self) -> None:
        """Forget failures once the server has stayed up for longer than the pause that they had led to."""
        if self._clock() >= self._due + LOOK_SECONDS:
            self._failures = 0
        self._server.trouble = None


def _answers(uri: str) -> bool:
    """Any answer is a sign of life: without a token it is a refusal."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(f"{uri}/health", timeout=_ANSWER_SECONDS).close()
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False
    return True
