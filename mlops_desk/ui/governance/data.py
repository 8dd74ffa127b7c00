"""Which data there are, whether they are what they were, who stands on them, and what a retention would delete."""

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QHBoxLayout, QSplitter

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.data.catalogue import DataSet, DataSetBrief, PersonalData, SetState
from mlops_desk.records.data.retention import RetentionDone, RetentionPlan
from mlops_desk.ui.governance.asked import GovernanceView
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card, framed
from mlops_desk.ui.widgets.confirmation import ask
from mlops_desk.ui.widgets.facts import Fact, FactGrid, moment_fact
from mlops_desk.ui.widgets.field import filter_field
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.widgets.states import Empty
from mlops_desk.ui.words import numbers
from mlops_desk.ui.words.numbers import ALERT, IDLE, INFO, OK, UNKNOWN, WARNING, Mark

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task

STATE_MARKS = {
    SetState.SAME: Mark("ok", OK, "as it was"),
    SetState.CHANGED: Mark("warning", WARNING, "changed"),
    SetState.GONE: Mark("alert", ALERT, "gone"),
    SetState.UNKNOWN: Mark("unknown", UNKNOWN, "unknown"),
    SetState.LOOKING: Mark("info", INFO, "being looked at"),
    SetState.GROWS: Mark("muted", IDLE, "grows"),
}
_MOST = 200  # chosen: more of one kind than anybody reads; the command line tells all
_NAMED = 8  # chosen: what a question still lists
_HASH = 12  # characters, as the command line shows of a hash; the tip has all of it
_NOTHING = "Data sets that runs logged, pipelines froze, monitors watch and endpoints answered will be here."


class DataTab(GovernanceView[list[DataSetBrief]]):
    """The list at the left; at the right what is known of the chosen set, asked for when it is chosen."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, "Data", lambda desk: desk.data.list())
        self._task_of: Task | None = None
        self._shown: DataSet | None = None
        self.search = filter_field("Filter data")
        self.retention = Button("Retention …", tip="Show what is older than it is to be kept", asks=True)
        self.retention.clicked.connect(self.preview)
        self.check = Button("Look again", tip="Is it there, is it what it was?", asks=True)
        self.check.clicked.connect(self.look_again)
        self.says = Label(wrap=True)
        self.says.hide()
        self.table: RecordTable[DataSetBrief] = RecordTable("Data sets", _COLUMNS, context.memory)
        self.table.chosen.connect(lambda _key: self._show_chosen())
        self.search.textChanged.connect(self.table.narrow)
        self.facts = FactGrid()
        self._wanted: str | None = None
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.search, 1)
        row.addStretch(1)
        row.addWidget(self.check)
        row.addWidget(self.retention)
        card = Card()
        card.column.addWidget(scrolled(self.facts, "The data set"))
        split = QSplitter()
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        split.addWidget(framed(self.table))
        split.addWidget(card)
        split.setSizes([theme.READING_WIDTH, theme.DETAIL_WIDTH])
        self.content.addLayout(row)
        self.content.addWidget(self.says)
        self.content.addWidget(split, 1)

    def nothing(self, value: list[DataSetBrief]) -> Empty | None:
        command = "mlops-desk data register NAME --path PATH"
        return None if value else Empty("No data are known yet", _NOTHING, command=command)

    def take(self, value: list[DataSetBrief]) -> None:
        self.table.show_records({one.name: one for one in value})
        wanted, self._wanted = self._wanted, None
        if (wanted is None or not self.table.select(wanted)) and self.table.key() is None:
            self.table.select_first()
        self._show_chosen()

    def reveal(self, name: str) -> bool:
        """Choose a set; one that is not listed yet once the agent has answered."""
        self.search.clear()
        if self.table.select(name):
            return True
        self._wanted = name
        return self.value is None

    def _show_chosen(self) -> None:
        name = self.table.key()
        self.check.setEnabled(name is not None)
        if self._task_of is not None:
            self._task_of.cancel()
        if name is None:
            self.facts.show_facts([])
            return
        if self._shown is None or self._shown.brief.name != name:
            self.facts.show_facts([Fact("Loading", plain(name, 100), "muted")])
        self._task_of = self.context.ask("data set", lambda desk: desk.data.show(name), self._got, self._not_shown)

    def _got(self, found: DataSet) -> None:
        self._shown = found
        self.facts.show_facts(set_facts(found))

    def _not_shown(self, error: DeskError) -> None:
        self._shown = None
        self.facts.show_facts([Fact("Not known", f"{error.message} {error.hint or ''}".strip(), "alert")])

    def look_again(self) -> None:
        """Have the chosen set looked at."""
        name = self.table.key()
        if name is not None:
            self.context.ask("look at data", lambda desk: desk.data.check(name), lambda _set: self.look())

    # Retention.

    def preview(self) -> None:
        """Show what is older than it is to be kept; nothing is deleted by that."""
        self._say("Looking what is older than it is to be kept …", "muted")
        self.context.ask("retention", lambda desk: desk.data.retention(), self._planned, self._not_planned)

    def _planned(self, plan: RetentionPlan) -> None:
        self._say(plan_words(plan), "text")
        if not plan.items:
            return
        token = plan.token
        shown = "\n".join(f"{plain(one.dataset, 60)}: {plain(one.path, 120)}" for one in plan.items[:_NAMED])
        more = f"\n… and {len(plan.items) - _NAMED} more" if len(plan.items) > _NAMED else ""
        text = f"{plan_words(plan)}\n\n{shown}{more}\n\nExactly these files are deleted. There is no way back."
        ask(self, "Delete what is too old?", text, "Delete files", lambda: self._retain(token))

    def _retain(self, token: str) -> None:
        self._say("Deleting …", "muted")
        self.context.ask("retain", lambda desk: desk.data.retain(token), self._retained, self._not_planned)

    def _retained(self, done: RetentionDone) -> None:
        left = "".join(f" {plain(one.path, 80)} is still there: {plain(one.why, 120)}." for one in done.left[:_NAMED])
        gone = f"{numbers.count(done.files, 'file')} with {numbers.size(done.size_bytes)} are gone."
        self._say(f"{numbers.WARNING if done.left else numbers.OK} {gone}{left}", "warning" if done.left else "ok")
        self.look()

    def _not_planned(self, error: DeskError) -> None:
        self._say(f"{numbers.ALERT} {error.message} {error.hint or ''}".strip(), "alert")

    def _say(self, text: str, tone: str) -> None:
        self.says.show_text(text)
        self.says.tint(tone)
        self.says.show()


def plan_words(plan: RetentionPlan) -> str:
    """Say what a retention would delete, what is kept all the same, and what could not be looked at."""
    parts = [f"{numbers.count(plan.files, 'file')} with {numbers.size(plan.size_bytes)} are older than they are kept."
             if plan.items else "Nothing is older than it is to be kept."]  # fmt: skip
    parts += [f"{plain(one.dataset, 60)} stays: {plain(one.why, 160)}." for one in plan.held[:_NAMED]]
    if plan.unset:
        names = plain(", ".join(plan.unset[:_NAMED]), 300)
        parts.append(f"Of {numbers.count(len(plan.unset), 'data set')} nobody has said how long: {names}.")
    parts += [f"{numbers.UNKNOWN} {plain(one, 200)}" for one in plan.missing[:_NAMED]]
    return " ".join(parts)


def set_facts(found: DataSet) -> list[Fact]:
    """Return what is known of a set, and who stands on it."""
    brief, traits = found.brief, found.brief.traits
    mark = STATE_MARKS[brief.state]
    facts = [
        Fact("State", f"{mark.text}{f': {plain(brief.text, 300)}' if brief.text else ''}", mark.token),
        Fact("Place", plain(brief.place, 300)),
        moment_fact("Looked at", brief.looked_at),
        Fact("Owner", plain(traits.data_owner or numbers.NOTHING, 100)),
        Fact("Licence", plain(traits.licence or numbers.NOTHING, 200)),
        _personal(traits.personal),
        Fact("Kept", _kept(brief)),
    ]
    for version in found.versions[:_MOST]:
        size = numbers.size(version.size_bytes)
        rows = "" if version.rows is None else f", {version.rows:,} rows"
        told = version.sha256 or version.digest or "not hashed"
        facts.append(
            Fact(
                f"Version {version.number}",
                f"{size}{rows}, {plain(told, _HASH)}",
                tip=f"{numbers.absolute(version.seen_at)}\n{plain(told, 64)}",
            )
        )
    for user in found.users[:_MOST]:
        at = "" if user.version is None else f", version {user.version}"
        facts.append(Fact(f"Used by {user.kind.value}", f"{plain(user.name, 100)}: {plain(user.how, 100)}{at}"))
    if found.columns:
        names = ", ".join(
            f"{one.name} ({'other' if one.kind is None else one.kind.value})" for one in found.columns[:_MOST]
        )
        facts.append(Fact("Columns", plain(names, 2000)))
    elif found.columns_why:
        facts.append(Fact("Columns", plain(found.columns_why, 300), "muted"))
    return facts + [Fact("Not asked", plain(one, 300), "warning") for one in found.missing[:_MOST]]


def _kept(brief: DataSetBrief) -> str:
    said = brief.traits.retention_days
    if brief.kept_days is None:
        return "nobody has said how long" if said is None else f"{said:g} days"
    if said is not None and said >= brief.kept_days:
        return f"{said:g} days, as is said of it"
    return f"{brief.kept_days:g} days, by the settings" + ("" if said is None else f"; {said:g} by its retention")


def _personal(personal: PersonalData) -> Fact:
    words = {PersonalData.YES: "yes", PersonalData.NO: "no", PersonalData.UNKNOWN: "nobody has said"}
    return Fact("Data of persons", words[personal], "warning" if personal is not PersonalData.NO else "text")


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
