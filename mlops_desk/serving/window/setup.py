"""How the chosen endpoint is set up, and how that is changed.

Which GPUs the endpoint has, and the truce: lending them to jobs, and asking for them back.

How many replicas answer, and after how long without a request they end: how it is, and how it is changed.

Whether the endpoint follows an alias or is pinned: how it is, what a change of it will do, and the change.
"""

from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout

from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, set_tip
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.field import NumberField
from mlops_desk.kit.window.words import numbers
from mlops_desk.machine.records.status import Status
from mlops_desk.registry.records.model import Model
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState
from mlops_desk.serving.window import status_text

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
        told, tone = status_text.gpus_told(endpoint, status, jobs)
        self.says.show_text(told)
        self.says.tint(tone)
        is_lent = endpoint.lent is not None
        self.claim.setVisible(is_lent)
        self.lend.setVisible(not is_lent)
        has_some = any(replica.gpus for replica in endpoint.replicas)
        self.lend.setEnabled(has_some and endpoint.state is EndpointState.LIVE and endpoint.rollout is None)
        self.about.setVisible(is_lent or has_some)


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
        self.will.show_text(status_text.scale_will(endpoint, least, most, sleep_after) if is_other else "")
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
        self.says.show_text(status_text.follows_told(endpoint))
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
        self.will.show_text(status_text.following_will(endpoint, alias, percent, self._models) if is_other else told)
        self.apply.setEnabled(is_other)
