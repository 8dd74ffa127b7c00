"""When each question to a GPU is asked again, and what to leave out when the asking costs too much.

More than 0.5 % of the time inside the driver, for 5 s on end, is too much: the costliest question is then asked a
quarter as often, and so on, until it is little enough; after a quiet minute the pauses shrink again. Pure: the clock is
handed in.
"""

from collections import deque
from dataclasses import dataclass, field

BUDGET = 0.005  # of the time: monitors that took more were noticed in frame rates and as load of a core
_ON_END_SECONDS = 5.0  # chosen: a driver that is held up for a moment costs nobody anything
_QUIET_SECONDS = 60.0  # chosen: slow to come back, so that it does not swing
_MOST_STRETCH = 64  # three steps: what is asked each second is asked each minute
_STEP = 4  # chosen: a quarter as often is felt at once
_REST_SHARE = 0.25  # chosen: without the slowest call a quarter of what is allowed is no burden
_SETTLE_SECONDS = 5.0  # chosen: the first tick asks everything
_SHORTEST_SECONDS = 1.0  # chosen: a second, the usual tick's length
_EARLY_SECONDS = 0.1
"""A tick that comes a little early still counts as the one a question is due in."""


@dataclass(slots=True)
class QuestionLane:
    """A question: its title for a person, its normal pause, and what it cost: of late, and the latest time.

    ``most_stretch`` is how many times its pause it may wait for, however dear it is.
    """

    title: str
    seconds: float
    due: float = 0.0
    stretch: int = 1
    cost: float = 0.0
    latest: float = 0.0
    most_stretch: int = _MOST_STRETCH

    @property
    def pause(self) -> float:
        """Return how long an answer holds now."""
        if self.stretch == 1:
            return self.seconds
        return max(self.seconds, _SHORTEST_SECONDS) * self.stretch

    def spend(self, seconds: float) -> None:
        """Note that asking once took so many seconds inside the driver."""
        self.cost += seconds
        self.latest = seconds

    @property
    def may_shrink(self) -> bool:
        """Say whether asking more often would still be cheap, as far as the latest time tells."""
        often = max(self.seconds, _SHORTEST_SECONDS) * self.stretch / _STEP
        return self.stretch > 1 and self.latest / often <= BUDGET

    def ask_again(self, now: float, pause: float | None = None) -> None:
        """Ask again after the pause, or after ``pause`` if that is longer."""
        seconds = self.pause if pause is None else max(pause, self.pause)
        self.due = now + seconds - _EARLY_SECONDS if seconds else now


@dataclass(slots=True)
class Budget:
    """Watches what the questions to one GPU cost; the first seconds, when everything is asked, do not count."""

    lanes: list[QuestionLane] = field(default_factory=list)
    _ticks: deque[tuple[float, float]] = field(default_factory=deque)
    _begin: float | None = None
    _since: float = 0.0
    _quiet_since: float = 0.0

    def count(self, now: float, spent: float) -> None:
        """Note that a tick at ``now`` spent so many seconds inside the driver, and react."""
        if self._begin is None:
            self._begin = self._since = self._quiet_since = now + _SETTLE_SECONDS
        if now < self._begin:
            return
        self._ticks.append((now, spent))
        while now - self._ticks[0][0] >= _ON_END_SECONDS:
            self._ticks.popleft()
        if self._is_too_much():
            self._quiet_since = now
            if now - self._since >= _ON_END_SECONDS:
                self._since = now
                self._ticks.clear()
                self._stretch()
        elif now - self._quiet_since >= _QUIET_SECONDS:
            self._quiet_since = now
            self._forget_costs()
            self._shrink()

    def _is_too_much(self) -> bool:
        """Say whether the last seconds cost too much; one slow call among quick ones does not count."""
        costs = [spent for _, spent in self._ticks]
        allowed = BUDGET * _ON_END_SECONDS
        return sum(costs) > allowed and sum(costs) - max(costs) > allowed * _REST_SHARE

    def note(self) -> str | None:
        """Say which questions are asked less often, or None."""
        slow = {lane.title: lane.pause for lane in self.lanes if lane.stretch > 1}
        if not slow:
            return None
        listed = ", ".join(f"{title} every {pause:g} s" for title, pause in slow.items())
        return f"The driver answers slowly; to disturb the GPU less, some of it is read less often: {listed}."

    def _stretch(self) -> None:
        able = [lane for lane in self.lanes if lane.stretch < lane.most_stretch]
        if able:
            costliest = max(able, key=lambda lane: lane.cost)
            costliest.stretch *= _STEP
            self._forget_costs()

    def _forget_costs(self) -> None:
        for lane in self.lanes:
            lane.cost = 0.0

    def _shrink(self) -> None:
        """Ask one question more often again; one that is costly though it is rare already becomes rarer."""
        for lane in self.lanes:
            if 1 < lane.stretch < lane.most_stretch and lane.latest / lane.pause > BUDGET:
                lane.stretch *= _STEP
                return
        slow = [lane for lane in self.lanes if lane.may_shrink]
        if slow:
            min(slow, key=lambda lane: lane.stretch).stretch //= _STEP
