"""How many replicas answer, and after how long without a request they end: how it is, and how it is changed."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout

from mlops_desk.records.serving.endpoint import Endpoint, EndpointState
from mlops_desk.ui.endpoints import standing
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label, set_tip
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.choice import ChoiceBox
from mlops_desk.ui.widgets.field import NumberField
from mlops_desk.ui.words import numbers

MOST = 64  # as many as the agent lets one have
_HOUR = 3600.0
SLEEPS = (None, 600.0, 1800.0, _HOUR, 8 * _HOUR)
"""Chosen: a coffee, a meeting, a lunch and a night; another time is set by the command line, and stays."""


class ReplicasCard(Card):
    """``scaled`` carries the least and the most, and the seconds until it sleeps (0: never)."""

    scaled = Signal(int, int, float)
    slept = Signal()
    woken = Signal()

    def __init__(self) -> None:
        super().__init__("Replicas and sleep")
        self.says = Label(wrap=True)
        self.short = Label(wrap=True, tone="warning")
        self.least = NumberField("At least so many replicas", 1, MOST)
        self.most = NumberField("At most so many replicas", 1, MOST)
        self.sleep_after = ChoiceBox("When it sleeps")
        self.will = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self.apply = Button("Apply", main=True, asks=True)
        self.sleep = Button(
            "Sleep now", tip="End its containers once they have answered; the next request wakes it", asks=True
        )
        self.wake = Button("Wake", tip="Start its containers without waiting for a request", asks=True)
        self._endpoint: Endpoint | None = None
        self._was: tuple[object, ...] = ()
        self._arrange()
        for counter in (self.least, self.most):
            counter.valueChanged.connect(lambda _value: self._tell())
        self.sleep_after.currentIndexChanged.connect(lambda _index: self._tell())
        self.apply.clicked.connect(self._apply)
        self.sleep.clicked.connect(self.slept)
        self.wake.clicked.connect(self.woken)

    def _arrange(self) -> None:
        between = QHBoxLayout()
        for widget in (Label("From"), self.least, Label("to"), self.most):
            between.addWidget(widget)
        between.addStretch(1)
        acts = QHBoxLayout()
        for button in (self.apply, self.sleep, self.wake):
            acts.addWidget(button)
        acts.addStretch(1)
        self.column.addWidget(self.says)
        self.column.addWidget(self.short)
        self.column.addLayout(between)
        self.column.addWidget(self.sleep_after)
        self.column.addWidget(self.will)
        self.column.addLayout(acts)
        self.column.addStretch(1)

    def show_endpoint(self, endpoint: Endpoint) -> None:
        """Show how it is; what somebody has set and not applied stays, as long as what it changes is the same."""
        self._endpoint = endpoint
        scale = endpoint.scale
        self.says.show_text(_now(endpoint))
        set_tip(self.says, "" if endpoint.asleep_since is None else f"Since {numbers.absolute(endpoint.asleep_since)}")
        self.short.setVisible(endpoint.shortage is not None)
        self.short.show_text("" if endpoint.shortage is None else f"{numbers.WARNING} {endpoint.shortage.text}")
        now = (endpoint.name, scale)
        if now != self._was:
            self._was = now
            self._offer(scale.sleep_after_seconds)
            self.least.setValue(scale.least)
            self.most.setValue(scale.most)
        is_asleep = endpoint.state is EndpointState.ASLEEP
        self.sleep.setVisible(not is_asleep)
        self.sleep.setEnabled(endpoint.state is EndpointState.LIVE and endpoint.rollout is None)
        self.wake.setVisible(is_asleep)
        self.wake.setEnabled(endpoint.lent is None)
        self._tell()

    def _offer(self, seconds: float | None) -> None:
        blocked = self.sleep_after.blockSignals(True)
        self.sleep_after.clear()
        for one in (*SLEEPS, *([] if seconds in SLEEPS else [seconds])):
            title = "Never sleeps" if one is None else f"Sleeps after {numbers.duration(one)} without a request"
            self.sleep_after.addItem(title, one)
        self.sleep_after.setCurrentIndex(self.sleep_after.findData(seconds) if seconds is not None else 0)
        self.sleep_after.blockSignals(blocked)

    def _wish(self) -> tuple[int, int, float | None]:
        return self.least.value(), max(self.least.value(), self.most.value()), self.sleep_after.currentData()

    def _tell(self) -> None:
        endpoint = self._endpoint
        if endpoint is None:
            return
        least, most, sleep_after = self._wish()
        scale = endpoint.scale
        is_other = (least, most, sleep_after) != (scale.least, scale.most, scale.sleep_after_seconds)
        self.will.show_text(standing.scale_will(endpoint, least, most, sleep_after) if is_other else "")
        self.apply.setEnabled(is_other)

    def _apply(self) -> None:
        least, most, sleep_after = self._wish()
        self.scaled.emit(least, most, sleep_after or 0.0)


def _now(endpoint: Endpoint) -> str:
    if endpoint.state is EndpointState.ASLEEP:
        began = "Asleep" if endpoint.asleep_since is None else f"It fell asleep {numbers.ago(endpoint.asleep_since)}"
        why = "it has lent its GPUs" if endpoint.lent is not None else "the next request wakes it"
        return f"{began}: {why}."
    if endpoint.state in {EndpointState.STOPPED, EndpointState.FAILED}:
        return f"It is {endpoint.state}: a new revision brings it up."
    queued = "" if not endpoint.queued else f"; {numbers.count(endpoint.queued, 'request')} wait"
    return f"{endpoint.ready} of {endpoint.wanted} ready{queued}."
