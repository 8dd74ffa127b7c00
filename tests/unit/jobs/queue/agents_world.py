"""Several agents of as many users on one machine, each with its own queue; they know of each other what files tell.

Time goes by in seconds. All who look in one second decide on the same cards, and then act one after the other: whoever
is late is refused by the ledger, and keeps its place.
"""

from dataclasses import dataclass, field, replace

from mlops_desk.gpus.records.gpu_request import Need
from mlops_desk.gpus.records.gpu_status import CardHolder, CardState
from mlops_desk.jobs.queue.queue_order import line_up
from mlops_desk.jobs.queue.schedule import schedule
from mlops_desk.jobs.queue.view import QueueView, RunningJob, Wish
from mlops_desk.jobs.records.waiter import Waiter
from mlops_desk.jobs.run.fair_queue import PlaceInLine
from tests.unit.jobs.queue.views import GIB, NOW, card

KEPT_SECONDS = 6 * 3600.0


@dataclass
class Line:
    """The machine's line as one agent sees it; ``papers`` are everybody's, each with who wrote it and for which job."""

    papers: dict[str, tuple[object, Waiter]]
    me: object
    world: "Machine"

    def waiters(self):
        first = {}
        for owner, waiter in sorted(self.papers.values(), key=lambda paper: paper[1].age_key):
            seen = waiter if owner is self.me else replace(waiter, job_id=None)
            first.setdefault(waiter.uid, seen)
        return tuple(first.values())

    def join(self, uid, job_id, name, need, seconds):
        self.world.written += 1
        place = f"p{self.world.written:06}"
        since = self.world.now + self.world.written * 1e-6  # no two files are written at the same moment
        self.papers[place] = self.me, Waiter(place, uid, f"user{uid}", since, name, need, seconds, job_id)

    def leave(self, place):
        assert self.papers[place][0] is self.me
        del self.papers[place]


@dataclass
class Agent:
    uid: int
    place: PlaceInLine
    me: object
    waiting: dict[str, Wish] = field(default_factory=dict)
    running: dict[str, RunningJob] = field(default_factory=dict)
    stuck: bool = False


class Machine:
    def __init__(self, count, users=3):
        self.now, self.written, self.submitted = NOW, 0, 0
        self.count = count
        self.papers = {}
        self.away = {}
        self.ends = {}
        self.lasts = {}
        self.waited = {}
        self.agents = {uid: self._agent(uid) for uid in range(1, users + 1)}

    def _agent(self, uid):
        me = object()
        line = Line(self.papers, me, self)
        return Agent(uid, PlaceInLine(line, lambda: KEPT_SECONDS, lambda: self.now), me)

    def submit(self, uid, gpus, lasts, seconds=None, priority=0):
        self.submitted += 1
        name = f"j{self.submitted:04}"
        asked = Wish(name, uid, self.now, Need(min(gpus, self.count)), priority, seconds=seconds, name=name)
        self.agents[uid].waiting[name] = asked
        self.lasts[name] = lasts if seconds is None else min(lasts, seconds)
        return name

    def crash(self, uid):
        """The agent is killed and started again: its papers say nothing any more, its jobs run on."""
        old = self.agents[uid]
        for place in [place for place, (owner, _) in self.papers.items() if owner is old.me]:
            del self.papers[place]
        self.agents[uid] = replace(self._agent(uid), waiting=old.waiting, running=old.running, stuck=old.stuck)

    def cards(self):
        found = []
        for index in range(self.count):
            on = [job for one in self.agents.values() for job in one.running.values() if f"GPU-{index}" in job.gpus]
            holders = tuple(CardHolder(job.name, uid=job.uid, since=job.since, until=job.until) for job in on)
            state = CardState.LEASED if on else self.away.get(index, CardState.FREE)
            room = 80 * GIB if state is CardState.FREE else 0
            found.append(card(index, state, holders=holders, room_bytes=room))
        return tuple(found)

    def holders(self, index):
        uuid = f"GPU-{index}"
        return [name for one in self.agents.values() for name, job in one.running.items() if uuid in job.gpus]

    def view(self, agent, cards):
        return QueueView(
            self.now, line_up(agent.waiting.values()), running=tuple(agent.running.values()), cards=cards, slots=1,
            waiters=agent.place.waiters(()),
        )  # fmt: skip

    def tick(self, order=None, seconds=1.0):
        """Let a second go by; ``order`` is in which the agents act that look in it."""
        self.now += seconds
        for one in self.agents.values():
            one.running = {name: job for name, job in one.running.items() if self.now < self.ends[name]}
        cards = self.cards()
        acting = [self.agents[uid] for uid in (order or self.agents) if not self.agents[uid].stuck]
        decided = [(agent, schedule(self.view(agent, cards))) for agent in acting]
        for agent, plan in decided:
            for name, gpus in plan.starts.items():
                if not any(self.holders(int(uuid.removeprefix("GPU-"))) for uuid in gpus):
                    self._start(agent, name, gpus)
            agent.place.follow(plan, lambda name, agent=agent: name in agent.waiting)

    def _start(self, agent, name, gpus):
        asked = agent.waiting.pop(name)
        until = None if asked.seconds is None else self.now + asked.seconds
        agent.running[name] = RunningJob(name, agent.uid, gpus, self.now, until, name=name)
        self.ends[name] = self.now + self.lasts[name]
        self.waited[name] = self.now - asked.submitted_at

    @property
    def is_empty(self):
        return not any(one.waiting for one in self.agents.values())
