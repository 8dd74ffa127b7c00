"""The revisions of the chosen endpoint: what each was made of, how two differ, and the way back to one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.parts.compare.comparison import Compared
from mlops_desk.kit.window.parts.compare.pane import ComparePane
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import framed
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.comparison import ComparedGroup, ComparedValue
from mlops_desk.serving.records.endpoint import Endpoint, EndpointRevision, RevisionState
from mlops_desk.serving.window import words
from mlops_desk.serving.window.detail.view import EndpointView

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task


class RevisionsView(EndpointView):
    """``wanted`` has the number of the revision that is to answer all requests, ``export_wanted`` of one to export."""

    wanted = Signal(int)
    export_wanted = Signal(int)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.table: RecordTable[EndpointRevision] = RecordTable("Revisions", _COLUMNS, context.memory)
        self.table.chosen.connect(lambda _key: self._chose())
        self.live = Button("Make it live …", tip="Let this revision answer all requests (Enter)", asks=True)
        self.live.clicked.connect(self._want)
        self.export = Button("Export …", tip="Write this revision down to be run on another machine", asks=True)
        self.export.clicked.connect(self._want_export)
        self.table.activated.connect(lambda _index: self._want())
        self.compare = ComparePane("How the chosen revision differs from the live one")
        self._endpoint: Endpoint | None = None
        self._compared: tuple[str, int, int] | None = None
        self._task: Task | None = None
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        split.addWidget(framed(self.table))
        split.addWidget(self.compare)
        split.setSizes([theme.READING_WIDTH, theme.READING_WIDTH])
        acts = QWidget()
        row = QHBoxLayout(acts)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_4)
        row.addWidget(self.live)
        row.addWidget(self.export)
        row.addStretch(1)
        self.column.addWidget(split, 1)
        self.column.addWidget(acts)

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        self._endpoint = endpoint
        revisions = reversed(endpoint.revisions) if endpoint is not None else ()
        self.table.show_records({str(one.revision): one for one in revisions})
        if self.table.key() is None:
            self.table.select_first()
        self._chose()

    def left(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._compared = None

    def _revision(self) -> EndpointRevision | None:
        key = self.table.key()
        return self.table.records.record(key) if key else None

    def _chose(self) -> None:
        one = self._revision()
        self.live.setEnabled(one is not None and words.can_answer(one))
        is_earlier = one is not None and self._endpoint is not None and one.revision < self._endpoint.revision
        self.live.show_title("Roll back to it …" if is_earlier else "Make it live …")
        self.live.updateGeometry()
        self.export.setEnabled(one is not None and one.is_kept)
        if self._endpoint is None or one is None:
            return
        base = _base(self._endpoint.revisions, one, self._endpoint.revision)
        now = (self._endpoint.name, one.revision, base.revision)
        if now == self._compared:
            return
        self._compared = now
        self._ask(one, base)

    def _want(self) -> None:
        one = self._revision()
        if one is not None and words.can_answer(one):
            self.wanted.emit(one.revision)

    def _want_export(self) -> None:
        one = self._revision()
        if one is not None and one.is_kept:
            self.export_wanted.emit(one.revision)

    def _ask(self, one: EndpointRevision, base: EndpointRevision) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if one.revision == base.revision:
            self.compare.show_values([_titled(one)], made_of([one]))
            return
        self.compare.show_loading("Comparing the revisions …")
        self._task = self.context.ask(
            "compare revisions",
            lambda desk: _compared(desk, base, one),
            lambda values: self._got(base, one, values),
            lambda error: self._failed(base, one, error),
        )

    def _got(self, base: EndpointRevision, one: EndpointRevision, values: "list[ComparedValue]") -> None:
        self._task = None
        self.compare.show_values([_titled(base), _titled(one)], values, str(base.revision))

    def _failed(self, base: EndpointRevision, one: EndpointRevision, error: DeskError) -> None:
        """Show what is known without the registry, which may be away, or have lost the versions."""
        self._task = None
        note = ComparedValue(ComparedGroup.TAGS, "the registry", (error.message, error.message), differs=True)
        self._got(base, one, [*made_of([base, one]), note])


def _base(known: Sequence[EndpointRevision], one: EndpointRevision, live: int) -> EndpointRevision:
    """Return what a revision is compared with: the live one, and that with the one before it."""
    if one.revision != live:
        return next((other for other in known if other.revision == live), one)
    before = [other for other in known if other.revision < live and other.state is not RevisionState.FAILED]
    return before[-1] if before else one


def _titled(one: EndpointRevision) -> Compared:
    return Compared(
        str(one.revision), f"revision {one.revision}", one.revision, f"{one.model.name} {one.model.version}"
    )


def _compared(desk: ClientLike, base: EndpointRevision, one: EndpointRevision) -> "list[ComparedValue]":
    """Return what they were made of, and where their versions differ. Raises DeskError."""
    made = made_of([base, one])
    if (base.model.name, base.model.version) == (one.model.name, one.model.version):
        return made
    of = None if one.model.name == base.model.name else one.model.name
    uri = base.model.registry
    return [*made, *desk.models.compare(base.model.name, base.model.version, one.model.version, uri=uri, other=of)]


def made_of(revisions: Sequence[EndpointRevision]) -> list[ComparedValue]:
    """Return what the desk itself knows of revisions: model, runtime, image."""
    rows = (
        ("model", [f"{one.model.name} version {one.model.version}" for one in revisions]),
        ("asked for as", [None if one.model.alias is None else f"@{one.model.alias}" for one in revisions]),
        ("runtime", [words.RUNTIMES.get(one.runtime or "", one.runtime) for one in revisions]),
        ("image", [one.image for one in revisions]),
    )
    return [
        ComparedValue(ComparedGroup.ENVIRONMENT, name, tuple(values), differs=len(set(values)) > 1 or len(values) == 1)
        for name, values in rows
    ]


def _state(one: EndpointRevision) -> Cell:
    mark = words.REVISION_MARKS[one.state]
    return Cell(mark.text, mark.word, mark.token, one.reason.text if one.reason else "")


def _runtime(one: EndpointRevision) -> Cell:
    return Cell(
        one.runtime or numbers.NOTHING,
        tip=words.NEVER_RUN if one.never_run else words.RUNTIMES.get(one.runtime or "", ""),
    )


def _made(one: EndpointRevision) -> Cell:
    return Cell(numbers.ago(one.created), one.created or 0.0, tip=numbers.absolute(one.created))


def _kept(one: EndpointRevision) -> Cell:
    tip = "Its files are there: it can come back" if one.is_kept else "Its files are gone: deploy its version again"
    return Cell("yes" if one.is_kept else "no", tip=tip)


_COLUMNS: tuple[Column[EndpointRevision], ...] = (
    Column("revision", "Revision", lambda one: Cell(str(one.revision), one.revision), right=True),
    Column("state", "State", _state),
    Column("model", "Model", lambda one: Cell(f"{plain(one.model.name)} / {plain(one.model.version)}")),
    Column(
        "traffic", "Traffic", lambda one: Cell(words.share(one.traffic), one.traffic), right=True,
    ),
    Column("runtime", "Runtime", _runtime, hidden=True),
    Column("created", "Made", _made),
    Column(
        "kept", "Kept", _kept,
    ),
    Column("why", "Why", lambda one: Cell(one.reason.text if one.reason else ""), stretch=True),
)  # fmt: skip
