"""The tab in which the chosen endpoint is set up: the version it goes with, its replicas and sleep, its GPUs."""

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QWidget

from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.ui.endpoints.acts import EndpointActs
from mlops_desk.ui.endpoints.detail.view import EndpointView
from mlops_desk.ui.endpoints.setup.gpus import GpusCard
from mlops_desk.ui.endpoints.setup.replicas import ReplicasCard
from mlops_desk.ui.endpoints.setup.version import VersionCard
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.widgets.scroll import scrolled

_BESIDE_WIDTH = 3 * 290  # pixels: a card narrower than that breaks its sentences into bits


class SetupView(EndpointView):
    """Three cards, beside one another where there is room. What is changed is shown once the agent has announced it."""

    def __init__(self, context: Context, acts: EndpointActs) -> None:
        super().__init__(context)
        self.version, self.replicas, self.gpus = VersionCard(), ReplicasCard(), GpusCard()
        self._acts = acts
        self._inner = QWidget()
        self._row = QBoxLayout(QBoxLayout.Direction.LeftToRight, self._inner)
        self._row.setContentsMargins(0, 0, theme.SPACE_8, 0)
        self._row.setSpacing(theme.SPACE_8)
        for card in (self.version, self.replicas, self.gpus):
            self._row.addWidget(card, 1)
        self.column.addWidget(scrolled(self._inner, "How the endpoint is set up"), 1)
        self.version.followed.connect(acts.follow)
        self.replicas.scaled.connect(acts.scale)
        self.replicas.slept.connect(acts.put_to_sleep)
        self.replicas.woken.connect(acts.wake)
        self.gpus.lent.connect(acts.ask_to_lend)
        self.gpus.claimed.connect(acts.claim)
        self.gpus.changed.connect(acts.deploy_again)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the cards below one another where they are too narrow side by side."""
        super().resizeEvent(event)
        is_wide = self.width() >= _BESIDE_WIDTH
        self._row.setDirection(QBoxLayout.Direction.LeftToRight if is_wide else QBoxLayout.Direction.TopToBottom)

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        self._inner.setEnabled(endpoint is not None)
        if endpoint is None:
            return
        store = self.context.store
        self.version.show_endpoint(endpoint, (store.models.value or {}) if store.models_uri is None else {})
        self.replicas.show_endpoint(endpoint)
        self.gpus.show_endpoint(endpoint, store.status, store.jobs.value or {})
