"""Which GPUs the endpoint has, and the truce: lending them to jobs, and asking for them back."""

from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout

from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.records.serving.endpoint import Endpoint, EndpointState
from mlops_desk.records.status import Status
from mlops_desk.ui.endpoints import standing
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card

_ABOUT_LENDING = (
    "Lent, its containers end and jobs may have its GPUs; no request wakes it. Asked for them back, a job that is "
    "preemptible saves its work and goes on later; for any other the endpoint waits."
)


class GpusCard(Card):
    """``lent`` and ``claimed`` tell what is wanted, ``changed`` that another number of GPUs is."""

    lent = Signal()
    claimed = Signal()
    changed = Signal()

    def __init__(self) -> None:
        super().__init__("GPUs")
        self.says = Label(wrap=True)
        self.about = Label(_ABOUT_LENDING, points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self.lend = Button("Lend to jobs …", asks=True)
        self.claim = Button("Ask for them back", main=True, asks=True)
        self.change = Button("Other GPUs …", tip="Deploy a new revision with another number of GPUs", asks=True)
        acts = QHBoxLayout()
        for button in (self.lend, self.claim, self.change):
            acts.addWidget(button)
        acts.addStretch(1)
        self.column.addWidget(self.says)
        self.column.addWidget(self.about)
        self.column.addLayout(acts)
        self.column.addStretch(1)
        self.lend.clicked.connect(self.lent)
        self.claim.clicked.connect(self.claimed)
        self.change.clicked.connect(self.changed)

    def show_endpoint(self, endpoint: Endpoint, status: Status | None, jobs: Mapping[str, JobBrief]) -> None:
        """Show what it has, and has lent to whom."""
        told, tone = standing.gpus_told(endpoint, status, jobs)
        self.says.show_text(told)
        self.says.tint(tone)
        is_lent = endpoint.lent is not None
        self.claim.setVisible(is_lent)
        self.lend.setVisible(not is_lent)
        has_some = any(replica.gpus for replica in endpoint.replicas)
        self.lend.setEnabled(has_some and endpoint.state is EndpointState.LIVE and endpoint.rollout is None)
        self.about.setVisible(is_lent or has_some)
