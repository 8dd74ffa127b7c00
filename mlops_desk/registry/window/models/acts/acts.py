"""What can be done with the chosen version: as buttons above its detail, in the menu of its row, and in the palette.

Take an alias away: who names it finds nothing then. Undo stands in the notice, and the history keeps the move.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QDialog, QMenu, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError, Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.offline import is_offered
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, menu_text
from mlops_desk.kit.window.parts.undo import offer_undo
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button, answers
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.registry.records.model import Model
from mlops_desk.registry.window.models import loads
from mlops_desk.registry.window.models.acts.labels import DescribeDialog, TagDialog
from mlops_desk.registry.window.models.acts.transfer import VersionFile
from mlops_desk.registry.window.models.alias import words
from mlops_desk.registry.window.models.alias.dialog import AliasDialog
from mlops_desk.registry.window.models.registries import is_own

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_desk.kit.window.live.tasks import Task
    from mlops_desk.registry.records.page import PageVisit
    from mlops_desk.registry.records.transfer import CheckedFile, Verified
    from mlops_desk.registry.records.version_hit import VersionHit


class AliasRemovalDialog(FormDialog):
    """Takes one of the aliases of a version away, if it still points there; ``endpoints`` serve its model."""

    def __init__(self, parent: QWidget, context: Context, hit: "VersionHit", endpoints: Mapping[str, str]) -> None:
        about = f"Who asks for it by {plain(hit.name, 60)}@ALIAS finds nothing then. The version itself stays."
        super().__init__(parent, "Take an alias away", about, "Take alias away")
        self._context = context
        self._hit, self._uri = hit, context.store.models_uri
        self._expected = hit.version
        self.alias = ChoiceBox("Alias")
        for one in hit.aliases:
            self.alias.addItem(plain(one, 60), one)
        self.add("Alias", self.alias)
        self.says = Label(words.stays(hit, endpoints), wrap=True)
        self.fill(self.says, 0)
        self.alias.currentIndexChanged.connect(lambda _place: self._expect(self._hit.version))
        self.submit = self._take_away

    def _expect(self, version: str) -> None:
        self._expected = version

    def _take_away(self) -> None:
        model, alias, uri, expected = self._hit.name, str(self.alias.currentData()), self._uri, self._expected
        self.begin("Taking it away …")
        self._context.ask(
            "take alias away",
            lambda desk: desk.models.remove_alias(model, alias, uri=uri, expected=expected),
            lambda now: self._done(alias, now),
            lambda error: self._refused(alias, error),
        )

    def _done(self, alias: str, now: "Model") -> None:
        offer_undo(self._context, f"{plain(self._hit.name, 60)}@{plain(alias, 60)} is taken away.", now.undo)
        self.accept()

    def _refused(self, alias: str, error: DeskError) -> None:
        """Say why; where the alias moved meanwhile, ask about where it is now before one can press again."""
        self.fail(error)
        if not isinstance(error, Refused):
            return
        self.act.setEnabled(False)
        model, uri = self._hit.name, self._uri

        def looked(now: "Model") -> None:
            version = now.aliases.get(alias)
            if version is None:
                self.says.show_text(f"{plain(alias, 60)} is there no more: there is nothing to take away.")
                return
            self._expect(version)
            self.says.show_text(f"{plain(alias, 60)} points at version {plain(version, 20)} now. Take it away there?")
            self.act.setEnabled(True)

        self._context.ask("look again", lambda desk: desk.models.show(model, uri=uri), looked, self.fail)


# Delete a version or a model: MLflow can't take that back, so its name is typed before.
class DeleteDialog(FormDialog):
    """``version`` None deletes the model with all its versions."""

    def __init__(self, parent: QWidget, context: Context, model: str, version: str | None, uses: str) -> None:
        self.named = model if version is None else f"{model}/{version}"
        what = "model with all its versions" if version is None else "version"
        about = (
            f"{plain(self.named, 120)} goes from the registry at once, and MLflow can't bring it back. "
            f"The run that made it, and its files, stay.{' ' if uses else ''}{uses}"
        )
        super().__init__(parent, f"Delete this {what}?", about, "Delete")
        self._context = context
        self._model, self._version, self._uri = model, version, context.store.models_uri
        self.typed = Field("Type its name", self.named)
        self.add("Type its name", self.typed, f"{plain(self.named, 120)}, so that it is this one that is meant")
        self.act.setEnabled(False)
        self.typed.textChanged.connect(lambda text: self.act.setEnabled(text.strip() == self.named))
        self.act.set_main(main=True)
        self.submit = self._delete

    def _delete(self) -> None:
        if self.typed.text().strip() != self.named:
            return
        model, version, uri, confirm = self._model, self._version, self._uri, self.named
        self.begin("Deleting …")
        self._context.ask(
            "delete",
            lambda desk: desk.models.delete(model, confirm, version=version, uri=uri),
            self._done,
            self.fail,
        )

    def _done(self, _model: Model) -> None:
        self._context.say("info", f"{self.named} is deleted.")
        self.accept()


# Whether the files of a version are those that were registered: each file that is not is named.
MARKS = {
    "same": Mark("ok", numbers.OK, "as registered"),
    "changed": Mark("alert", numbers.ALERT, "changed"),
    "missing": Mark("alert", numbers.ALERT, "missing"),
    "added": Mark("warning", numbers.WARNING, "added since"),
    "unknown": Mark("unknown", numbers.UNKNOWN, "not known"),
}
_GRAVE = ("changed", "missing", "added", "unknown", "same")
_SHA = 12  # chosen: digits that one compares by eye


class VerifyDialog(QDialog):
    """Reads every file, which takes its time, and says what it found."""

    def __init__(self, parent: QWidget, context: Context, model: str, version: str) -> None:
        super().__init__(parent)
        self._context = context
        self._task: Task | None = None
        self.setWindowTitle(f"Verify {plain(model, 60)} version {plain(version, 20)}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        self.says = Label("Reading every file …", bold=True, wrap=True)
        self.about = Label("", tone="muted", wrap=True)
        self.files: RecordTable[CheckedFile] = RecordTable("Files that were checked", _COLUMNS, context.memory)
        self.back = Button("Close")
        self.back.setDefault(True)
        self.back.clicked.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(*(theme.SPACE_16,) * 4)
        column.setSpacing(theme.SPACE_12)
        column.addWidget(self.says)
        column.addWidget(self.about)
        column.addWidget(self.files, 1)
        column.addLayout(answers(self.back))
        self.resize(theme.READING_WIDTH, theme.DIALOG_TALL)
        uri = context.store.models_uri
        self._task = context.ask(
            "verify", lambda desk: desk.registry.verify(model, version, uri=uri), self._show, self._fail
        )

    def reject(self) -> None:
        """Wait for no answer any more."""
        if self._task is not None:
            self._task.cancel()
        super().reject()

    def _show(self, found: "Verified") -> None:
        self._task = None
        self.files.show_records({one.path: one for one in found.files})
        said, tone = verdict(found)
        self.says.show_text(said)
        self.says.tint(tone)
        since = (
            "No hashes had been recorded, so those of now are kept: the next look compares with them."
            if found.recorded_at is None
            else f"Compared with the hashes of {numbers.absolute(found.recorded_at)}."
        )
        self.about.show_text(since)

    def _fail(self, error: DeskError) -> None:
        self._task = None
        self.says.show_text(f"{numbers.ALERT} {error.message}")
        self.says.tint("alert")
        self.about.show_text(error.hint or "")


def verdict(found: "Verified") -> tuple[str, str]:
    """Say what was found, and in which colour."""
    problem = plain(found.problem or "", 400)
    counts = {state: sum(one.state == state for one in found.files) for state in MARKS}
    bad = [state for state in ("changed", "missing", "added") if counts[state]]
    if bad:
        said = ", ".join(f"{numbers.count(counts[state], 'file is', 'files are')} {MARKS[state].word}" for state in bad)
        return f"{numbers.ALERT} Not as registered: {said}. {problem}".rstrip(), "alert"
    if problem:
        return f"{numbers.UNKNOWN} {problem}", "unknown"
    if counts["unknown"]:
        return f"{numbers.UNKNOWN} {numbers.count(counts['unknown'], 'file')} can't be compared.", "unknown"
    return f"{numbers.OK} All {numbers.count(len(found.files), 'file is', 'files are')} as registered.", "ok"


def _state(one: "CheckedFile") -> Cell:
    mark = MARKS.get(one.state, Mark("unknown", numbers.UNKNOWN, plain(one.state, 40)))
    place = _GRAVE.index(one.state) if one.state in _GRAVE else len(_GRAVE)
    tip = f"recorded {one.recorded_sha256 or 'never'}\nfound {one.found_sha256 or 'nothing'}"
    return Cell(mark.text, place, mark.token, tip)


_COLUMNS: tuple[Column["CheckedFile"], ...] = (
    Column("state", "State", _state),
    Column("path", "File", lambda one: Cell(one.path), stretch=True, fixed=True),
    Column("size", "Size", lambda one: Cell(numbers.size(one.size_bytes), one.size_bytes or -1), right=True),
    Column("sha", "sha256", lambda one: Cell((one.found_sha256 or numbers.NOTHING)[:_SHA]), fixed=True),
)


CHAMPION = "champion"


class VersionActs(QObject):
    """``changed`` tells that something was written, so that it is looked at again."""

    changed = Signal()

    def __init__(self, page: QWidget, context: Context, chosen: "Callable[[], VersionHit | None]") -> None:
        super().__init__(page)
        self._page = page
        self._context = context
        self._chosen = chosen
        self.transfer = VersionFile(page, context)
        self.transfer.imported.connect(self.changed)

    def list(self) -> list[Action]:
        """Return what can be done now."""
        return [
            Action(
                "models.alias",
                "Set an alias …",
                self.set_alias,
                when=self.is_chosen,
                also="champion promote",
                asks=True,
            ),
            Action("models.unalias", "Take an alias away …", self.take_alias_away, when=self.has_alias, asks=True),
            Action("models.deploy", "Deploy the chosen version …", self.deploy, when=self.can_deploy, asks=True),
            Action("models.tag", "Write a tag …", self.tag, when=self.is_chosen, asks=True),
            Action("models.describe", "Describe …", self.describe, when=self.is_chosen, asks=True),
            Action(
                "models.verify",
                "Verify the files",
                self.verify,
                when=self.is_chosen,
                also="hash sha256 changed",
                asks=True,
            ),
            Action(
                "models.export", "Export …", self.export, when=self.is_chosen, also="file archive take along", asks=True
            ),
            Action(
                "models.import",
                "Import a version …",
                self.transfer.ask_import,
                also="file archive bring register",
                asks=True,
            ),
            Action(
                "models.page",
                "Open MLflow's own page",
                self.open_page,
                when=self.is_own,
                also="browser web ui",
                asks=True,
            ),
            Action("models.delete", "Delete the version …", self.delete, when=self.is_chosen, asks=True),
            Action("models.delete-model", "Delete the model …", self.delete_model, when=self.is_chosen, asks=True),
        ]

    def is_chosen(self) -> bool:
        return self._chosen() is not None

    def has_alias(self) -> bool:
        """Tell whether an alias points at the chosen version."""
        hit = self._chosen()
        return hit is not None and bool(hit.aliases)

    def can_deploy(self) -> bool:
        """Tell whether endpoints can serve it: they take models of the desk's own registry, and of the default one."""
        return self.is_chosen() and self._context.store.models_uri in {None, "own"}

    def is_own(self) -> bool:
        """Tell whether the desk's own registry is looked at, whose page it lets a browser in at."""
        return is_own(self._context.store.models_uri, self._context.store.registry.value)

    def fill(self, menu: QMenu) -> None:
        """Put what can be done into a menu."""
        for action in self.list():
            if is_offered(action, self._context.store):
                menu.addAction(menu_text(action.title)).triggered.connect(action.runner())

    def set_alias(self) -> None:
        hit = self._chosen()
        if hit is not None:
            self.ask_alias(hit.name, CHAMPION, hit.version)

    def ask_alias(self, model: str, alias: str, version: str) -> AliasDialog:
        """Open the dialog that says what an alias brings."""
        dialog = AliasDialog(self._page, self._context, model, version, self._context.store.models_uri, alias)
        dialog.accepted.connect(self.changed)
        dialog.open()
        return dialog

    def take_alias_away(self) -> None:
        hit = self._chosen()
        if hit is not None and hit.aliases:
            card = loads.cards(self._context.store).get(hit.name)
            self._open(AliasRemovalDialog(self._page, self._context, hit, {} if card is None else card.endpoints))

    def export(self) -> None:
        hit = self._chosen()
        if hit is not None:
            self.transfer.ask_export(hit)

    def roll_back(self, model: str, alias: str, expected: str) -> None:
        """Put an alias back to the version before, at once; Undo stands in the notice."""
        uri = self._context.store.models_uri

        def done(now: "Model") -> None:
            version = now.aliases.get(alias, "nothing")
            offer_undo(self._context, f"{model}@{alias} is version {version} again.", now.undo)
            self.changed.emit()

        self._context.ask(
            "roll back", lambda desk: desk.models.rollback(model, alias, uri=uri, expected=expected), done
        )

    def deploy(self) -> None:
        hit = self._chosen()
        if hit is not None:
            self._context.act("endpoints.deploy", self._context, f"{hit.name}/{hit.version}")

    def tag(self) -> None:
        hit = self._chosen()
        if hit is not None:
            self._open(TagDialog(self._page, self._context, hit))

    def describe(self) -> None:
        hit = self._chosen()
        if hit is not None:
            card = loads.cards(self._context.store).get(hit.name)
            self._open(DescribeDialog(self._page, self._context, hit, card.description if card else None))

    def _open(self, dialog: FormDialog) -> None:
        dialog.accepted.connect(self.changed)
        dialog.open()

    def open_page(self) -> None:
        """Open MLflow's own page, at the run of the chosen version: by an address that is good once."""
        hit = self._chosen()
        run_id = "" if hit is None else hit.run_id or ""

        def let_in(visit: "PageVisit") -> None:
            QDesktopServices.openUrl(QUrl(visit.address))
            if visit.text:
                self._context.say("warning", visit.text)

        self._context.ask("MLflow's page", lambda desk: desk.registry.page(run_id), let_in)

    def verify(self) -> None:
        hit = self._chosen()
        if hit is not None:
            VerifyDialog(self._page, self._context, hit.name, hit.version).open()

    def delete(self) -> None:
        hit = self._chosen()
        if hit is not None:
            uses = f"It is refused while {', '.join(map(plain, hit.aliases))} points at it." if hit.aliases else ""
            self._open(DeleteDialog(self._page, self._context, hit.name, hit.version, uses))

    def delete_model(self) -> None:
        hit = self._chosen()
        card = None if hit is None else loads.cards(self._context.store).get(hit.name)
        if hit is not None:
            count = "" if card is None else f"It has {numbers.count(card.n_versions, 'version')}."
            self._open(DeleteDialog(self._page, self._context, hit.name, None, count))
