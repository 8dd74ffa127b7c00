"""What is measured beside the chosen endpoint's traffic: a replay of logged requests, or variants of its version."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QStackedWidget

from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.ui.endpoints.detail.view import EndpointView
from mlops_desk.ui.endpoints.measuring.replay import ReplayPanel
from mlops_desk.ui.endpoints.measuring.variants import VariantsPanel
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.widgets.tabs import Tabs

_REPLAY, _VARIANTS = "replay", "variants"


class MeasureView(EndpointView):
    """What is under way goes on when another tab, or another endpoint, is looked at."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.ways = Tabs("What is measured", ((_REPLAY, "Replay"), (_VARIANTS, "Variants")))
        self.replay, self.variants = ReplayPanel(context), VariantsPanel(context)
        self._layers = QStackedWidget()
        self._layers.addWidget(self.replay)
        self._layers.addWidget(self.variants)
        self.column.addWidget(self.ways, 0, Qt.AlignmentFlag.AlignLeft)
        self.column.addWidget(self._layers, 1)
        self.ways.chosen.connect(lambda way: self._layers.setCurrentIndex(0 if way == _REPLAY else 1))
        self.ways.choose(_REPLAY)

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        self.replay.show_endpoint(endpoint)
        self.variants.show_endpoint(endpoint)
