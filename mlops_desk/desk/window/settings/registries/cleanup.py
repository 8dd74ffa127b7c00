"""Clean up: what would go and why, what stays because of what, and how much room that frees, before anything goes.

What was shown goes and nothing else: the token of the preview is sent, and refused if it would be anything else by now.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QDialog, QFormLayout, QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button, answers
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.choice import CheckBox, ChoiceBox
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.clean_up import CleanUpDone, CleanUpItem, CleanUpPreview
from mlops_desk.registry.records.labels import RunStage

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task


# What a clean-up would take and did take, in words. No Qt here.
def sentence(found: CleanUpPreview) -> str:
    """Say how much would go, and what that frees, as far as it is known."""
    if not found.going:
        kept = f" {numbers.count(len(found.kept), 'thing')} would, and stays." if found.kept else ""
        return f"Nothing would go.{kept}"
    counts = [(kind, sum(one.kind == kind for one in found.going)) for kind in ("run", "version")]
    said = " and ".join(numbers.count(count, kind) for kind, count in counts if count)
    if found.size_bytes is None:
        return f"{said} would go. How much room that frees is not known."
    more = f", and of {found.n_unknown_sizes:,} it is not known" if found.n_unknown_sizes else ""
    return f"{said} would go. A purge then frees at least {numbers.size(found.size_bytes)}{more}."


def went(done: CleanUpDone) -> str:
    """Say what went, and how runs come back."""
    parts = [(done.n_runs, "run"), (done.n_versions, "version")]
    said = " and ".join(numbers.count(count, word) for count, word in parts if count) or "Nothing"
    back = " Runs can be brought back until they are purged." if done.n_runs else ""
    stayed = f" {numbers.count(len(done.failed), 'thing')} stayed." if done.failed else ""
    return f"{said} went.{back}{stayed}"


def came_back(stages: Sequence[RunStage]) -> tuple[str, str]:
    """Say which runs are there again, and why others are not; with how grave that is."""
    n_back = sum(one.changed for one in stages)
    said = f"{numbers.count(n_back, 'run is', 'runs are')} there again."
    left = [one for one in stages if one.problem is not None]
    if not left:
        return "info", said
    return "warning", f"{said} {numbers.count(len(left), 'run')} stayed away: {plain(left[0].problem or '', 200)}"


def _size(one: CleanUpItem) -> Cell:
    return Cell(numbers.size(one.size_bytes), -1 if one.size_bytes is None else one.size_bytes)


_TITLE: Column[CleanUpItem] = Column("title", "What", lambda one: Cell(one.title, tip=f"{one.kind} {one.name}"))
_ROOM: Column[CleanUpItem] = Column("size", "Room", _size, right=True)
GOING: tuple[Column[CleanUpItem], ...] = (
    _TITLE,
    _ROOM,
    Column("why", "Why", lambda one: Cell(one.why), stretch=True, whole=True),
)
STAYING: tuple[Column[CleanUpItem], ...] = (
    _TITLE,
    Column("kept", "Because of", lambda one: Cell(one.kept_by or numbers.NOTHING), stretch=True, whole=True),
)


# What a clean-up is to take, as a person asks for it. No Qt here.
DAY_SECONDS = 86_400.0
AGES = (("of any age", None), ("older than a week", 7 * DAY_SECONDS), ("older than 30 days", 30 * DAY_SECONDS),
        ("older than 90 days", 90 * DAY_SECONDS), ("older than a year", 365 * DAY_SECONDS))  # fmt: skip


@dataclass(frozen=True, slots=True)
class CleanUpWish:
    """Of an experiment: runs; of a model: versions without an alias. All that is asked for has to be true of a run."""

    experiment: str | None = None
    model: str | None = None
    keep_best: int | None = None
    metric: str | None = None
    is_lower_better: bool | None = None
    older_than_seconds: float | None = None
    failed: bool = False

    def checked(self) -> "CleanUpWish":
        """Return it. Raises Invalid where it asks for nothing, or for what can't be told."""
        if not (self.experiment or self.model):
            raise Invalid("A clean-up is of an experiment's runs, or of a model's versions.", "Name one of them.")
        if self.experiment and not (self.keep_best or self.older_than_seconds or self.failed):
            raise Invalid("Every run would be meant.", "Say how many are kept, or how old they have to be.")
        if self.keep_best is not None and not self.metric:
            raise Invalid("The best by which metric?", "Name one, such as auc.")
        return self


# The way back of a clean-up: what went is told with *Undo* beside it, for as long as runs can be brought back.
class CleanUpUndo:
    """Outlives the dialog; ``changed`` is called once runs are there again."""

    def __init__(self, context: Context, registry: str, changed: Callable[[], None]) -> None:
        self._context = context
        self._uri = registry
        self._changed = changed

    def offer(self, done: CleanUpDone) -> None:
        """Say what went, and offer to bring its runs back."""
        said, undo = went(done), done.undo
        if undo is None:
            self._context.say("info", said)
        else:
            self._context.offer(said, "Undo", lambda: self._bring_back(undo.split()))

    def _bring_back(self, run_ids: list[str]) -> None:
        uri = self._uri
        self._context.ask("bring runs back", lambda desk: desk.runs.restore(run_ids, uri=uri), self._told)

    def _told(self, stages: Sequence[RunStage]) -> None:
        self._context.say(*came_back(stages))
        self._changed()


_TYPING_MILLISECONDS = 500  # chosen: a preview looks through a whole experiment; one has typed by then
_ABOUT = (
    "Runs go into the registry's own bin and can be brought back until it is purged; versions can't. What is served, "
    "what an alias means, what a version was made of and what still runs stays."
)
_BEST = (
    (0, "no matter how good they are"),
    (1, "the best one"),
    (3, "the best 3"),
    (5, "the best 5"),
    (10, "the best 10"),
)


class CleanUpDialog(QDialog):
    """``changed`` is called when something went, and when runs were brought back: by then the dialog may be gone."""

    def __init__(self, parent: QWidget, context: Context, registry: str, changed: Callable[[], None]) -> None:
        super().__init__(parent)
        self._context = context
        self._undo = CleanUpUndo(context, registry, changed)
        self.accepted.connect(changed)
        self._uri = registry
        self._seen: CleanUpPreview | None = None
        self._task: Task | None = None
        self.setWindowTitle(f"Clean up {plain(registry, 60)}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        self.of = ChoiceBox("What is cleaned up")
        self.of.addItem("runs of an experiment", "experiment")
        self.of.addItem("versions of a model that have no alias", "model")
        self.name = Field("Name", "of the experiment or the model")
        self.best = ChoiceBox("Keep")
        for count, title in _BEST:
            self.best.addItem(title, count)
        self.measure = Field("By metric", "auc")
        self.age = ChoiceBox("Age")
        for title, seconds in AGES:
            self.age.addItem(title, seconds)
        self.failed = CheckBox("Only those that failed or were killed")
        self.going: RecordTable[CleanUpItem] = RecordTable("What would go", GOING, context.memory)
        self.staying: RecordTable[CleanUpItem] = RecordTable("What stays", STAYING, context.memory)
        self.goes, self.stays = Card("What would go"), Card("What stays")
        self.says, self.trouble = Label("", bold=True, wrap=True), Label("", tone="alert", wrap=True)
        self.trouble.hide()
        self.act, self.back = Button("Clean up", main=True, harmful=True), Button("Leave it")
        self.act.clicked.connect(self._clean)
        self.back.setDefault(True)
        self.back.clicked.connect(self.reject)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_TYPING_MILLISECONDS)
        self._soon.timeout.connect(self.look)
        self._arrange()
        self._wire()
        self._turn()
        self.name.setFocus()

    def _wire(self) -> None:
        self.of.activated.connect(lambda _place: self._turn())
        for box in (self.best, self.age):
            box.activated.connect(lambda _place: self._changed())
        for field in (self.name, self.measure):
            field.textChanged.connect(lambda _text: self._changed())
        self.failed.toggled.connect(lambda _on: self._changed())

    def _arrange(self) -> None:
        self._form = form = QFormLayout()
        form.setSpacing(theme.SPACE_8)
        rows = (("Clean up", self.of), ("Of", self.name), ("Keep", self.best), ("By metric", self.measure),
                ("Age", self.age), ("", self.failed))  # fmt: skip
        for title, field in rows:
            name = Label(title)
            name.setMinimumHeight(field.sizeHint().height())  # beside its field, not above its middle
            name.setBuddy(field)
            form.addRow(name, field)
        self.goes.column.addWidget(self.going, 1)
        self.stays.column.addWidget(self.staying, 1)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        split.addWidget(self.goes)
        split.addWidget(self.stays)
        split.setStretchFactor(0, 2)
        split.setStretchFactor(1, 1)
        left = QWidget()
        beside = QVBoxLayout(left)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.addWidget(Label(_ABOUT, tone="muted", wrap=True))
        beside.addLayout(form)
        beside.addStretch()
        left.setFixedWidth(theme.DETAIL_WIDTH)
        across = QHBoxLayout()
        across.setSpacing(theme.SPACE_16)
        across.addWidget(left)
        across.addWidget(split, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(*(theme.SPACE_16,) * 4)
        column.setSpacing(theme.SPACE_12)
        column.addLayout(across, 1)
        column.addWidget(self.says)
        column.addWidget(self.trouble)
        column.addLayout(answers(self.back, self.act))
        room = self.screen().availableSize()
        wished = theme.READING_WIDTH + theme.DETAIL_WIDTH, theme.DIALOG_TALL
        self.resize(min(wished[0], room.width()), min(wished[1], room.height() - theme.FRAME_HEIGHT))

    def _turn(self) -> None:
        """Ask of versions only what counts for them."""
        of_runs = self.of.currentData() == "experiment"
        for field in (self.best, self.measure, self.age, self.failed):
            self._form.setRowVisible(field, of_runs)
        self._changed()

    def wish(self) -> CleanUpWish:
        """Return what is asked for."""
        name = self.name.text().strip() or None
        if self.of.currentData() == "model":
            return CleanUpWish(model=name)
        best = self.best.currentData() or None
        metric = self.measure.text().strip() or None
        return CleanUpWish(
            experiment=name,
            keep_best=best,
            metric=metric if best else None,
            older_than_seconds=self.age.currentData(),
            failed=self.failed.isChecked(),
        )

    # Looking.

    def _changed(self) -> None:
        """Forget what was shown of another wish; look once one has chosen."""
        self._stop()
        self._seen = None
        self.act.setEnabled(False)
        self.trouble.hide()
        try:
            self.wish().checked()
        except Invalid as missing:
            self._soon.stop()
            self._show_nothing(f"{missing.message} {missing.hint or ''}".strip())
            return
        self._show_nothing("Looking what would go …")
        self._soon.start()

    def _show_nothing(self, text: str) -> None:
        self.going.show_records({})
        self.staying.show_records({})
        self.goes.heading.show_text("What would go")
        self.stays.heading.show_text("What stays")
        self.says.show_text(text)

    def look(self) -> None:
        """Ask what would go."""
        self._stop()
        wish, uri = self.wish(), self._uri
        self._task = self._context.ask(
            "what would go", lambda desk: _previewed(desk, wish, uri), self._show, self._fail
        )

    def _stop(self) -> None:
        self._soon.stop()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _show(self, found: CleanUpPreview) -> None:
        self._task, self._seen = None, found
        self.going.show_records({f"{one.kind} {one.name}": one for one in found.going})
        self.staying.show_records({f"{one.kind} {one.name}": one for one in found.kept})
        self.goes.heading.show_text(f"What would go: {len(found.going):,}")
        self.stays.heading.show_text(f"What stays though it is meant: {len(found.kept):,}")
        self.says.show_text(sentence(found))
        self.act.show_title(f"Clean up {len(found.going):,}" if found.going else "Clean up")
        self.act.updateGeometry()
        self.act.setEnabled(bool(found.going))

    def _fail(self, error: DeskError) -> None:
        self._task = None
        self.says.show_text("")
        self.trouble.show_text(f"{error.message} {error.hint or ''}".strip())
        self.trouble.show()

    def reject(self) -> None:
        """Wait for nothing any more."""
        self._stop()
        super().reject()

    # Doing it.

    def _clean(self) -> None:
        seen, uri = self._seen, self._uri
        if seen is None or not self.act.isEnabled():
            return
        self.act.setEnabled(False)
        self.says.show_text(f"Cleaning up {numbers.count(len(seen.going), 'thing')} …")
        self._context.ask("clean up", lambda desk: desk.registry.clean(seen.token, uri=uri), self._done, self._refused)

    def _refused(self, error: DeskError) -> None:
        """Say why, and look again: what was shown may be no more what would go."""
        self._fail(error)
        self._seen = None
        self._soon.start()

    def _done(self, done: CleanUpDone) -> None:
        """Tell what went; what did not is told with its reason, and the dialog stays open for it."""
        self._undo.offer(done)
        if not done.failed:
            self.accept()
            return
        self.going.show_records({f"{one.kind} {one.name}": one for one in done.failed})
        self.goes.heading.show_text(f"What did not go: {len(done.failed):,}")
        self.says.show_text(went(done))
        self.act.hide()
        self.back.show_title("Close")
        self.back.clicked.disconnect()
        self.back.clicked.connect(self.accept)


def _previewed(desk: ClientLike, wish: CleanUpWish, uri: str) -> CleanUpPreview:
    return desk.registry.clean_up(
        experiment=wish.experiment,
        keep_best=wish.keep_best,
        metric=wish.metric,
        older_than_seconds=wish.older_than_seconds,
        model=wish.model,
        uri=uri,
        failed=wish.failed,
    )
