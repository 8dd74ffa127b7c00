"""The chosen pull or build: how far it is as a whole, then each layer of a pull, or what a build writes."""

from collections.abc import Iterator

from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.engines.records.task import ImageTask, LayerState, TaskKind, TaskState
from mlops_desk.engines.window import words
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.output import OutputPane, OutputSource
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.facts import Fact, FactGrid, moment_fact, reason_facts
from mlops_desk.kit.window.widgets.meters import Meter, Meters
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.words import numbers

_TONES = {LayerState.DONE: "ok", LayerState.PRESENT: "muted"}


class TaskView(QWidget):
    """Facts with the bar of the whole at the left, layers or the log at the right."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._read: str | None = None
        self.whole = Meters("How far it is")
        self.facts = FactGrid()
        self.layers = Meters("Layers")
        self._none = Label("No layer has begun.", tone="muted")
        self.output = OutputPane(context, "What the build writes")
        self._right = QStackedWidget()
        self._arrange()

    def _arrange(self) -> None:
        about = QWidget()
        column = QVBoxLayout(about)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(self.whole)
        column.addWidget(self.facts)
        column.addStretch()
        left = Card("How it stands")
        left.column.addWidget(scrolled(about, "How it stands"), 1)
        listed = QWidget()
        rows = QVBoxLayout(listed)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(self._none)
        rows.addWidget(self.layers)
        rows.addStretch()
        layers = Card("Layers")
        layers.column.addWidget(scrolled(listed, "Layers"), 1)
        self._right.addWidget(layers)
        self._right.addWidget(self.output)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_8)
        row.addWidget(left, 1)
        row.addWidget(self._right, 1)

    def show_task(self, task: ImageTask) -> None:
        broke_off = task.state.is_final and task.state is not TaskState.DONE
        self.whole.setVisible(not broke_off)
        self.whole.show_meters([meter(task)])
        self.facts.show_facts([*facts(task)])
        is_build = task.kind is TaskKind.BUILD
        self._right.setCurrentIndex(1 if is_build else 0)
        if is_build:
            self._read_log(task)
        else:
            self.stop()
            self._none.setVisible(not task.layers)
            self.layers.show_meters([
                Meter(words.short_id(one.id), words.layer_share(one), words.layer(one), _TONES.get(one.state, "accent"))
                for one in task.layers
            ])  # fmt: skip

    def _read_log(self, task: ImageTask) -> None:
        """Read what a build writes: from its beginning, and on to its end."""
        if task.id == self._read:
            return
        self._read = identifier = task.id

        def lines(desk: ClientLike, follow: bool) -> Iterator[str]:
            return desk.images.logs(identifier, follow=follow)

        self.output.read(OutputSource(task.reference, lines, not task.state.is_final, "The build ended."))

    def stop(self) -> None:
        """Read no more: nobody sees it."""
        if self._read is not None:
            self._read = None
            self.output.stop()


def meter(task: ImageTask) -> Meter:
    """Return the bar of the whole."""
    told = " · ".join(filter(None, (words.progress(task), words.pace(task))))
    mark = words.mark(task)
    tone = mark.token if task.state.is_final else "accent"
    return Meter(mark.word, words.share(task), told or mark.word, tone)


def facts(task: ImageTask) -> Iterator[Fact]:
    """Yield what is known of a pull or build besides its bar."""
    mark = words.mark(task)
    yield Fact("State", mark.text, mark.token)
    yield from reason_facts(task.reason)
    if task.state is TaskState.INTERRUPTED:
        yield Fact("What next", "Ask for it again: it goes on, and layers that are finished are there already.")
    yield Fact("Image", task.reference, fixed=True)
    if task.step is not None:
        yield Fact("Step", task.step.text, fixed=True)
    if task.builder is not None:
        yield Fact("Built by", words.builder(task.builder))
    if task.layers_count:
        yield Fact("Layers", f"{task.layers_done} of {task.layers_count} are there")
    if task.free_bytes is not None:
        yield Fact("Left on its disk", numbers.size(task.free_bytes))
    yield Fact("Asked for by", task.user)
    if task.jobs:
        yield Fact("Waiting for it", numbers.count(len(task.jobs), "job"), tip="\n".join(task.jobs[:20]))
    if task.tries > 1:
        yield Fact("Tries", str(task.tries))
    yield moment_fact("Begun", task.started_at)
    if task.ended_at is not None:
        yield moment_fact("Ended", task.ended_at)
        yield Fact("It took", numbers.duration(task.ended_at - task.started_at))
    if task.log is not None:
        yield Fact("Log file", task.log, fixed=True)
