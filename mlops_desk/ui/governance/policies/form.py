"""The form of a policy: who has to agree before an alias moves.

What was said meanwhile by others is not written over: a new policy is refused where there is one, and an edit where the
policy is another by now. One that can't be read is said anew.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCompleter, QWidget

from mlops_desk.base.errors import DeskError, Invalid, NotFound, Refused
from mlops_desk.base.text import plain
from mlops_desk.records.governance.policy import MOST_PEOPLE, ApprovalPolicy
from mlops_desk.ui.governance.policies.words import alias_name, signers_words
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.parts.guarded import GuardedForm
from mlops_desk.ui.widgets.choice import CheckBox
from mlops_desk.ui.widgets.field import Field, NumberField
from mlops_desk.ui.widgets.path_field import PathField
from mlops_desk.verbs.desk import ClientLike

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
