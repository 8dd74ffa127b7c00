"""Whether the endpoint follows an alias or is pinned: how it is, what a change of it will do, and the change."""

from collections.abc import Mapping

from PySide6.QtCore import Signal

from mlops_desk.base.text import plain
from mlops_desk.records.model import Model
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.ui.endpoints import standing
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.choice import ChoiceBox

CANARY_PERCENT = 5.0  # chosen: the first step of a rollout
_STARTS = (("At once, when it answers", None), ("As a canary, with 5 % of the requests", CANARY_PERCENT))


class VersionCard(Card):
    """``followed`` carries the alias (None: pinned) and the percent of requests that a new version begins with."""

    followed = Signal(object, object)

    def __init__(self) -> None:
        super().__init__("Version")
        self.says = Label(wrap=True)
        self.alias = ChoiceBox("What it goes with")
        self.start = ChoiceBox("How what the alias names takes over")
        for title, percent in _STARTS:
            self.start.addItem(title, percent)
        self.will = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self.apply = Button("Apply", main=True, asks=True)
        for widget in (self.says, self.alias, self.start, self.will, self.apply):
            self.column.addWidget(widget)
        self.column.addStretch(1)
        self._endpoint: Endpoint | None = None
        self._models: Mapping[str, Model] = {}
        self._was: tuple[object, ...] = ()
        self.alias.currentIndexChanged.connect(lambda _index: self._tell())
        self.start.currentIndexChanged.connect(lambda _index: self._tell())
        self.apply.clicked.connect(lambda: self.followed.emit(self.alias.currentData(), self._percent()))

    def show_endpoint(self, endpoint: Endpoint, models: Mapping[str, Model]) -> None:
        """Show how it is; what somebody has chosen and not applied stays, as long as what it changes is the same."""
        self._endpoint, self._models = endpoint, models
        self.says.show_text(standing.follows_told(endpoint))
        known = models.get(endpoint.model.name)
        offered = sorted(
            {*(known.aliases if known is not None else ()), *([endpoint.follows] if endpoint.follows else [])}
        )
        percent = endpoint.following.canary_percent if endpoint.following is not None else None
        now = (endpoint.name, endpoint.follows, percent, *offered)
        if now != self._was:
            self._was = now
            self._offer(offered, endpoint.follows, percent)
        self._tell()

    def _offer(self, aliases: list[str], alias: str | None, percent: float | None) -> None:
        blocked = self.alias.blockSignals(True)
        self.alias.clear()
        self.alias.addItem("Pinned to its version", None)
        for name in aliases:
            self.alias.addItem(plain(f"Follow @{name}", 80), name)
        self.alias.setCurrentIndex(max(0, self.alias.findData(alias)))
        self.alias.blockSignals(blocked)
        self.start.setItemText(1, f"As a canary, with {percent or CANARY_PERCENT:g} % of the requests")
        self.start.setCurrentIndex(0 if percent is None else 1)

    def _percent(self) -> float | None:
        """Return the share that a new version begins with; one that was set elsewhere stays as it is."""
        chosen: float | None = self.start.currentData()
        following = self._endpoint.following if self._endpoint is not None else None
        if chosen is None or following is None or following.canary_percent is None:
            return chosen
        return following.canary_percent

    def _tell(self) -> None:
        endpoint = self._endpoint
        if endpoint is None:
            return
        alias, percent = self.alias.currentData(), self._percent()
        is_image = endpoint.runtime == "image"
        self.alias.setEnabled(not is_image)
        self.start.setVisible(alias is not None)
        was = endpoint.following.canary_percent if endpoint.following is not None else None
        is_other = not is_image and (alias, percent if alias else None) != (endpoint.follows, was)
        told = "It serves an image, which has no aliases." if is_image else ""
        self.will.show_text(standing.following_will(endpoint, alias, percent, self._models) if is_other else told)
        self.apply.setEnabled(is_other)
