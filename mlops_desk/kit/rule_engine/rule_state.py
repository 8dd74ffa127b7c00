"""One rule and one thing: how it stands, and how a look changes that. Pure.

What lasts begins once and fires once for that, however long it goes on; it has to end before it can begin again. A
moment fires where it makes the difference. What is held back waits, and fires when it may, if it holds then.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from mlops_desk.automation.records.rule_state import RuleClock, RuleStanding
from mlops_desk.kit.base.hysteresis import Condition, CounterGrowth, Holding, step
from mlops_desk.kit.rule_engine.plan import RulePlan, Truth, Value


class RuleSpot:
    """``holds`` is what lasts of its condition, as the last look found it.

    ``turned`` is the place of the part that has come to hold last, as far as somebody looked since the agent began.
    ``looked_at`` is the uptime of the last look at it, ``facts`` has what each part looks at: class and thing.
    ``numbers`` are what the parts were judged by: of a counter its growth, of what is averaged its mean.
    """

    __slots__ = (
        "_grown", "_growth", "_whole", "due", "facts", "fired", "fired_at", "holds", "looked_at", "numbers", "parts",
        "pending", "plan", "ready", "subject", "turned",
    )  # fmt: skip

    def __init__(self, plan: RulePlan, subject: str, standing: RuleStanding | None = None) -> None:
        self.plan = plan
        self.subject = subject
        self.facts = [
            None if part.fact is None else (part.fact, subject if part.of is None else part.of) for part in plan.parts
        ]
        known = standing if standing is not None and len(standing.parts) == len(plan.parts) else None
        kept = RuleStanding((Holding(),) * len(plan.parts)) if known is None else known
        self.parts: Sequence[Holding] = [_unseen(part) for part in kept.parts]
        self._growth: dict[int, CounterGrowth] = {}
        self._grown = kept.grown
        self.numbers: list[float | None] = [None] * len(plan.parts)
        self._whole = _unseen(kept.whole)
        self.due = kept.due
        self.pending = kept.pending
        self.fired = kept.fired if standing is None else standing.fired
        self.fired_at = kept.fired_at if standing is None else standing.fired_at
        self.looked_at: float | None = None
        self.ready = False
        self.holds: Truth = None
        self.turned: int | None = None

    def standing(self) -> RuleStanding:
        grown = tuple(map(self._grown_by, range(len(self.plan.parts)))) if self._growth or self._grown else ()
        return RuleStanding(tuple(self.parts), self._whole, self.due, self.pending, self.fired, self.fired_at, grown)

    @property
    def rests_on(self) -> set[tuple[str, str]]:
        """The facts that it looks at, each once."""
        return {fact for fact in self.facts if fact is not None}

    @property
    def mark(self) -> tuple[object, ...]:
        """What of the standing must be stored before anything is done for it: all but how far a duration has come."""
        return tuple(part.on for part in self.parts), self._whole.on, self.due, self.pending, self.fired

    @property
    def cause(self) -> int | None:
        """The place of the part by which it is ready."""
        return self.pending[0] if self.pending else self.turned

    @property
    def is_restless(self) -> bool:
        """Tell whether the next look may find something else though no fact changes."""
        held = any(part.parts or part.counting for part in (*self.parts, self._whole))
        grows = any(growth.steps for growth in self._growth.values())
        return held or self.due or bool(self.pending) or grows or self._has_mean

    @property
    def _has_mean(self) -> bool:
        """Whether a mean is followed, which would lack the time in which nothing changes."""
        return any(part.on for part in self.parts) and self.plan.averages

    @property
    def is_calm(self) -> bool:
        """Tell whether it holds for nothing, and comes to nothing by itself."""
        return not self.is_restless and not any(part.on for part in (*self.parts, self._whole))

    @property
    def is_blank(self) -> bool:
        """Tell whether nothing would be lost by forgetting it."""
        return not self.fired and self.is_calm

    def look(self, values: Sequence[Value], moments: Collection[int], now: float, before: float | None) -> None:
        """Take in the values of the parts, and the moments (by their place) that came. ``ready`` tells of a firing.

        ``before`` is the uptime of the engine's look before this one: until then nothing was another.
        """
        if before is not None and self.looked_at != before:
            self.parts = [_seen(part, before) for part in self.parts]
            self._whole = _seen(self._whole, before)
        self.looked_at = now
        truths = self._step(values, now)
        lasting = self.holds = self.plan.judge(truths)
        was_on = self._whole.on
        self._whole = step(self.plan.whole, self._whole, None if lasting is None else float(lasting), now)
        self.due = self._whole.on and (self.due or not was_on)
        self.ready = self.due and lasting is True
        if self.plan.has_moments:
            self.ready = self._take_moments(truths, lasting, moments) or self.ready

    def fire(self, clock: RuleClock) -> None:
        """Note that it fires now."""
        self.due, self.pending, self.ready = False, (), False
        self.fired += 1
        self.fired_at = clock

    def let_go(self, why: str) -> None:
        """Forget the moments that do not wait for what holds it back."""
        self.pending = tuple(index for index in self.pending if self.plan.parts[index].waits_for(why))

    def _step(self, values: Sequence[Value], now: float) -> list[Truth]:
        truths: list[Truth] = []
        after = []
        for place, (part, value, holding) in enumerate(zip(self.plan.parts, values, self.parts, strict=True)):
            if part.condition is None:
                after.append(holding)
                truths.append(False)
                continue
            number = part.number(value)
            if part.grown_over is not None and number is not None:
                growth = self._growth.get(place)
                if growth is None:
                    growth = self._growth[place] = self._begun(place, number, now)
                number = growth.add(number, now, part.grown_over)
            stands = step(part.condition, holding, number, now)
            self.numbers[place] = _said(part.condition, holding, stands, number)
            after.append(stands)
            if stands.on and not holding.on:
                self.turned = place
            truths.append(None if number is None else stands.on)
        self.parts = after
        return truths

    def _begun(self, place: int, number: float, now: float) -> CounterGrowth:
        """Begin to follow a counter; what it grew while another agent looked is no less for a restart."""
        grown = self._grown[place] if place < len(self._grown) else 0.0
        return CounterGrowth(number, [(now, grown)] if grown else [])

    def _grown_by(self, place: int) -> float:
        """Return by how much a counter grew, where its part holds by that."""
        growth = self._growth.get(place)
        if not self.parts[place].on:
            return 0.0
        if growth is None:
            return self._grown[place] if place < len(self._grown) else 0.0
        return sum(amount for _, amount in growth.steps)

    def _take_moments(self, truths: Sequence[Truth], lasting: Truth, moments: Iterable[int]) -> bool:
        """Tell whether a moment that came, or one that waits, makes the rule hold."""
        came = tuple(sorted({*self.pending, *moments}))
        if not came or lasting is True:
            self.pending = ()
            return False
        holds = self.plan.judge([truth or index in came for index, truth in enumerate(truths)])
        if holds is None and self.pending:
            return False  # what waits already goes on waiting; a moment of which nobody could tell is over
        self.pending = came if holds is True else ()
        return holds is True


def _said(condition: Condition, before: Holding, after: Holding, number: float | None) -> float | None:
    """Return what there is to say of a part: of a share of time the moment says little."""
    if number is None or not condition.averaged:
        return number
    mean = after.mean if after.on and before.on else before.mean
    return number if mean is None else mean


def _unseen(holding: Holding) -> Holding:
    """Return what was stored: nobody looked since, and the uptime may be another boot's."""
    return replace(holding, seen_at=None)


def _seen(holding: Holding, at: float) -> Holding:
    return holding if holding.seen_at is None or holding.seen_at >= at else replace(holding, seen_at=at)
