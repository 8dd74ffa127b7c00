"""What can be done with the chosen version: as buttons above its detail, in the menu of its row, and in the palette."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QMenu, QWidget

from mlops_desk.base.text import plain
from mlops_desk.ui.actions import Action
from mlops_desk.ui.live.away import is_offered
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look.text import menu_text
from mlops_desk.ui.models import loads
from mlops_desk.ui.models.acts.labels import DescribeDialog, TagDialog
from mlops_desk.ui.models.acts.remove import DeleteDialog
from mlops_desk.ui.models.acts.transfer import VersionFile
from mlops_desk.ui.models.acts.verify import VerifyDialog
from mlops_desk.ui.models.alias.dialog import AliasDialog
from mlops_desk.ui.models.alias.removal import AliasRemovalDialog
from mlops_desk.ui.models.registries import is_own
from mlops_desk.ui.parts.undoing import offer_undo
from mlops_desk.ui.widgets.form import FormDialog
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_desk.records.model import Model
    from mlops_desk.records.registry.page import PageVisit
    from mlops_desk.records.registry.version_hit import VersionHit

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
