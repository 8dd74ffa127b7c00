"""The bar above the table of runs: filter, columns, registry; below them what is wrong, counts, saved views."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, set_tip
from mlops_desk.kit.window.parts.caret import CaretLine
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.choice import CheckBox, ChoiceBox
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.run_window import RunWindow
from mlops_desk.registry.records.tracker import Tracker, TrackerKind
from mlops_desk.registry.window.runs import names
from mlops_desk.registry.window.runs.completion import Names
from mlops_desk.registry.window.runs.detail.values import metric_rank
from mlops_desk.registry.window.runs.names import METRICS, PARAMS, TAGS, ColumnName
from mlops_desk.registry.window.runs.query import (
    FIRST_COLUMNS,
    NEWEST_FIRST,
    KnownColumns,
    RunQuestion,
    SavedView,
    read_views,
    renamed,
    with_view,
    written,
)
from mlops_desk.registry.window.runs.table import RunsTable
from mlops_desk.registry.window.runs.toolbar import export
from mlops_desk.registry.window.runs.toolbar.chips import ViewChips
from mlops_desk.registry.window.runs.toolbar.filter import FilterField

if TYPE_CHECKING:
    from mlops_desk.registry.window.runs.toolbar.columns import ColumnsForm


# The views that a person keeps: remembered across restarts, renamed, replaced, removed and put back.
_VIEWS = "runs/views"


class KeptViews(QObject):
    """``asked`` tells what is asked now, and by what it is grouped: that is what is kept under a name."""

    def __init__(self, context: Context, chips: ViewChips, asked: Callable[[], tuple[RunQuestion, str | None]]) -> None:
        super().__init__(chips)
        self._context = context
        self._chips = chips
        self._asked = asked
        self._views = read_views(str(context.memory.value(_VIEWS) or ""))
        chips.saved.connect(self.save)
        chips.renamed.connect(self.rename)
        chips.removed.connect(self.remove)

    def show(self) -> None:
        """Show them, the one among them that is seen now marked."""
        question, group_by = self._asked()
        now = next((one.name for one in self._views if one.fits(question, group_by)), None)
        self._chips.show_views(self._views, now)

    def save(self, name: str) -> None:
        """Keep what is asked for under a name."""
        question, group_by = self._asked()
        view = SavedView(name, question.filter.strip(), question.sort, question.columns, group_by)
        self._keep(with_view(self._views, view))

    def rename(self, old: str, new: str) -> None:
        self._keep(renamed(self._views, old, new))

    def remove(self, name: str) -> None:
        gone = [one for one in self._views if one.name == name]
        place = next((at for at, one in enumerate(self._views) if one.name == name), 0)
        self._keep([one for one in self._views if one.name != name])
        for one in gone:
            said = f"The view {plain(name, 60)} is removed."
            self._context.offer(said, "Undo", partial(self._put_back, one, place))

    def _put_back(self, view: SavedView, place: int) -> None:
        kept = [one for one in self._views if one.name != view.name]
        self._keep([*kept[:place], view, *kept[place:]])

    def _keep(self, views: list[SavedView]) -> None:
        self._views = views
        self._context.memory.setValue(_VIEWS, written(views))
        self.show()


# By which parameter, tag or state the table is grouped: a list to choose from, of what the runs have.
_MOST_OFFERED = 300  # chosen: of ten thousand names nobody scrolls further
_LETTERS_grouping = 10  # of a name in the closed list; the open one has it whole
_STATUS = "status"
_OURS = "mlflow."
_TOLD = frozenset({"mlflow.user", "mlflow.source.name", "mlflow.source.git.commit", "mlflow.parentRunId"})
"""Of the tags that MLflow keeps for itself, those by which people compare."""


class GroupBox(ChoiceBox):
    """``currentData`` is a column's name, None where nothing is grouped."""

    def __init__(self) -> None:
        super().__init__("Group the runs by")
        self.setSizeAdjustPolicy(ChoiceBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(_LETTERS_grouping)
        self._offered: list[str] = []
        self.offer(KnownColumns(), None)

    def offer(self, known: KnownColumns, chosen: str | None) -> None:
        """Offer what the runs have; what is chosen stays, be it of no run here."""
        offered = [*dict.fromkeys([*([chosen] if chosen else []), *map(str, _fitting(known)), _STATUS])]
        if offered == self._offered:
            self.choose(chosen)
            return
        self._offered = offered
        columns = [names.read(name) for name in offered]
        self.clear()
        self.addItem("no groups", None)
        for column, title in zip(columns, names.titles(columns), strict=True):
            self.addItem(f"by {plain(title, 60)}", str(column))
        self.choose(chosen)

    def choose(self, chosen: str | None) -> None:
        self.setCurrentIndex(max(self.findData(chosen), 0))


def _fitting(known: KnownColumns) -> Iterable[ColumnName]:
    """Return what tells runs apart, parameters first; what is another one for each run makes no groups."""
    some = [one for one in known.columns if one.kind in {PARAMS, TAGS} and known.n_values.get(str(one), 2) != 1]
    some = [one for one in some if not one.key.startswith(_OURS) or one.key in _TOLD]
    return sorted(some, key=lambda one: (one.kind != PARAMS, one.key.startswith(_OURS), one.key))[:_MOST_OFFERED]


_COLUMNS, _REGISTRY = "runs/columns", "runs/registry"
_LETTERS = 9  # of a registry's name in the closed list; the open one has it whole
_GUESSED = 4  # chosen: so many metrics and parameters are shown before anybody chooses columns


class TopBar(QWidget):
    """``changed``: something else is to be asked for (``question``).

    ``turned``: the registry can't be read any more, or can be again.
    """

    changed = Signal()
    turned = Signal()

    def __init__(self, context: Context, table: RunsTable) -> None:
        super().__init__()
        self.context = context
        self.table = table
        self.filter = FilterField()
        self.caret = CaretLine()
        self.chips = ViewChips()
        self.nested = CheckBox("Nested")
        self.groups = GroupBox()
        self.columns_button = Button("Columns …")
        self.registry = ChoiceBox("Registry")
        self.counts = Label(points=theme.CAPTION_POINTS, tone="muted")
        self.counts.setMinimumHeight(self.chips.keep.sizeHint().height())  # beside the first row of chips
        self.trouble = Label(points=theme.CAPTION_POINTS, bold=True, tone="warning", wrap=True)
        for label in (self.counts, self.trouble):
            label.hide()
        memory = context.memory
        kept = str(memory.value(_COLUMNS) or "")
        self._chosen_columns = bool(kept)
        self._columns = tuple(kept.split("\n")) if kept else FIRST_COLUMNS
        self._sort = NEWEST_FIRST
        self._uri: str | None = str(memory.value(_REGISTRY) or "") or None
        self.asked = RunQuestion()
        self._known = KnownColumns()
        self._trackers: tuple[Tracker, ...] = ()
        self._is_troubled = False
        self.views = KeptViews(context, self.chips, self._shown)
        self._arrange()
        self._wire()
        self.views.show()

    def _arrange(self) -> None:
        self.registry.setSizeAdjustPolicy(ChoiceBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.registry.setMinimumContentsLength(_LETTERS)
        self.registry.addItem(plain(self._uri or "default"), self._uri)
        first = QHBoxLayout()
        first.setSpacing(theme.SPACE_8)
        first.addWidget(self.filter, 1)
        for widget in (self.nested, self.groups, self.columns_button, self.registry):
            first.addWidget(widget)
        second = QHBoxLayout()
        second.setSpacing(theme.SPACE_12)
        second.addWidget(self.counts, 0, Qt.AlignmentFlag.AlignTop)
        second.addWidget(self.chips, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        column.addLayout(first)
        column.addWidget(self.caret)
        column.addWidget(self.trouble)
        column.addLayout(second)

    def _wire(self) -> None:
        self.filter.asked.connect(lambda _text: self._change())
        self.nested.toggled.connect(lambda _on: self._change())
        self.columns_button.clicked.connect(lambda _on: self.choose_columns())
        self.registry.activated.connect(lambda _place: self.choose_registry(self.registry.currentData()))
        self.chips.chosen.connect(self.show_view)
        self.groups.activated.connect(lambda _place: self._change())

    def _change(self) -> None:
        self.views.show()
        self.changed.emit()

    def group_by(self) -> str | None:
        """Return the column by which the runs are grouped, None where they stand one by one."""
        by = self.groups.currentData()
        return by if isinstance(by, str) else None

    def group(self, by: str | None) -> None:
        """Group the runs, or show them one by one."""
        self.groups.offer(self._known, by)
        self._change()

    def _shown(self) -> tuple[RunQuestion, str | None]:
        now = replace(self.asked, filter=self.filter.text().strip(), sort=self._sort, columns=self._columns)
        return now, self.group_by()

    # What is asked.

    def question(self, experiments: tuple[str, ...]) -> RunQuestion:
        """Return what is asked for, of these experiments."""
        self.asked = RunQuestion(
            self._uri, experiments, self.filter.text().strip(), self._sort, self._columns, self.nested.isChecked()
        )
        return self.asked

    def choose_registry(self, name: str | None) -> None:
        """Look at another registry; None is the default one."""
        if name == self._uri:
            return
        self._uri = name
        self.context.memory.setValue(_REGISTRY, name or "")
        self._show_registry()
        self._change()

    def show_trackers(self, trackers: Sequence[Tracker]) -> None:
        """Offer the registries that are kept."""
        if tuple(trackers) != self._trackers:
            self._trackers = tuple(trackers)
            self._show_registry()

    def miss_trackers(self, error: DeskError) -> None:
        """Say beside the choice why there is none but the one that is seen."""
        set_tip(self.registry, f"The other registries can't be listed: {error.message}")

    def _show_registry(self) -> None:
        self.registry.clear()
        for one in self._trackers:
            trouble = f" {numbers.WARNING}" if one.problem else ""
            self.registry.addItem(f"{plain(one.name, 60)}{trouble}", None if one.is_default else one.name)
        place = self.registry.findData(self._uri)
        if place < 0:
            self.registry.addItem(plain(self._uri or "default", 60), self._uri)
            place = self.registry.count() - 1
        self.registry.setCurrentIndex(place)

    def is_own(self) -> bool:
        """Tell whether it is known to be the desk's own registry that is seen."""
        seen = next((one for one in self._trackers if (None if one.is_default else one.name) == self._uri), None)
        return seen is not None and seen.kind is TrackerKind.OWN

    def registry_name(self) -> str:
        """Return what the registry is called."""
        return self.registry.currentText()

    # Sort and columns.

    def sort_by_section(self, section: int) -> None:
        """Sort by a column of the table; once more: the other way round. Numbers begin with the largest."""
        column = self._column(section)
        name = str(column)
        largest_first = column.is_number or column.key in {"start_time", "end_time"}
        descending = not self._sort[1] if self._sort[0] == name else largest_first
        self.sort_by(name, descending=descending)

    def sort_by(self, name: str, *, descending: bool) -> None:
        self._sort = name, descending
        self._change()

    def _column(self, section: int) -> ColumnName:
        return names.read(self._columns[section - 1] if section else "run_name")

    def show_columns(self, columns: Sequence[ColumnName]) -> None:
        """Show these columns, and remember them."""
        self._columns = tuple(map(str, columns))
        self._chosen_columns = True
        self.context.memory.setValue(_COLUMNS, "\n".join(self._columns))
        self._change()

    def choose_columns(self, at_a_step: ColumnName | None = None) -> "ColumnsForm":
        """Ask which columns there are to be; of a metric at which step."""
        from mlops_desk.registry.window.runs.toolbar.columns import ColumnsForm  # noqa: PLC0415 - forms load once one is asked for

        form = ColumnsForm(self, self._known, [names.read(name) for name in self._columns])
        if at_a_step is not None:
            form.ask_step(at_a_step)
        form.chosen.connect(self.show_columns)
        form.open()
        return form

    def show_known(self, known: KnownColumns) -> None:
        """Take what columns there are: for completion, and as the first ones while nobody has chosen any."""
        self._known = known
        self.groups.offer(known, self.group_by())
        self.filter.names = Names(known.of(METRICS), known.of(PARAMS), known.of(TAGS))
        if not self._chosen_columns:
            # What a person looks for stands where it is seen: metrics before how long it took.
            guessed = (*FIRST_COLUMNS[:-1], *self._guess(METRICS), *self._guess(PARAMS), *FIRST_COLUMNS[-1:])
            if guessed != self._columns:
                self._columns = guessed
                self._change()

    def _guess(self, kind: str) -> list[str]:
        """Return the first columns of a kind, without those of the machine."""
        some = [one for one in self._known.columns if one.kind == kind and not one.key.startswith("system/")]
        some.sort(key=self._rank)
        return [str(one) for one in some[:_GUESSED]]

    def _rank(self, column: ColumnName) -> tuple[object, ...]:
        """Put columns first that most runs have; what is the same in all of them comes behind."""
        name = str(column)
        is_same = self._known.n_values.get(name) == 1
        return is_same, -self._known.n_runs.get(name, 0), *metric_rank(column.key)

    def head_acts(self, section: int) -> list[tuple[str, Callable[[], object]]]:
        """Return what can be done with a column of the table."""
        if section < 0 or section > len(self._columns):
            return [("Choose columns …", self.choose_columns)]
        column = self._column(section)
        name = str(column)
        acts: list[tuple[str, Callable[[], object]]] = [
            ("Smallest first", lambda: self.sort_by(name, descending=False)),
            ("Largest first", lambda: self.sort_by(name, descending=True)),
        ]
        if column.kind == METRICS:
            for which in (names.LAST, names.LEAST, names.LARGEST, names.FIRST):
                if which != column.which:
                    other = replace(column, which=which, step=None)
                    acts.append((f"Its {names.WHICH[which]} value instead", partial(self._swap, section, other)))
            acts.append(("Its value at a step …", partial(self.choose_columns, column)))
        if section:
            rest = [names.read(one) for place, one in enumerate(self._columns, 1) if place != section]
            acts.append(("Hide it", lambda: self.show_columns(rest)))
        return [*acts, ("Choose columns …", self.choose_columns)]

    def _swap(self, section: int, column: ColumnName) -> None:
        shown = [names.read(one) for one in self._columns]
        shown[section - 1] = column
        if self._sort[0] == self._columns[section - 1]:
            self._sort = str(column), self._sort[1]
        self.show_columns(list(dict.fromkeys(shown)))

    # Views.

    def show_view(self, view: SavedView) -> None:
        """Ask for what a view asks for."""
        self._columns, self._sort, self._chosen_columns = view.columns, view.sort, True
        self.groups.offer(self._known, view.group_by)
        before = self.filter.text().strip()
        self.filter.show_filter(view.filter)
        if before == view.filter.strip():
            self._change()

    def save_csv(self) -> None:
        """Ask where to, and save every run that passes the filter with the columns that are shown."""
        export.ask_where(self, self.context, self.asked, self.registry_name())

    # What is said.

    def say_error(self, error: DeskError | None, text: str) -> None:
        """Say what is wrong, with the place in the filter; None: nothing."""
        of_filter = error is not None and error.place is not None
        if error is not None and of_filter:
            self.caret.show_error(text, error)
        else:
            self.caret.hide()
        self.trouble.setVisible(error is not None and not of_filter)
        if error is not None and not of_filter:
            self.trouble.show_text(f"{numbers.WARNING} {error.message} {error.hint or ''}".rstrip())

    def say_nothing(self) -> None:
        """Take back what was said of another registry."""
        self.say_error(None, "")
        self.counts.hide()

    def say_counts(self, window: RunWindow, n_ticked: int) -> None:
        """Say how many runs there are, and of when they are where the registry can't be read."""
        more = " so far …" if window.is_loading else ""
        whole = f" of {window.n_runs:,}" if window.n_matching != window.n_runs else ""
        runs = "run" if window.n_runs == 1 else "runs"
        ticked = f" · {n_ticked} ticked" if n_ticked else ""
        self.counts.show()
        self.counts.show_text(f"{window.n_matching:,}{whole} {runs}{more}{ticked}")
        if (window.problem is not None) is not self._is_troubled:
            self._is_troubled = not self._is_troubled
            self.turned.emit()
        if window.problem is not None:
            of = numbers.day_and_clock(window.read_at)
            self.trouble.show_text(f"{numbers.WARNING} {window.problem} What is shown is of {of}.")
            self.trouble.show()
        elif self.caret.isHidden():
            self.trouble.hide()
