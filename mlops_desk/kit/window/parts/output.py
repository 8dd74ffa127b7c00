"""The output of the chosen job or endpoint: asked for once the choice has rested, read in a worker, never piled up."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.logview import LogView

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

CHOOSE_MILLISECONDS = 150  # chosen: who goes through a list by the arrow keys rests no longer
MOST_READERS = 6  # chosen: each that hangs keeps a thread


@dataclass(frozen=True, slots=True)
class OutputSource:
    """Whose output to read. ``lines`` is asked with whether to follow; ``at_end`` is said when all was read."""

    name: str
    lines: Callable[[ClientLike, bool], Iterator[str]]
    follow: bool = False
    at_end: str = ""


class OutputPane(Card):
    """Shows one source at a time."""

    def __init__(self, context: Context, name: str) -> None:
        super().__init__("Output")
        self.log = LogView(name)
        self.column.addWidget(self.log, 1)
        self._context = context
        self._source: OutputSource | None = None
        self._reading: Task | None = None
        self._left_over: list[Task] = []
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(CHOOSE_MILLISECONDS)
        self._soon.timeout.connect(self._read)

    def read(self, source: OutputSource) -> None:
        """Show this source's output from its beginning, as soon as the choice rests."""
        self.stop()
        self._source = source
        self.log.clear("Loading the output …")
        self._soon.start()

    def say(self, text: str) -> None:
        """Show no output, and say why."""
        self.stop()
        self.log.clear(text)

    def stop(self) -> None:
        """Read no more; what is shown stays."""
        self._soon.stop()
        if self._reading is not None:
            self._reading.cancel()
            self._left_over.append(self._reading)
            self._reading = None

    def _read(self) -> None:
        source = self._source
        if source is None:
            return
        # A reader that was cancelled waits for its container's next line before it ends: don't pile them up.
        self._left_over = [task for task in self._left_over if not task.ended]
        follow = source.follow and len(self._left_over) < MOST_READERS
        self._reading = self._context.read(
            f"output of {source.name}", lambda desk: source.lines(desk, follow), self._got, self._ended, self._failed
        )

    def _got(self, lines: list[str]) -> None:
        self.log.say("")
        self.log.append(lines)

    def _ended(self, _nothing: None) -> None:
        at_end = self._source.at_end if self._source else ""
        self.log.say(at_end if self.log.line_count() else "It has written nothing.")

    def _failed(self, error: DeskError) -> None:
        self.log.say(f"{error.message} {error.hint or ''}".strip())
