"""Take an alias away: who names it finds nothing then. Undo stands in the notice, and the history keeps the move."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import DeskError, Refused
from mlops_desk.base.text import plain
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.models.alias import words
from mlops_desk.ui.parts.undoing import offer_undo
from mlops_desk.ui.widgets.choice import ChoiceBox
from mlops_desk.ui.widgets.form import FormDialog

if TYPE_CHECKING:
    from mlops_desk.records.model import Model
    from mlops_desk.records.registry.version_hit import VersionHit


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
