"""Policies of approval: which aliases have one, what each wants before it moves, and what a version lacks of it."""

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.governance.policy import ApprovalPolicy, PolicyStanding
from mlops_desk.ui.actions import Action
from mlops_desk.ui.governance.asked import GovernanceView
from mlops_desk.ui.governance.beside import ListBeside, acts_row
from mlops_desk.ui.governance.policies.form import PolicyDialog
from mlops_desk.ui.governance.policies.words import alias_name, policy_facts, standing_facts, wants
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.confirmation import ask
from mlops_desk.ui.widgets.facts import Fact
from mlops_desk.ui.widgets.field import Field, filter_field
from mlops_desk.ui.widgets.flow import FlowLayout
from mlops_desk.ui.widgets.states import Empty
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task

_NOTHING = (
    "A policy says who has to agree before an alias of a model moves: people, an approved card, a signed tag. "
    "Without one whoever may move aliases moves them."
)
_COMMAND = "mlops-desk policies set MODEL --alias champion --people 2 --not-author"
_VERSION = 120  # pixels: a number with the words before it


class PoliciesTab(GovernanceView[list[ApprovalPolicy]]):
    """The list at the left; at the right all of the chosen policy, and how a version stands to it.

    The identity of a policy's registry names the registry to the verbs as well.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context, "Policies", lambda desk: desk.policies.list())
        self._checking: Task | None = None
        self._wanted: str | None = None
        self._proposed_for: str | None = None
        self.search = filter_field("Filter policies")
        self.search.setMinimumWidth(theme.COLUMN_MINIMUM)  # else it grows when something is typed
        self.says = Label(wrap=True)
        self.says.hide()
        self.table: RecordTable[ApprovalPolicy] = RecordTable("Policies", _COLUMNS, context.memory)
        self.table.chosen.connect(lambda _key: self._show_chosen())
        self.search.textChanged.connect(self.table.narrow)
        self.version = Field("Version", "number of a version")
        self.version.setMinimumWidth(_VERSION)
        self.version.returnPressed.connect(self.check_version)
        self.new = Button("New policy …", main=True, tip="Say what an alias wants before it moves", asks=True)
        self.new.clicked.connect(self.ask_for_new)
        self.check = Button("Check version", tip="Tell what this version lacks to be put there", asks=True)
        self.check.clicked.connect(self.check_version)
        self.edit = Button("Edit …", tip="Say anew what the alias wants", asks=True)
        self.edit.clicked.connect(self.ask_to_edit)
        self.remove = Button("Remove …", tip="Let the alias move as it did without a policy", asks=True)
        self.remove.clicked.connect(self.ask_to_remove)
        self._arrange()

    def _arrange(self) -> None:
        acts = QWidget()
        below = FlowLayout(acts)
        below.setSpacing(theme.SPACE_8)
        for widget in (self.version, self.check, self.edit, self.remove):
            below.addWidget(widget)
        self.beside = ListBeside(self.table, "The policy", (acts,))
        self.facts = self.beside.facts
        self.content.addWidget(acts_row((self.search,), (self.new,)))
        self.content.addWidget(self.says)
        self.content.addWidget(self.beside, 1)

    def nothing(self, value: list[ApprovalPolicy]) -> Empty | None:
        if value:
            return None
        return Empty("No alias has a policy", _NOTHING, "New policy …", self.ask_for_new, _COMMAND)

    def take(self, value: list[ApprovalPolicy]) -> None:
        self.table.show_records({one.key: one for one in value})
        wanted, self._wanted = self._wanted, None
        found = wanted is not None and self.table.select(wanted)
        if not found and self.table.key() is None:
            self.table.select_first()
        self._show_chosen()

    def show_all(self) -> None:
        """Take back what narrows the list."""
        self.search.clear()

    # The chosen policy.

    def chosen(self) -> ApprovalPolicy | None:
        """Return the policy that is chosen in the list."""
        key = self.table.key()
        return self.table.records.record(key) if key else None

    def _show_chosen(self) -> None:
        policy = self.chosen()
        for widget in (self.version, self.check, self.edit, self.remove):
            widget.setEnabled(policy is not None)
        if policy is None:
            self._end_check()
            self._proposed_for = None
            self.facts.show_facts([])
            return
        if policy.key != self._proposed_for:
            self._proposed_for = policy.key
            self.version.setText(self._proposal(policy))
        self.check_version()

    def _proposal(self, policy: ApprovalPolicy) -> str:
        """Return the version that is likely to be put there next: the challenger, else the newest; "" where unknown."""
        model = (self.context.store.models.value or {}).get(policy.model)
        if model is None:
            return ""
        found = model.aliases.get("challenger") or model.latest_version
        return plain(found or "", 40)

    def check_version(self) -> None:
        """Ask what the version in the field lacks to be put under the chosen alias."""
        self._end_check()
        policy, version = self.chosen(), self.version.text().strip()
        if policy is None:
            return
        if not version:
            self._tell(policy, [Fact("Version", "type one below to see what it lacks", "muted")])
            return
        model, alias, uri = policy.model, policy.alias, policy.registry
        self._tell(policy, [Fact("Version", f"looking how {plain(version, 40)} stands …", "muted")])
        self._checking = self.context.ask(
            "check policy",
            lambda desk: desk.policies.check(model, version, alias, uri=uri),
            partial(self._checked, policy),
            partial(self._not_checked, policy, version),
        )

    def _end_check(self) -> None:
        if self._checking is not None:
            self._checking.cancel()
            self._checking = None

    def _checked(self, policy: ApprovalPolicy, standing: PolicyStanding) -> None:
        self._tell(policy, standing_facts(standing))

    def _not_checked(self, policy: ApprovalPolicy, version: str, error: DeskError) -> None:
        why = f"{numbers.UNKNOWN} how {plain(version, 40)} stands is not known: {error.message} {error.hint or ''}"
        self._tell(policy, [Fact("Version", plain(why.strip(), 600), "unknown")])

    def _tell(self, policy: ApprovalPolicy, standing: list[Fact]) -> None:
        self.facts.show_facts([*standing, *policy_facts(policy)])

    # What can be done.

    def ask_for_new(self) -> None:
        """Open the form of a new policy, of the registry whose models the window shows."""
        models, uri = sorted(self.context.store.models.value or ()), self.context.store.models_uri
        PolicyDialog(self.window(), self.context, None, models, uri, self._saved).open()

    def ask_to_edit(self) -> None:
        """Open the form of the chosen policy."""
        policy = self.chosen()
        if policy is not None:
            PolicyDialog(self.window(), self.context, policy, (), policy.registry, self._saved).open()

    def _saved(self, policy: ApprovalPolicy) -> None:
        self._wanted = policy.key
        self.search.clear()
        self._say(f"{numbers.OK} {alias_name(policy)} wants from now on: {wants(policy)}.", "ok")
        self._again()

    def ask_to_remove(self) -> None:
        """Ask before a policy is forgotten."""
        policy = self.chosen()
        if policy is None:
            return
        name = alias_name(policy)
        text = f"It wants: {wants(policy)}. Without a policy whoever may move aliases moves {plain(name, 120)}."
        ask(self, f"Remove the policy of {plain(name, 80)}?", text, "Remove policy", lambda: self._remove(policy))

    def _remove(self, policy: ApprovalPolicy) -> None:
        model, alias, uri = policy.model, policy.alias, policy.registry
        self.context.ask(
            "remove policy", lambda desk: desk.policies.remove(model, alias, uri=uri), self._removed, self._not_removed
        )

    def _removed(self, policy: ApprovalPolicy) -> None:
        self._say(f"{numbers.OK} {alias_name(policy)} has no policy any more.", "ok")
        self._again()

    def _not_removed(self, error: DeskError) -> None:
        self._say(f"{numbers.ALERT} {error.message} {error.hint or ''}".strip(), "alert")

    def _again(self) -> None:
        self._stop()
        self.look()

    def _say(self, text: str, tone: str) -> None:
        self.says.show_text(text)
        self.says.tint(tone)
        self.says.show()

    def actions_here(self) -> list[Action]:
        def has() -> bool:
            return self.chosen() is not None

        return [
            Action("policies.new", "New policy of approval …", self.ask_for_new, asks=True),
            Action("policies.edit", "Edit the chosen policy …", self.ask_to_edit, when=has, asks=True),
            Action("policies.remove", "Remove the chosen policy …", self.ask_to_remove, when=has, asks=True),
        ]


def _trouble(policy: ApprovalPolicy) -> Cell:
    if not policy.trouble:
        return Cell(numbers.NOTHING, "", "muted")
    return Cell(f"{numbers.WARNING} {plain(policy.trouble, 120)}", policy.trouble, "warning", policy.trouble)


_COLUMNS: tuple[Column[ApprovalPolicy], ...] = (
    Column("alias", "Alias", lambda one: Cell(alias_name(one), tip=alias_name(one))),
    Column("wants", "Wants", lambda one: Cell(wants(one), tip=wants(one)), stretch=True),
    Column("trouble", "Trouble", _trouble),
    Column("set", "Set", lambda one: Cell(numbers.ago(one.set_at or None), one.set_at), spare=True),
    Column("by", "By", lambda one: Cell(plain(one.set_by or numbers.NOTHING, 60)), spare=True),
)  # fmt: skip
