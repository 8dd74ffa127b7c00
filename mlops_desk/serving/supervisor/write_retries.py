"""What a full disk, or one that hangs, does not take of how endpoints stand: it is in force, tried again, and told.

A canary that fails goes back, and an endpoint is stopped, whether that can be stored or not. Until it is, it holds as
long as this agent runs, and people are told so once; when all is stored they are told that too.
"""

import time
from collections.abc import Sequence

from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.event import Notice
from mlops_desk.serving.endpoint_store import EndpointBoard
from mlops_desk.serving.revision import Shelf
from mlops_desk.serving.routing_sync import Switchboard

_ABOUT = ("file", "endpoints")
_HINT = "Free some space on the disk of the data folder; it is stored as soon as there is some."
_HUNG = "the disk of the data folder does not answer"
_HUNG_HINT = Hint("journalctl -k", before="It is stored as soon as the disk answers; the kernel may tell why: ")


class EndpointDebts:
    """Looked at by one thread."""

    def __init__(self, board: EndpointBoard, shelf: Shelf, switchboard: Switchboard, bus: Bus) -> None:
        self._board = board
        self._shelf = shelf
        self._switchboard = switchboard
        self._bus = bus
        self._told: frozenset[str] = frozenset()
        self._is_owing = False

    def look(self) -> None:
        """Try to store what is owed; tell of what newly is, and when nothing is any more."""
        names = frozenset(self._shelf.settle() | self._board.settle())
        trouble = self._switchboard.gatekeeper.trouble
        if not names and trouble is None:
            if self._is_owing:
                self._told, self._is_owing = frozenset(), False
                self._tell("info", "How endpoints stand is stored again.", None)
        elif names - self._told or not self._is_owing:
            self._told, self._is_owing = self._told | names, True
            which = f"of endpoint {', '.join(sorted(names))}" if names else "of where requests go"
            is_hung = self._board.is_hung or self._shelf.is_hung or self._switchboard.gatekeeper.is_hung
            why = _HUNG if is_hung else plain(trouble or "the disk of the data folder is full")
            text = (
                f"What changed {which} is in force, but can't be stored: {why}. An agent that begins anew forgets it."
            )
            self._tell("alert", text, _HUNG_HINT if is_hung else _HINT)

    def tell_moved(self, names: Sequence[str]) -> None:
        """Tell that another program has the gateway's port, so that it listens on another one."""
        text = f"Another program has taken the port of the gateway: the address of {', '.join(names)} has changed."
        hint = Hint("mlops-desk endpoints list", after=" shows the new one; whoever asks it has to be told.")
        self._bus.publish(Notice("warning", "endpoints", text, hint, time.time(), about=("endpoint", names[0])))

    def _tell(self, level: str, text: str, hint: str | None) -> None:
        self._bus.publish(Notice(level, "endpoints", text, hint, time.time(), about=_ABOUT))
