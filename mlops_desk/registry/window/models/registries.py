"""Which registry is looked at: the kept ones by name, any other by its address; and how the desk's own server is."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.kit.window.words import numbers

if TYPE_CHECKING:
    from mlops_desk.registry.records.model import Registry
    from mlops_desk.registry.records.tracker import Tracker

OWN = "own"
"""The verbs' word for the desk's own registry where another one is the default."""
_OTHER, _MANAGE = "\x00other", "\x00manage"  # no registry is called so


class RegistryChoice(QWidget):
    """``changed`` tells that another registry is looked at: ``Store.models_uri`` is it."""

    changed = Signal()
    start = Signal()

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._trackers: list[Tracker] = []
        self.box = ChoiceBox("Registry")
        self.box.setMinimumWidth(theme.COLUMN_MINIMUM)
        self.box.activated.connect(self._activated)
        self.says = Label(points=theme.CAPTION_POINTS)
        self.start_server = Button("Start the tracking server", asks=True)
        self.start_server.clicked.connect(self.start)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.box)
        row.addWidget(self.says)
        row.addWidget(self.start_server)
        self._fill()

    def look(self) -> None:
        """Ask which registries are kept."""
        self._context.ask("registries", lambda desk: desk.registry.list(), self._take, self._keep)

    def _take(self, trackers: "list[Tracker]") -> None:
        self._trackers = trackers
        self._fill()

    def _keep(self, _error: DeskError) -> None:
        """Stay with what is known: the desk's own is always there, and the page says why it can't be shown."""
        self._fill()

    def _fill(self) -> None:
        chosen = self._context.store.models_uri
        self.box.clear()
        for one in self._trackers:
            title = plain(one.name, 40) + (" (default)" if one.is_default and len(self._trackers) > 1 else "")
            self.box.addItem(f"{numbers.ALERT} {title}" if one.problem else title, word(one))
        if not self._trackers:
            self.box.addItem("This desk's own", None)
        if self.box.findData(chosen) < 0 and chosen is not None:
            self.box.addItem(plain(chosen, 60), chosen)
        self.box.addItem("Another address …", _OTHER)
        self.box.addItem("Manage registries …", _MANAGE)
        self._show_chosen()

    def _show_chosen(self) -> None:
        # Qt does not find None among what it holds: the default one is the first whose word is none.
        wanted = self._context.store.models_uri
        places = [place for place in range(self.box.count()) if self.box.itemData(place) == wanted]
        self.box.setCurrentIndex(places[0] if places else 0)

    def _activated(self, place: int) -> None:
        word_of = self.box.itemData(place)
        if word_of == _OTHER:
            self._show_chosen()
            self.ask_address()
        elif word_of == _MANAGE:
            self._show_chosen()
            self._context.open_page("settings", "registries")
        else:
            self.choose(word_of)

    def choose(self, uri: str | None) -> None:
        """Look at another registry."""
        if uri != self._context.store.models_uri:
            self._context.store.models_uri = uri
            self._fill()
            self.changed.emit()

    def ask_address(self) -> "AddressDialog":
        dialog = AddressDialog(self.window())
        dialog.given.connect(self.choose)
        dialog.open()
        return dialog

    def show_server(
        self, registry: "Registry | None", *, is_told_below: bool = False, is_offered_below: bool = False
    ) -> None:
        """Say how the desk's own server is, where that is what is looked at.

        What the page itself tells (why a registry can't be shown) or offers (a start) is not here a second time.
        """
        own = is_own(self._context.store.models_uri, registry)
        state = registry.state if registry is not None else "unknown"
        self.start_server.setVisible(own and state in {"stopped", "failed"} and not is_offered_below)
        tone, shape = {"running": ("ok", numbers.OK), "failed": ("alert", numbers.ALERT)}.get(
            state, ("muted", numbers.IDLE)
        )
        problem = next((one.problem for one in self._trackers if word(one) == self._context.store.models_uri), None)
        if own:
            self.says.show_text(f"{shape} own server {state}")
            self.says.tint(tone)
        else:
            self.says.show_text(f"{numbers.ALERT} {plain(problem, 60)}" if problem else "")
            self.says.tint("alert")
        self.says.setVisible(own or (bool(problem) and not is_told_below))


def word(tracker: "Tracker") -> str | None:
    """Return what verbs are told to look at a registry: nothing for the default one."""
    if tracker.is_default:
        return None
    return OWN if tracker.kind == OWN else tracker.name


def is_own(uri: str | None, registry: "Registry | None") -> bool:
    """Tell whether the desk's own registry is looked at."""
    return uri == OWN or (uri is None and (registry is None or registry.default_uri is None))


class AddressDialog(FormDialog):
    """``given`` carries the address; it is not kept."""

    given = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        about = "Look at a registry once. To keep it in the list, with its login, add it in Settings."
        super().__init__(parent, "Another registry", about, "Look")
        self.uri = Field("Address", "http://…, sqlite:////path/mlflow.db, postgresql://… or a folder mlruns")
        self.add("Address", self.uri)
        self.submit = self._give

    def _give(self) -> None:
        uri = self.uri.text().strip()
        if not uri:
            self.fail(Invalid("An address is missing.", "Type one, such as http://mlflow:5000."))
            return
        self.given.emit(uri)
        self.accept()
