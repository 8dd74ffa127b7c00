"""Does the actions of firings, one after the other, and writes down what came of each before the next begins.

That an action begins is written before it is done. After kill -9 the next agent finds the firing, and does on from the
action that was begun, which knows then that it may have been done before. Firings of one rule are done in their order.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import replace
from zlib import crc32

from mlops_desk.automation.records.actions import CiAction, RetrainAction, SubmitAction
from mlops_desk.automation.records.firing import FiringState, FiringStep, KeptFiring
from mlops_desk.automation.records.pipelines.decision import MOST_SAID, DecisionWord
from mlops_desk.automation.records.rule_record import KeptRule
from mlops_desk.automation.records.spec import RuleSpec
from mlops_desk.automation.rules.actions.action_run import Deed
from mlops_desk.automation.rules.actions.actions import RuleDeeds
from mlops_desk.automation.rules.actions.notifications import SOURCE
from mlops_desk.automation.rules.actions.outcome import Became
from mlops_desk.automation.rules.storage.rule_repository import RuleShelf
from mlops_desk.kit.base.caller import Caller, current_caller, set_caller, user_name
from mlops_desk.kit.base.errors import DeskError, Hint, Refused
from mlops_desk.kit.base.loop import Lane, Loop
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.event import FiringChanged, Notice

_log = logging.getLogger(__name__)

_LANES = 4  # chosen: one receiver that hangs holds up a quarter of the rules for its deadline
_OPEN = (FiringState.INTENDED, FiringState.WAITING)
_MOST_AN_HOUR = 100
"""Chosen: as many as the jobs of a sweep of which each has something done. What fires more often sets itself off, by
way of jobs that name no rule, and would fill queue and disk while nobody looks."""
_LONGEST_CHAIN = 5
"""Chosen: data fetched, prepared, trained on, scored and published by five rules; a circle of slow jobs ends there."""
_HOUR_SECONDS = 3600.0  # as its name says
_BEGINNING = (SubmitAction, RetrainAction, CiAction)
_KEPT = 10_000  # chosen: years of an ordinary machine, and some megabytes
_TRIM_EVERY = 500  # chosen: so many firings later they are counted again
_DUE_SECONDS = 1.0  # a warning is told in minutes


class FiringWorker:
    """``shown`` gives a rule by its id as it is now (None: removed); ``holds`` tells whether its condition holds.

    ``came_to_nothing`` is told of a firing of which nothing could be done.
    """

    def __init__(
        self,
        shelf: RuleShelf,
        doing: RuleDeeds,
        loop: Loop,
        shown: Callable[[str], KeptRule | None],
        holds: Callable[[str, str], bool | None],
        published: Callable[[Notice | FiringChanged], None],
        came_to_nothing: Callable[[KeptFiring], None],
    ) -> None:
        self._shelf = shelf
        self._tables = shelf.tables
        self._doing = doing
        self._loop = loop
        self._shown = shown
        self._holds = holds
        self._published = published
        self._came_to_nothing = came_to_nothing
        self._told: dict[str, str] = {}
        self._lanes: list[Lane] = []
        self._lock = threading.Lock()
        self._due: dict[tuple[str, float], float] = {}
        self._over: set[tuple[str, float]] = set()
        self._n_done = 0

    def start(self) -> None:
        """Begin with what an earlier agent has left."""
        self._lanes = [Lane(self._loop, f"rules-{number}") for number in range(_LANES)]
        self._trim()
        for firing in self._tables.firings.list(states=_OPEN, newest_first=False):
            self._put(firing)
        self._loop.repeat("rules-due", _DUE_SECONDS, self._look_due)

    def act(self, firings: Sequence[KeptFiring]) -> None:
        """Do what stored firings say, when it is their turn."""
        for firing in firings:
            self._put(firing)

    def do_now(self, firing: KeptFiring) -> KeptFiring:
        """Do what a stored firing says while its caller waits, and return it as it stands then."""
        return self.do(firing, raising=True)

    def answer(self, firing_id: str, *, agree: bool, why: str = "") -> KeptFiring:
        """Give one's word on what a firing asks, with why. Raises NotFound, Refused."""
        with self._lock:
            firing = self._tables.firings.get(firing_id)
            number = None if firing is None else _open_step(firing)
            step = None if firing is None or number is None else firing.steps[number]
            if firing is None or step is None or number is None or step.state is not FiringState.WAITING:
                raise Refused("This firing does not wait for anybody.", Hint("mlops-desk rules firings"))
            if step.action != "ApprovalAction":
                raise Refused("This firing waits for a time, and for nobody.", step.text)
            changed = self._answered(firing, number, agree=agree, why=plain(why, MOST_SAID).strip())
        if agree and changed.state is FiringState.INTENDED:
            self._put(changed)
        return changed

    def _answered(self, firing: KeptFiring, number: int, *, agree: bool, why: str) -> KeptFiring:
        step, user = firing.steps[number], current_caller().user
        words = (*step.said, DecisionWord(user, agree, why, time.time()))
        said = [*map(int, (step.made or "").split())]  # uids: names may hold blanks, and two may look alike
        if current_caller().uid in said:
            raise Refused(f"{user} has agreed already.", "Somebody else has to agree too.")
        if not agree:
            text = f"{user} did not agree, so nothing of what stands below is done."
            return self._keep(_with(firing, number, replace(step, state=FiringState.FAILED, text=text, said=words)))
        said.append(current_caller().uid)
        wanted = self._people(firing, number)
        over = len(said) >= wanted
        text = f"{', '.join(map(user_name, said))} agreed" + ("." if over else f"; {wanted - len(said)} more has to.")
        state = FiringState.DONE if over else FiringState.WAITING
        return self._keep(
            _with(
                firing,
                number,
                replace(step, state=state, text=text, made=" ".join(map(str, said)), hint=None, said=words),
            )
        )

    def _people(self, firing: KeptFiring, number: int) -> int:
        spec = self._spec(firing)
        return getattr(spec.then[number], "people", 1) if spec is not None else 1

    def _spec(self, firing: KeptFiring) -> RuleSpec | None:
        read = self._shelf.of_id(firing.rule_id)
        return None if read is None else read.spec

    def _put(self, firing: KeptFiring) -> None:
        lane = self._lanes[crc32(firing.rule_id.encode()) % _LANES]
        lane.put(lambda: self.do(firing))

    def _look_due(self) -> None:
        now = time.monotonic()
        with self._lock:
            over = [key for key, at in self._due.items() if at <= now]
            for key in over:
                del self._due[key]
            self._over.update(over)
        for firing_id, _ in over:
            firing = self._tables.firings.get(firing_id)
            if firing is not None:
                self._put(firing)

    def do(self, firing: KeptFiring, *, raising: bool = False) -> KeptFiring:
        """Do the actions of a firing from where it stands to its end, or until one waits."""
        while not self._loop.ending.is_set():
            number = _open_step(firing)
            if number is None:
                break
            step = firing.steps[number]
            if step.state is FiringState.WAITING and not self._is_due(firing, step):
                return firing
            try:
                firing = self._step(firing, number)
            except DeskError as error:
                self._failed(firing, number, error, quiet=raising)
                if raising:
                    raise
                break
            if firing.steps[number].state is FiringState.WAITING and not self._is_due(firing, firing.steps[number]):
                return firing
        return firing

    def _is_due(self, firing: KeptFiring, step: FiringStep) -> bool:
        """Tell whether the time of a step has come: as long after it was set as it said, whatever clocks are set to.

        Of a time that an earlier agent has set only the wall clock tells.
        """
        if step.due_at is None:
            return False
        key, now = (firing.id, step.due_at), time.monotonic()
        with self._lock:
            if key in self._over:
                self._over.discard(key)
                return True
            if self._due.setdefault(key, now + step.due_at - time.time()) > now:
                return False
            del self._due[key]
        return True

    def _step(self, firing: KeptFiring, number: int) -> KeptFiring:
        """Do one action, and return the firing with what came of it. Raises DeskError."""
        spec = self._spec(firing)
        if spec is None or number >= len(spec.then):
            raise Refused("The rule was removed before it came to this.", "Make it anew if it is still wanted.")
        action, step = spec.then[number], firing.steps[number]
        again = step.begun_at is not None
        if not again:
            step = replace(step, begun_at=time.time())
        context = copy_context()

        if isinstance(action, _BEGINNING) and not (again or firing.by_hand):
            _refuse_a_long_chain(firing)
            self._refuse_a_flood(firing)

        def begun() -> KeptFiring:
            if firing.created_by is not None:  # else the agent's own user
                set_caller(Caller(firing.created_by, -1, 0))
            if not firing.by_hand:  # who fires by hand was asked whether they may
                self._doing.house.allow("rules", "fire", {"name": firing.rule})
            made = step.made if again else self._doing.before(action)
            return self._keep(_with(firing, number, replace(step, made=made)))

        def do(kept: KeptFiring) -> Became:
            holds = self._holds(firing.rule_id, firing.subject)
            return self._doing.do(action, Deed(kept, number, self._shown(firing.rule_id), again, holds))

        kept = context.run(begun)
        became = context.run(do, kept)
        ended = None if became.state is FiringState.WAITING else time.time()
        told = replace(
            kept.steps[number], state=became.state, text=became.text, hint=became.hint, ended_at=ended,
            made=became.made or kept.steps[number].made, due_at=became.due_at or step.due_at,
        )  # fmt: skip
        if became.state is FiringState.DONE:
            self._told.pop(firing.rule_id, None)
        return self._keep(_with(kept, number, told))

    def _refuse_a_flood(self, firing: KeptFiring) -> None:
        """Refuse to begin anything more for a rule that has fired too often."""
        lately = self._tables.firings.list(parent=firing.rule_id, limit=_MOST_AN_HOUR + 1)
        if len(lately) > _MOST_AN_HOUR and firing.at - lately[-1].at < _HOUR_SECONDS:
            text = (
                f"It fired {_MOST_AN_HOUR} times within an hour, as what sets itself off does: nothing more is begun."
            )
            raise Refused(
                text, Hint(f"mlops-desk rules show {firing.rule}", after=" tells for what; a cooldown: slows it.")
            )

    def _failed(self, firing: KeptFiring, number: int, error: DeskError, *, quiet: bool) -> None:
        """Write down why an action could not be done, and tell it once; those behind it are not done."""
        newest = self._tables.firings.get(firing.id) or firing
        step = newest.steps[number]
        told = replace(step, state=FiringState.FAILED, text=error.message, hint=error.hint, ended_at=time.time())
        kept = self._keep(_with(newest, number, told))
        if not any(one.state is FiringState.DONE for one in kept.steps):
            self._came_to_nothing(kept)
        _log.warning("The rule %s could not %s: %s", firing.rule, step.words, error.message)
        if not quiet and self._told.get(firing.rule_id) != error.message:
            self._told[firing.rule_id] = error.message
            text = f"The rule {firing.rule} fired and could not {plain(step.words, 200)}: {error.message}"
            self._published(Notice("warning", SOURCE, text, error.hint, time.time(), about=("rule", firing.rule)))

    def _keep(self, firing: KeptFiring) -> KeptFiring:
        self._tables.firings.put(firing)
        self._published(FiringChanged(firing))
        if firing.state.is_over:
            self._n_done += 1
            if self._n_done % _TRIM_EVERY == 0:
                self._trim()
        return firing

    def _trim(self) -> None:
        for state in FiringState:
            if state.is_over:
                self._tables.firings.trim(_KEPT, state)


def _refuse_a_long_chain(firing: KeptFiring) -> None:
    """Refuse to begin anything more where as many rules stand before it as only a circle has."""
    if firing.chain >= _LONGEST_CHAIN:
        text = (
            f"{firing.chain} rules stand before it, each set off by a job of the one before, as where rules set each "
            "other off in a circle: nothing more is begun."
        )
        raise Refused(text, Hint(f"mlops-desk rules fire {firing.rule}", after=" does it all the same, once."))


def _open_step(firing: KeptFiring) -> int | None:
    """Return the place of the action that is next; None where none is, or one before could not be done."""
    for number, step in enumerate(firing.steps):
        if not step.state.is_over:
            return number
        if step.state is not FiringState.DONE and step.action != "NotifyAction":
            return None  # what stands below rests on it; but who could not be told keeps nothing from being done
    return None


def _with(firing: KeptFiring, number: int, step: FiringStep) -> KeptFiring:
    """Return a firing with one of its actions as it stands now."""
    steps = (*firing.steps[:number], step, *firing.steps[number + 1 :])
    changed = replace(firing, steps=steps)
    left = _open_step(changed)
    if left is not None:
        return replace(changed, state=changed.steps[left].state)
    worst = next((one.state for one in steps if one.state.is_over and one.state is not FiringState.DONE), None)
    return replace(changed, state=worst or FiringState.DONE, ended_at=time.time())
