"""Which data there are, whether they are what they were, who stands on them, and what is kept and logged of them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QWidget

from mlops_desk.governance.records.data.catalogue import (
    DataKind,
    DataSet,
    DataSetBrief,
    DataUse,
    DataUser,
    DataUserKind,
)
from mlops_desk.governance.records.data.retention import RetentionDone, RetentionPlan
from mlops_desk.governance.window.data.facts import GROWING, STATE_MARKS, set_facts, state_words
from mlops_desk.governance.window.data.log_rewrite import Rewriting
from mlops_desk.governance.window.data.redaction import RedactionDialog
from mlops_desk.governance.window.data.register import RegisterDialog, TraitsDialog
from mlops_desk.governance.window.list_detail import ListBeside, acts_row
from mlops_desk.governance.window.version_view import GovernanceView
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, set_tip
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.confirmation import ask
from mlops_desk.kit.window.widgets.facts import Fact
from mlops_desk.kit.window.widgets.field import Field, filter_field
from mlops_desk.kit.window.widgets.flow import FlowLayout
from mlops_desk.kit.window.widgets.states import Empty
from mlops_desk.kit.window.words import numbers

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task


# Who stands on the chosen data set, each a way to its page: Enter or a double click goes there.
_PAGES = {
    DataUserKind.MODEL: ("models", ""),
    DataUserKind.ENDPOINT: ("endpoints", ""),
    DataUserKind.MONITOR: ("drift", ""),
    DataUserKind.PIPELINE: ("automations", "pipeline:"),
}


class DataUsers(RecordTable[DataUser]):
    """A short table."""

    def __init__(self, context: Context) -> None:
        super().__init__("Who stands on it", _COLUMNS_dependents, context.memory)
        self._context = context
        set_tip(self, "Enter or a double click opens its page")
        self.takes_key = self._take_key
        self.doubleClicked.connect(lambda _index: self.open_chosen())
        self.setMinimumHeight(3 * theme.ROW_HEIGHT)

    def show_users(self, users: tuple[DataUser, ...]) -> None:
        """Show who stands on a set, models first: that is what one looks for."""
        self.setVisible(bool(users))
        order = list(_ORDER)
        ordered = sorted(users, key=lambda one: (order.index(one.kind), one.name))
        self.show_records({f"{one.kind.value}/{one.name}/{one.how}/{one.version}": one for one in ordered})

    def open_chosen(self) -> None:
        """Go to the page of the chosen one."""
        key = self.key()
        user = self.records.record(key) if key else None
        if user is None:
            return
        if user.kind is DataUserKind.RUN:
            self._context.act("runs.show", self._context, user.name, self._context.store.models_uri)
        else:
            page, before = _PAGES[user.kind]
            self._context.open_page(page, f"{before}{user.name}")

    def _take_key(self, name: str) -> bool:
        if name == "Return":
            self.open_chosen()
        return name == "Return"


_ORDER = (
    DataUserKind.MODEL, DataUserKind.RUN, DataUserKind.ENDPOINT, DataUserKind.MONITOR, DataUserKind.PIPELINE,
)  # fmt: skip


def _version(one: DataUser) -> Cell:
    return Cell(numbers.NOTHING if one.version is None else f"v{one.version}", one.version or 0)


_COLUMNS_dependents: tuple[Column[DataUser], ...] = (
    Column("kind", "Used by", lambda one: Cell(one.kind.value)),
    Column("name", "Name", lambda one: Cell(plain(one.name, 100), tip=f"{one.name}: {one.how}"), stretch=True),
    Column("version", "Version", _version),
)


# What a retention would delete, shown first and then applied by exactly what was shown.
_NAMED_retention = 8  # chosen: what a question still lists


class Retention:
    """``say`` is told how far it is, ``done`` that something is gone."""

    def __init__(
        self, parent: QWidget, context: Context, say: Callable[[str, str], None], done: Callable[[], None]
    ) -> None:
        self._parent, self._context = parent, context
        self._say, self._done = say, done

    def preview(self) -> None:
        """Show what is older than it is to be kept; nothing is deleted by that."""
        self._say("Looking what is older than it is to be kept …", "muted")
        self._context.ask("retention", lambda desk: desk.data.retention(), self._planned, self._failed)

    def _planned(self, plan: RetentionPlan) -> None:
        self._say(plan_words(plan), "text")
        if not plan.items:
            return
        token = plan.token
        shown = "\n".join(f"{plain(one.dataset, 60)}: {plain(one.path, 120)}" for one in plan.items[:_NAMED_retention])
        more = f"\n… and {len(plan.items) - _NAMED_retention} more" if len(plan.items) > _NAMED_retention else ""
        text = f"{plan_words(plan)}\n\n{shown}{more}\n\nExactly these files are deleted. There is no way back."
        ask(self._parent, "Delete what is too old?", text, "Delete files", lambda: self._retain(token))

    def _retain(self, token: str) -> None:
        self._say("Deleting …", "muted")
        self._context.ask("retain", lambda desk: desk.data.retain(token), self._retained, self._failed)

    def _retained(self, done: RetentionDone) -> None:
        left = "".join(
            f" {plain(one.path, 80)} is still there: {plain(one.why, 120)}." for one in done.left[:_NAMED_retention]
        )
        gone = f"{numbers.count(done.files, 'file')} with {numbers.size(done.size_bytes)} are gone."
        self._say(f"{numbers.WARNING if done.left else numbers.OK} {gone}{left}", "warning" if done.left else "ok")
        self._done()

    def _failed(self, error: DeskError) -> None:
        self._say(f"{numbers.ALERT} {error.message} {error.hint or ''}".strip(), "alert")


def plan_words(plan: RetentionPlan) -> str:
    """Say what a retention would delete, what is kept all the same, and what could not be looked at."""
    parts = [f"{numbers.count(plan.files, 'file')} with {numbers.size(plan.size_bytes)} are older than they are kept."
             if plan.items else "Nothing is older than it is to be kept."]  # fmt: skip
    parts += [f"{plain(one.dataset, 60)} stays: {plain(one.why, 160)}." for one in plan.held[:_NAMED_retention]]
    if plan.unset:
        names = plain(", ".join(plan.unset[:_NAMED_retention]), 300)
        parts.append(f"Of {numbers.count(len(plan.unset), 'data set')} nobody has said how long: {names}.")
    parts += [f"{numbers.UNKNOWN} {plain(one, 200)}" for one in plan.missing[:_NAMED_retention]]
    return " ".join(parts)


_LOOK_MILLISECONDS = 1000  # chosen: a look takes seconds to hours; one question a second costs nothing
_USED_BY = 220  # pixels: the name of a model with its version
_NAMED = 4  # chosen: sets that a line still lists with how each is used
_NOTHING = "Data sets that runs logged, pipelines froze, monitors watch and endpoints answered will be here."


class DataTab(GovernanceView[list[DataSetBrief]]):
    """The list at the left; at the right what is known of the chosen set, asked for when it is chosen."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, "Data", lambda desk: desk.data.list())
        self._task_of: Task | None = None
        self._shown: DataSet | None = None
        self._wanted: str | None = None
        self._used: frozenset[str] | None = None
        self.search = filter_field("Filter data")
        self.used_by = Field("Used by", "Used by: churn/3, a run …")
        self.used_by.setMinimumWidth(_USED_BY)
        self.search.setMinimumWidth(theme.COLUMN_MINIMUM)  # else it grows when something is typed
        self.used_by.returnPressed.connect(self.look_up)
        self.used_by.textChanged.connect(lambda text: None if text.strip() else self._keep(None))
        self.says = Label(wrap=True)
        self.says.hide()
        self.table: RecordTable[DataSetBrief] = RecordTable("Data sets", _COLUMNS, context.memory)
        self.table.chosen.connect(lambda _key: self._show_chosen())
        self.search.textChanged.connect(self.table.narrow)
        self.users = DataUsers(context)
        self._retention = Retention(self, context, self._say, self.look)
        self._rewriting = Rewriting(self, context, self._say, self.look)
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.setInterval(_LOOK_MILLISECONDS)
        self._again.timeout.connect(self._show_chosen)
        self._make_acts()
        self._arrange()

    def _make_acts(self) -> None:
        self.register = Button("Register …", main=True, tip="Take a data set into the catalogue", asks=True)
        self.register.clicked.connect(self.ask_to_register)
        self.retention = Button("Retention …", tip="Show what is older than it is to be kept", asks=True)
        self.retention.clicked.connect(self._retention.preview)
        self.check = Button("Look again", tip="Is it there, is it what it was?", asks=True)
        self.check.clicked.connect(self.look_again)
        self.edit = Button("Edit …", tip="Say who owns it, its licence, and how long it is kept", asks=True)
        self.edit.clicked.connect(self.ask_to_edit)
        self.redact = Button("Redaction …", tip="Say what is taken out before it is logged", asks=True)
        self.redact.clicked.connect(self.ask_to_redact)
        self.forget = Button("Forget …", tip="Take it out of the catalogue; the data stay", asks=True)
        self.forget.clicked.connect(self.ask_to_forget)

    def _arrange(self) -> None:
        acts = QWidget()
        below = FlowLayout(acts)
        for button in (self.check, self.edit, self.redact, self.forget):
            below.addWidget(button)
        self.beside = ListBeside(self.table, "The data set", (self.users, acts))
        self.facts = self.beside.facts
        self.content.addWidget(acts_row((self.search, self.used_by), (self.retention, self.register)))
        self.content.addWidget(self.says)
        self.content.addWidget(self.beside, 1)

    def nothing(self, value: list[DataSetBrief]) -> Empty | None:
        return (
            None if value else Empty("No data are known yet", _NOTHING, "Register a data set …", self.ask_to_register)
        )

    def take(self, value: list[DataSetBrief]) -> None:
        self.table.show_records({one.name: one for one in value})
        wanted, self._wanted = self._wanted, None
        found = wanted is not None and self.table.select(wanted)
        if wanted is not None and not found:
            self._say(
                f"{plain(wanted, 100)} is not in the catalogue by that name: it may be part of another.", "warning"
            )
        if not found and self.table.key() is None:
            self.table.select_first()
        self._show_chosen()

    def reveal(self, name: str) -> bool:
        """Choose a set; one that is not listed yet once the agent has answered."""
        self.search.clear()
        self.used_by.clear()
        if self.table.select(name):
            return True
        self._wanted = name
        return self.value is None

    def show_all(self) -> None:
        """Take back what narrows the list."""
        self.search.clear()
        self.used_by.clear()

    # The chosen set.

    def _show_chosen(self) -> None:
        name = self.table.key()
        self._again.stop()
        if self._task_of is not None:
            self._task_of.cancel()
        if self._shown is not None and self._shown.brief.name != name:
            self._shown = None
        self._enable()
        if name is None:
            self.facts.show_facts([])
            self.users.show_users(())
            return
        if self._shown is None:
            self.facts.show_facts([Fact("Loading", plain(name, 100), "muted")])
            self.users.show_users(())
        self._task_of = self.context.ask("data set", lambda desk: desk.data.show(name), self._got, self._not_shown)

    def _enable(self) -> None:
        """Offer what can be done with the chosen set."""
        found = self._shown
        grows = found is not None and found.brief.kind in GROWING
        looking = found is not None and found.progress is not None
        self.check.show_title("Stop looking" if looking else "Look again")
        self.check.setVisible(not grows)
        self.check.setEnabled(found is not None)
        self.edit.setEnabled(found is not None)
        self.redact.setVisible(found is not None and found.brief.kind is DataKind.LOG)
        self.forget.setVisible(found is None or found.brief.is_registered)
        self.forget.setEnabled(found is not None)

    def _got(self, found: DataSet) -> None:
        before, self._shown = self._shown, found
        self.facts.show_facts(set_facts(found))
        self.users.show_users(found.users)
        self._enable()
        if found.progress is not None and self.isVisible():
            self._again.start()
        elif before is not None and before.progress is not None:
            self._tell_look(found)
            self.look()

    def _tell_look(self, found: DataSet) -> None:
        """Say what came of a look that was seen under way, and what of the set is another by now."""
        mark = STATE_MARKS[found.brief.state]
        self._say(f"{plain(found.brief.name, 100)}: {state_words(found)}", mark.token)

    def _not_shown(self, error: DeskError) -> None:
        self._shown = None
        self._enable()
        self.users.show_users(())
        self.facts.show_facts([Fact("Not known", f"{error.message} {error.hint or ''}".strip(), "alert")])

    # What can be done.

    def ask_to_register(self) -> None:
        """Open the form of a new data set."""
        RegisterDialog(self.window(), self.context, self._registered).open()

    def _registered(self, found: DataSet) -> None:
        self._wanted = found.brief.name
        self._stop()
        self.look()

    def ask_to_edit(self) -> None:
        """Open the form of what people say of the chosen set."""
        if self._shown is not None:
            TraitsDialog(self.window(), self.context, self._shown, self._changed).open()

    def _changed(self, found: DataSet) -> None:
        if self.table.key() == found.brief.name:
            self._got(found)
        self.look()

    def look_again(self) -> None:
        """Have the chosen set looked at, or stop the look that is under way."""
        found = self._shown
        if found is None:
            return
        name = found.brief.name
        if found.progress is not None:
            self.context.ask("stop looking", lambda desk: desk.data.cancel(name), self._changed)
        else:
            self.context.ask("look at data", lambda desk: desk.data.check(name), self._changed)

    def ask_to_redact(self) -> None:
        """Open the rules of the chosen log."""
        endpoint = None if self._shown is None else self._shown.place.endpoint
        if endpoint is not None:
            RedactionDialog(self.window(), self.context, endpoint, self._rewriting.offer).open()

    def ask_to_forget(self) -> None:
        """Ask before the chosen set is taken out of the catalogue."""
        found = self._shown
        if found is None or not found.brief.is_registered:
            return
        name = found.brief.name
        kept = numbers.count(len(found.versions), "version")
        text = f"What people said of it and {kept} are no longer known. The data stay where they are."
        ask(self, f"Forget {plain(name, 80)}?", text, "Forget data set", lambda: self._forget(name))

    def _forget(self, name: str) -> None:
        def gone(_set: DataSet) -> None:
            self._say(f"{numbers.OK} {plain(name, 100)} is no longer in the catalogue.", "ok")
            self.look()

        self.context.ask("forget data", lambda desk: desk.data.forget(name), gone)

    # What something stands on.

    def look_up(self) -> None:
        """Ask what the thing that was typed stands on, and keep to these sets."""
        thing = self.used_by.text().strip()
        if thing:
            self.context.ask(
                "uses", lambda desk: desk.data.uses(thing), lambda uses: self._show_uses(thing, uses), self._not_found
            )

    def _show_uses(self, thing: str, uses: list[DataUse]) -> None:
        if thing != self.used_by.text().strip():
            return
        self._keep(frozenset(one.dataset for one in uses))
        if not uses:
            self._say(f"Nothing is known that {plain(thing, 100)} stands on.", "muted")
            return
        told = [f"{plain(one.dataset, 80)} ({plain(one.how, 80)})" for one in uses[:_NAMED]]
        more = f" and {len(uses) - _NAMED} more" if len(uses) > _NAMED else ""
        self._say(f"{plain(thing, 100)} stands on {', '.join(told)}{more}.", "text")

    def _keep(self, names: frozenset[str] | None) -> None:
        if names is None and self._used is not None:
            self.says.hide()
        self._used = names
        self.table.keep(None if names is None else lambda one: one.name in names)
        if self.table.key() is None:
            self.table.select_first()

    def _not_found(self, error: DeskError) -> None:
        self._say(f"{numbers.ALERT} {error.message} {error.hint or ''}".strip(), "alert")

    def _say(self, text: str, tone: str) -> None:
        self.says.show_text(text)
        self.says.tint(tone)
        self.says.show()

    def actions_here(self) -> list[Action]:
        shown = self._shown
        is_log = shown is not None and shown.brief.kind is DataKind.LOG
        is_fixed = shown is not None and shown.brief.kind not in GROWING
        return [
            Action("data.register", "Register a data set …", self.ask_to_register, asks=True),
            Action("data.retention", "Show what is older than it is to be kept …", self._retention.preview, asks=True),
            Action(
                "data.check", "Look at the chosen data set again", self.look_again, when=lambda: is_fixed, asks=True
            ),
            Action(
                "data.edit", "Edit the chosen data set …", self.ask_to_edit, when=lambda: shown is not None, asks=True
            ),
            Action("data.redact", "Redact the chosen log …", self.ask_to_redact, when=lambda: is_log, asks=True),
        ]


def _state(one: DataSetBrief) -> Cell:
    mark = STATE_MARKS[one.state]
    return Cell(mark.text, mark.word, mark.token, one.text)


_COLUMNS: tuple[Column[DataSetBrief], ...] = (
    Column("state", "State", _state),
    Column("name", "Data set", lambda one: Cell(plain(one.name), tip=one.name), stretch=True),
    Column("kind", "Kind", lambda one: Cell(one.kind.value)),
    Column("users", "Used by", lambda one: Cell(f"{one.users:,}", one.users), right=True),
    Column(
        "size", "Size", lambda one: Cell(numbers.size(one.size_bytes), one.size_bytes or -1), right=True, spare=True
    ),
    Column("place", "Place", lambda one: Cell(plain(one.place, 200)), hidden=True),
)  # fmt: skip
