"""What can be done with a run, and how it is taken back.

What the page offers to do: in the menu of a row, in that of a head, and in the palette.

Tag, describe and delete runs; each is done by the agent, and the notice that says so has a button to undo it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QMenu, QWidget

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look.text import menu_text
from mlops_desk.kit.window.widgets import confirmation
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.kit.window.widgets.textbox import TextBox
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.labels import Labels, RunStage
from mlops_desk.registry.records.run_window import RunRow
from mlops_desk.registry.records.undo import Undo
from mlops_desk.registry.window.runs import cells
from mlops_desk.registry.window.runs.detail.pane import NOTE
from mlops_desk.registry.window.runs.queries import RunStory
from mlops_desk.registry.window.runs.row_loader import RowLoader
from mlops_desk.registry.window.runs.selection import Ticks
from mlops_desk.registry.window.runs.table import RunsTable
from mlops_desk.registry.window.runs.toolbar.top import TopBar


class OfferedActs:
    """Of one page. ``right`` returns what stands beside its table, None until it is loaded."""

    def __init__(
        self, parent: QWidget, bar: TopBar, table: RunsTable, ticks: Ticks, loader: RowLoader, right: Callable[[], Any]
    ) -> None:
        self._parent, self._bar, self._table = parent, bar, table
        self._ticks, self._loader, self._right = ticks, loader, right

    def fill_menu(self, menu: QMenu) -> None:
        """Put what can be done with the current run into the menu of its row."""
        table, row = self._table, self._table.current_row()
        if row is None:
            return
        title = "Take its tick away" if row.run_id in self._ticks else "Tick it to compare"
        menu.addAction(title).triggered.connect(lambda: table.tick(table.currentIndex().row()))
        for action in self._with_run(row):
            menu.addAction(menu_text(action.title)).triggered.connect(action.runner())
        menu.addSeparator()

    def open_head(self, section: int, place: QPoint) -> None:
        """Open the menu of a column's head."""
        menu = QMenu(self._parent)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for title, act in self._bar.head_acts(section):
            menu.addAction(menu_text(title)).triggered.connect(act)
        menu.popup(place)

    def here(self, save: Callable[[], None]) -> list[Action]:
        """Return what can be done now; ``save`` asks where to, and saves the table."""
        bar, row = self._bar, self._table.current_row()
        is_grouped = bar.group_by() is not None
        return [
            Action("runs.columns", "Choose columns …", lambda: _let_go(bar.choose_columns())),
            Action("runs.column", "Sort or change the column of the cursor …", self._table.ask_head),
            Action("runs.group", "Group the runs …", bar.groups.showPopup, when=lambda: not is_grouped),
            Action("runs.ungroup", "Show the runs one by one", lambda: bar.group(None), when=lambda: is_grouped),
            Action("runs.save_view", "Save this view …", lambda: _let_go(bar.chips.ask_name())),
            Action("runs.untick", "Take all ticks away", self._table.untick_all, when=lambda: len(self._ticks) > 0),
            Action("runs.export", "Save the table as CSV …", save),
            *(self._with_run(row) if row is not None else []),
        ]

    def _with_run(self, row: RunRow) -> list[Action]:
        right = self._right()
        if right is None:
            return []
        uri = self._loader.question.uri
        acts = right.acts(self._loader.refresh)
        story = right.detail.story
        known = story is not None and story.run.run_id == row.run_id
        ticked = [(one.run_id, one.title) for one in self._ticks.all()] or [(row.run_id, cells.name(row))]
        which = f"the {len(self._ticks)} ticked runs" if len(self._ticks) else "the run"
        return [
            Action("runs.tag", "Tag the run …", lambda: acts.tag(story, uri), when=lambda: known),
            Action("runs.describe", "Describe the run …", lambda: acts.describe(story, uri), when=lambda: known),
            Action("runs.delete", f"Delete {which} …", lambda: acts.delete(ticked, uri)),
        ]


def _let_go(_form: object) -> None:
    """Leave a form to itself: it is open by now."""


# Forms for what people write on a run: a tag, and its description.
class TagForm(FormDialog):
    """``written`` carries key, value (None: the tag is taken away) and what it read before ("": there was none)."""

    written = Signal(str, object, str)

    def __init__(self, parent: QWidget, story: RunStory) -> None:
        super().__init__(parent, "Tag the run", "Without a value the tag is taken away.", "Write the tag")
        self._tags = story.run.tags
        self.key = Field("Name")
        self.value = Field("Value")
        self.add("Name", self.key)
        self.add("Value", self.value)
        self.act.setEnabled(False)
        self.key.textChanged.connect(self._fill)
        self.submit = self._write

    def _fill(self, key: str) -> None:
        """Show what the tag reads now, unless something else was typed."""
        self.act.setEnabled(bool(key.strip()))
        if key.strip() in self._tags and not self.value.isModified():
            self.value.setText(self._tags[key.strip()])

    def _write(self) -> None:
        key = self.key.text().strip()
        self.begin("Writing …")
        self.written.emit(key, self.value.text() or None, self._tags.get(key, ""))


class DescriptionForm(FormDialog):
    """``written`` carries the text and what it read before."""

    written = Signal(str, str)

    def __init__(self, parent: QWidget, story: RunStory) -> None:
        super().__init__(parent, "Describe the run", "MLflow's page shows it too.", "Write")
        self._before = story.run.tags.get(NOTE, "")
        self.text = TextBox("Description", self._before)
        self.fill(self.text)
        self.first = self.text
        self.submit = self._write

    def _write(self) -> None:
        self.begin("Writing …")
        self.written.emit(self.text.toPlainText(), self._before)


_MOST_NAMED = 5  # chosen: of runs that are to go; more are counted


class RunActs:
    """``changed`` is called once something has changed."""

    def __init__(self, parent: QWidget, context: Context, changed: Callable[[], None]) -> None:
        self._parent = parent
        self._context = context
        self._changed = changed

    def tag(self, story: RunStory, uri: str | None) -> TagForm:
        """Ask for a tag and write it, unless it was changed meanwhile."""
        form = TagForm(self._parent, story)
        run_id = story.run.run_id

        def write(key: str, value: str | None, expected: str) -> None:
            self._do(form, f"The tag {plain(key, 40)} is written.",
                     lambda desk: desk.runs.tag(run_id, key, value, uri, expected))  # fmt: skip

        form.written.connect(write)
        form.open()
        return form

    def describe(self, story: RunStory, uri: str | None) -> DescriptionForm:
        """Ask for a description and write it, unless it was changed meanwhile."""
        form = DescriptionForm(self._parent, story)
        run_id = story.run.run_id

        def write(text: str, expected: str) -> None:
            self._do(form, "The description is written.",
                     lambda desk: desk.runs.describe(run_id, text, uri, expected))  # fmt: skip

        form.written.connect(write)
        form.open()
        return form

    def _do(self, form: FormDialog, said: str, call: Callable[[ClientLike], Labels]) -> None:
        def done(labels: Labels) -> None:
            form.accept()
            self._tell(said, labels.undo)

        self._context.ask("write on a run", call, done, form.fail)

    def delete(self, runs: Sequence[tuple[str, str]], uri: str | None) -> confirmation.Confirm:
        """Ask, and delete runs (id and name each)."""
        named = ", ".join(plain(name, 40) for _id, name in runs[:_MOST_NAMED])
        more = f" and {len(runs) - _MOST_NAMED:,} more" if len(runs) > _MOST_NAMED else ""
        text = (
            f"{named}{more}. They can be brought back until somebody purges the store (mlflow gc). "
            "Runs that still go on are left."
        )
        ids = [run_id for run_id, _name in runs]
        title = f"Delete {numbers.count(len(runs), 'run')}?"
        return confirmation.ask(self._parent, title, text, "Delete", partial(self._delete, ids, uri))

    def _delete(self, ids: list[str], uri: str | None) -> None:
        self._context.ask("delete runs", lambda desk: desk.runs.delete(ids, uri), self._deleted)

    def _deleted(self, stages: Sequence[RunStage]) -> None:
        gone = [one for one in stages if one.changed]
        left = [one for one in stages if one.problem is not None]
        said = f"{numbers.count(len(gone), 'run was', 'runs were')} deleted."
        if left:
            said += f" {len(left):,} left: {plain(left[0].problem or '', 200)}"
        self._tell(said, next((one.undo for one in stages if one.undo is not None), None))

    def _tell(self, said: str, undo: Undo | None) -> None:
        if undo is None:
            self._context.say("info", said)
        else:
            self._context.offer(said, "Undo", partial(self._undo, undo))
        self._changed()

    def _undo(self, undo: Undo) -> None:
        def back(_answer: object) -> None:
            self._context.say("info", "It is as it was before.")
            self._changed()

        self._context.ask("undo", partial(_carry_out, undo), back)


def _carry_out(undo: Undo, desk: ClientLike) -> object:
    """Ask for the verb that takes something back."""
    service, _, verb = undo.verb.partition(".")
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in undo.arguments.items()}
    act: Any = getattr(getattr(desk, service), verb)
    done: object = act(**given)
    return done
