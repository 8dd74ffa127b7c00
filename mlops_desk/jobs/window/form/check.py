"""What would come of the file as it stands: asked of the agent once typing rests; nothing is queued by it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.jobs.records.queue_position import Alternative, DryRun, QueuePlace
from mlops_desk.jobs.records.staging import DataStanding
from mlops_desk.jobs.window.form.yaml_text import NoForm, found, read, value_of
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.flow import FlowLayout
from mlops_desk.kit.window.words import jobs as words
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.gpus import gpu_mark
from mlops_desk.machine.records.gpu import Gpu

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

REST_MILLISECONDS = 500  # chosen: longer than between two letters, shorter than one waits for an answer
_WARNED = frozenset({DataStanding.NO_ROOM, DataStanding.UNREADABLE})
"""They stand among the warnings."""
_DIGITS = 3  # no machine has a thousand GPUs
LONGEST = 400  # chosen: a paragraph
_NAMED = 8  # chosen: as many GPUs as one such machine has
_OFFERED = 4  # chosen: a row of buttons
_ELSEWHERE = "gpu."
"""Begins the field of what would start it sooner and is in no job file: that somebody else's process ends."""


class FileCheck(QWidget):
    """``wrong`` carries why a file can't be submitted (None: it can), ``wished`` a field and a value to put there."""

    wrong = Signal(object)
    wished = Signal(object, object)

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._asked: tuple[str, str] | None = None
        self._task: Task | None = None
        self.says = Label(wrap=True)
        self.data = Label(tone="muted", wrap=True)
        self.data.hide()
        self._offers = QWidget()
        self._row = FlowLayout(self._offers)
        self._offers.setAccessibleName("What would start it sooner")
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(REST_MILLISECONDS)
        self._soon.timeout.connect(self._ask)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        column.addWidget(self.says)
        column.addWidget(self.data)
        column.addWidget(self._offers)
        self._say("Checking …", "muted")

    def look_at(self, text: str, folder: str) -> None:
        """Check a file as soon as it rests; what an older one would come to is of no use any more."""
        if self._task is not None:
            self._task.cancel()
        self._asked = text, folder
        self._soon.start()

    def _ask(self) -> None:
        if self._asked is None:
            return
        text, folder = self._asked
        self._task = self._context.ask(
            "check job file", lambda desk: desk.jobs.preview(text, folder), self._take, self._refused
        )

    def _take(self, dry: DryRun) -> None:
        self.wrong.emit(None)
        first = dry.places[0] if dry.places else None
        parts = [] if dry.jobs == 1 else [numbers.count(dry.jobs, "job")]
        tone = "ok"
        if first is None or first.reason is not None:
            parts.append(first.reason.text if first is not None and first.reason is not None else "It would be queued")
            tone = "warning"
        if first is not None and first.forecast_start is not None:
            parts.insert(0, self._starts(first, dry.spec or (self._asked or ("", ""))[0]))
            tone = "ok"
        mark = numbers.OK if tone == "ok" else numbers.WARNING
        self._say(f"{mark} {'; '.join(parts)}", tone, *dry.warnings)
        said = [
            f"{plain(one.target)}: {plain(one.text, LONGEST)}" for one in dry.staging if one.standing not in _WARNED
        ]
        self.data.show_text("\n".join(said))
        self.data.setVisible(bool(said))
        self._offer([one for one in dry.alternatives if not one.field.startswith(_ELSEWHERE)])

    def _starts(self, place: QueuePlace, spec: str) -> str:
        """Say when it would start: now and on which GPU, or later and behind how many."""
        about = words.about(place.forecast_start or 0.0)
        if about == "now":
            status = self._context.store.status
            return f"starts now{on_which(gpus_asked(spec), status.gpus if status is not None else ())}"
        before = f" ({place.position - 1:,} before it)" if place.position > 1 else ""
        return f"would start {about}{before}"

    def _refused(self, error: DeskError) -> None:
        self.data.hide()
        self._offer([])
        self._say(f"{numbers.ALERT} {error.message} {error.hint or ''}".strip(), "alert")
        self.wrong.emit(error)

    def _say(self, text: str, tone: str, *more: str) -> None:
        self.says.show_text("\n".join([text, *(f"{numbers.WARNING} {one}" for one in more)]))
        self.says.tint(tone)

    def _offer(self, offered: list[Alternative]) -> None:
        self._row.clear()
        for one in offered[:_OFFERED]:
            when = "" if one.forecast_start is None else f": {words.about(one.forecast_start)}"
            button = Button(f"{one.text}{when}", tip=f"Put {one.value} at {one.field}")
            button.clicked.connect(lambda _on=False, one=one: self.wished.emit(tuple(one.field.split(".")), one.value))
            self._row.addWidget(button)
        self._offers.setVisible(bool(offered))
        self._offers.updateGeometry()


def gpus_asked(spec: str) -> int:
    """Return how many GPUs a job file asks for; 0 where it does not say so in digits."""
    try:
        node = found(read(spec), ("resources", "gpus"))
    except NoForm:
        return 0
    text = value_of(node) if node is not None else ""
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= _DIGITS else 0


def on_which(asked: int, known: Sequence[Gpu]) -> str:
    """Return on which GPUs it would start: those that are free now; which of more it is the queue decides then."""
    free = [str(gpu.index) for gpu in known if gpu_mark(gpu).word == "free"]
    if not 0 < asked <= len(free):
        return ""
    names = f"GPU {', '.join(free)}" if len(free) <= _NAMED else f"{len(free)} free GPUs"
    return f" on {names}" if asked == len(free) else f" on {asked} of {names}"
