"""``status --watch``: paints the status in place on a terminal, or writes one JSON document a line.

It goes on until Ctrl+C, or until the agent goes.
"""

import argparse
import shutil
import sys

from mlops_desk.desk.cli import output
from mlops_desk.kit.api.client import connect
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.text.cells import cut
from mlops_desk.machine.records.event import Sampled
from mlops_desk.machine.records.status import Status

_CLEAR = "\x1b[2J"
_HOME = "\x1b[H"
_REST_OF_LINE = "\x1b[K"
_REST_OF_SCREEN = "\x1b[J"


def watch(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    """Show each new sample. Raises Unavailable when the agent goes."""
    client = connect(address, demo=given.demo)
    painter = _Painter(as_json=as_json)
    try:
        painter.show(client.telemetry.status())
        for event in client.announcements():
            if isinstance(event, Sampled):
                painter.show(event.status)
    finally:
        client.close()
    return 0


class _Painter:
    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._on_terminal = not as_json and sys.stdout.isatty()
        self._shown_at: float | None = -1.0
        self._first = True

    def show(self, status: Status) -> None:
        """Write ``status``, if it is another than the last."""
        if status.sampled_at == self._shown_at:
            return
        self._shown_at = status.sampled_at
        sys.stdout.write(self._written(status))
        sys.stdout.flush()
        self._first = False

    def _written(self, status: Status) -> str:
        if self._as_json:
            return wire.dumps(status) + "\n"
        text = output.text(status)
        if not self._on_terminal:
            return text + "\n\n"
        return (_CLEAR if self._first else "") + painted(text, *shutil.get_terminal_size())


def painted(text: str, columns: int, lines: int) -> str:
    """Return what puts ``text`` over what a terminal shows, cut to its size so that nothing scrolls."""
    shown = [cut(line, columns) + _REST_OF_LINE for line in text.split("\n")[: max(1, lines - 1)]]
    return _HOME + "\n".join(shown) + "\n" + _REST_OF_SCREEN
