"""Policies of approval: which aliases have one, what each wants before it moves, and what a version lacks of it."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCompleter, QWidget

from mlops_desk.governance.records.policy import MOST_PEOPLE, ApprovalPolicy, PolicyStanding
from mlops_desk.governance.window.list_detail import ListBeside, acts_row
from mlops_desk.governance.window.policies.words import alias_name, policy_facts, signers_words, standing_facts, wants
from mlops_desk.governance.window.version_view import GovernanceView
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.close_guard import GuardedForm
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.choice import CheckBox
from mlops_desk.kit.window.widgets.confirmation import ask
from mlops_desk.kit.window.widgets.facts import Fact
from mlops_desk.kit.window.widgets.field import Field, NumberField, filter_field
from mlops_desk.kit.window.widgets.flow import FlowLayout
from mlops_desk.kit.window.widgets.path_field import PathField
from mlops_desk.kit.window.widgets.states import Empty
from mlops_desk.kit.window.words import numbers

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task


# The form of a policy: who has to agree before an alias moves.
# What was said meanwhile by others is not written over: a new policy is refused where there is one, and an edit where
# the policy is another by now. One that can't be read is said anew.
_ABOUT = "What an alias wants before it moves, whoever or whatever moves it. Only an administrator may say it."
_SIGNERS_BYTES = 1 << 16  # as much as the verb takes
_OFFERED = 500  # chosen: more models than anybody scrolls through; any other can be typed


class PolicyDialog(GuardedForm):
    """A new policy of an alias, or what one says anew (``policy``). ``uri`` names the registry that it is of."""

    def __init__(
        self,
        parent: QWidget,
        context: Context,
        policy: ApprovalPolicy | None,
        models: Sequence[str],
        uri: str | None,
        done: Callable[[ApprovalPolicy], None],
    ) -> None:
        title = "New policy" if policy is None else f"Policy of {plain(alias_name(policy), 80)}"
        super().__init__(parent, title, _ABOUT, "Set policy")
        self._context, self._policy, self._uri, self._done = context, policy, uri, done
        before = policy or ApprovalPolicy("", "champion")
        self.model = Field("Model", "name of the model", text=before.model)
        self.alias = Field("Alias", "as champion", text=before.alias)
        self.people = NumberField("People", 0, MOST_PEOPLE)
        self.people.setValue(before.people)
        self.who = Field("Who may approve", "accounts, as ann, bo", text=", ".join(before.who))
        self.author = CheckBox("Not by whoever trained it or asks for the move")
        self.author.setChecked(not before.author)
        self.card = CheckBox("Its card has to be approved")
        self.card.setChecked(before.card)
        self.tag = CheckBox("A signed tag has to ask for it")
        self.tag.setChecked(before.signed_tag)
        self.signers = PathField("Signers", "Keys that may sign", "/path/of/allowed_signers", files="All files (*)")
        self.back = CheckBox("Back to an earlier version without asking anew")
        self.back.setChecked(before.free_rollback)
        self._arrange(before, models)
        self.submit = self._set
        self.guard(self._words)

    def _arrange(self, before: ApprovalPolicy, models: Sequence[str]) -> None:
        if self._policy is None:
            completer = QCompleter(list(models[:_OFFERED]), self)
            completer.setFilterMode(Qt.MatchFlag.MatchContains)
            completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
            self.model.setCompleter(completer)
            self.add("Model", self.model)
            self.add("Alias", self.alias)
        self.add("People", self.people, "So many have to approve; twice the same person counts once")
        self.add("Who may approve", self.who, "Empty: whoever this agent lets in")
        for box in (self.author, self.card, self.tag):
            self.add("", box)
            box.setAccessibleName(box.text())
        kept = f"; empty: as now, by {signers_words(before.signers)}" if before.signers else ""
        self.add("Signers", self.signers, f"An allowed_signers file of OpenSSH, also with armoured GPG keys{kept}")
        self.add("", self.back)
        self.back.setAccessibleName(self.back.text())
        self.tag.toggled.connect(lambda _on: self._show_signers())
        self._show_signers()

    def _show_signers(self) -> None:
        self.show_field(self.signers, shown=self.tag.isChecked())
        self.resize(self.width(), self.sizeHint().height())

    def _words(self) -> tuple[str | int | bool, ...]:
        return (
            self.model.text(), self.alias.text(), self.people.value(), self.who.text(), self.signers.text(),
            *(box.isChecked() for box in (self.author, self.card, self.tag, self.back)),
        )  # fmt: skip

    def _wrong(self) -> tuple[QWidget, DeskError] | None:
        """Return the first field that can't be meant so, and why."""
        named = {one.strip() for one in self.who.text().split(",") if one.strip()}
        kept = "" if self._policy is None else self._policy.signers
        if not self.model.text().strip():
            return self.model, DeskError("No model is named.", "Type its name; those that are known are offered.")
        if not self.alias.text().strip():
            return self.alias, DeskError("No alias is named.", "Name the one that is to be kept, such as champion.")
        if named and len(named) < self.people.value():
            text = f"{self.people.value()} people have to approve, and {len(named)} may."
            return self.who, DeskError(text, "Name more accounts, or none: then whoever this agent lets in may.")
        if self.tag.isChecked() and not kept and not self.signers.text():
            text = "A signed tag is wanted, and no key is named that may sign."
            return self.signers, DeskError(text, "Choose a file of keys.")
        return None

    def _set(self) -> None:
        wrong = self._wrong()
        if wrong is not None:
            self.fail(wrong[1])
            wrong[0].setFocus()
            return
        policy = self._policy
        model = self.model.text().strip() if policy is None else policy.model
        alias = self.alias.text().strip() if policy is None else policy.alias
        kept = "" if policy is None else policy.signers
        path, uri = self.signers.text() if self.tag.isChecked() else "", self._uri
        said: dict[str, Any] = {
            "people": self.people.value(), "who": self.who.text().strip(), "card": self.card.isChecked(),
            "not_author": self.author.isChecked(), "signed_tag": self.tag.isChecked(),
            "free_rollback": self.back.isChecked(),
        }  # fmt: skip

        def put(desk: ClientLike) -> ApprovalPolicy:
            check_same(desk, policy, model, alias, uri)
            keys = signers_in(path) if path else kept
            return desk.policies.set(model, alias, uri=uri, signers=keys or None, **said)

        self.begin("Setting …")
        self._context.ask("set policy", put, self._saved, self.fail)

    def _saved(self, policy: ApprovalPolicy) -> None:
        self._done(policy)
        self.accept()


def check_same(desk: ClientLike, seen: ApprovalPolicy | None, model: str, alias: str, uri: str | None) -> None:
    """Refuse where the policy is another than was ``seen`` (None: there was none). Raises Refused, Unavailable."""
    try:
        now = desk.policies.show(model, alias, uri=uri)
    except (NotFound, Refused):  # there is none, or one that nobody can read: what is said now is the first word
        return
    who = plain(now.set_by or "somebody", 60)
    if seen is None:
        raise Refused(f"{plain(alias_name(now), 120)} has a policy already, set by {who}.", "Close this, and edit it.")
    if now.set_at != seen.set_at:
        text = f"{who} has set the policy of {plain(alias_name(now), 120)} anew since it was read."
        raise Refused(text, "Close this, press F5 and look at it again.")


def signers_in(path: str) -> str:
    """Return the keys that stand in a file. Raises Invalid; for a worker thread, a disk may take its time."""
    shown, hint = plain(path, 200), "Choose a file of OpenSSH's allowed_signers, or of armoured public GPG keys."
    target = Path(path).expanduser()
    try:
        if target.exists() and not target.is_file():  # a pipe would be waited for without an end
            raise Invalid(f"{shown} is no file.", hint)
        with target.open("rb") as stream:
            data = stream.read(_SIGNERS_BYTES + 1)
    except OSError as error:
        raise Invalid(f"{shown} can't be read: {error.strerror}.", hint) from error
    if len(data) > _SIGNERS_BYTES:
        raise Invalid(f"{shown} is larger than {_SIGNERS_BYTES >> 10} KiB.", hint)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(f"{shown} is not text in UTF-8.", hint) from error


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
