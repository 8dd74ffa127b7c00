"""Three agents of three users beside one another, each with a queue of its own, on the machine's real ledger.

What a scheduler has decided may be overtaken by another's: then the ledger refuses, and the job keeps its place.
"""

import shutil
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mlops_desk.gpus.leases.context import LeaseOwner
from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.ledger import LeaseLedger
from mlops_desk.gpus.records.gpu_request import Need
from mlops_desk.gpus.records.gpu_status import CardState
from mlops_desk.jobs.queue.queue_order import line_up
from mlops_desk.jobs.queue.schedule import schedule
from mlops_desk.jobs.queue.view import QueueView, RunningJob, Wish
from mlops_desk.jobs.runtimes.local.leases import LedgerGpus
from mlops_desk.jobs.runtimes.local.ports import GpuHolder
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState
from mlops_desk.machine.records.metric import Reading

GIB = 1 << 30
AGENTS = st.sampled_from(["anna", "bo", "cleo"])
CARDS = 3


def gpu(index):
    metrics = {"hw.gpu.memory.limit": Reading(80.0 * GIB, "By"), "hw.gpu.memory.usage": Reading(0.0, "By")}
    return Gpu(f"GPU-{index}", index, "H100", None, GpuState.OK, metrics=metrics)


@dataclass
class Agent:
    gpus: LedgerGpus
    waiting: dict[str, Wish] = field(default_factory=dict)
    running: dict[str, RunningJob] = field(default_factory=dict)


class Machine(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.root = Path(tempfile.mkdtemp(prefix="leases-"))
        self.shown = [gpu(index) for index in range(CARDS)]
        self.agents = {name: Agent(self.ledger(name)) for name in ("anna", "bo", "cleo")}
        self.count = 0

    def ledger(self, name):
        lives = lambda container: any(container == f"c-{job}" for one in self.agents.values() for job in one.running)  # noqa: E731 - one line
        ledger = LeaseLedger(LeaseOwner(name), lives, folders=LeaseFolders((self.root / "leases",)))
        return LedgerGpus(ledger, lambda: ledger.facts(self.shown, time.time()))

    def teardown(self):
        if hasattr(self, "root"):
            self.everybody_runs_once_the_others_are_done()
            shutil.rmtree(self.root)

    @rule(name=AGENTS, gpus=st.integers(1, CARDS))
    def submit(self, name, gpus):
        self.count += 1
        job = f"j{self.count}"
        self.agents[name].waiting[job] = Wish(job, 1, float(self.count), Need(gpus), name=job)

    @rule(gpus=st.integers(1, CARDS))
    def everybody_submits(self, gpus):
        for name in self.agents:
            self.submit(name, gpus)

    @rule(names=st.permutations(["anna", "bo", "cleo"]), at_once=st.integers(1, 3))
    def some_decide_on_what_they_saw_at_the_same_moment(self, names, at_once):
        decided = [(name, self.decide(name)) for name in names[:at_once]]
        for name, plan in decided:
            self.carry_out(name, plan)

    def decide(self, name):
        agent = self.agents[name]
        view = QueueView(1e6, line_up(agent.waiting.values()), running=tuple(agent.running.values()),
                         cards=agent.gpus.cards(), slots=1)  # fmt: skip
        return schedule(view)

    def carry_out(self, name, plan):
        agent = self.agents[name]
        for job, gpus in plan.starts.items():
            answer = agent.gpus.lease(GpuHolder(job, job, f"c-{job}", 1000), gpus)
            if not isinstance(answer, str):
                assert answer == gpus
                agent.running[job] = RunningJob(job, 1, gpus)
                del agent.waiting[job]

    @rule(name=AGENTS)
    def one_ends(self, name):
        agent = self.agents[name]
        for job in [*agent.running][:1]:
            del agent.running[job]
            agent.gpus.release(job)

    @rule(name=AGENTS)
    def an_agent_is_killed_and_another_takes_its_jobs_up(self, name):
        agent = self.agents[name]
        agent.gpus = self.ledger(name)
        for job in agent.running.values():
            assert agent.gpus.keep(GpuHolder(job.job_id, job.job_id, f"c-{job.job_id}", 1000), job.gpus)

    @rule(index=st.integers(0, CARDS - 1), runs=st.booleans())
    def somebody_runs_something_by_hand(self, index, runs):
        processes = (GpuProcess(1, "eve", "python x.py", None),) if runs else ()
        self.shown[index] = replace(self.shown[index], processes=processes)

    @rule(index=st.integers(0, CARDS - 1), is_lost=st.booleans())
    def a_gpu_is_lost_and_comes_back(self, index, is_lost):
        self.shown[index] = replace(self.shown[index], state=GpuState.LOST if is_lost else GpuState.OK)

    @invariant()
    def no_gpu_has_two_owners_and_none_is_leased_to_nobody(self):
        if not hasattr(self, "root"):
            return
        owner = {}
        for agent in self.agents.values():
            for job in agent.running.values():
                for uuid in job.gpus:
                    assert uuid not in owner
                    owner[uuid] = job.job_id
        for one in self.agents["anna"].gpus.cards():
            if one.state is CardState.DRAINING:  # who had it has let go, and is named until it is seen empty
                continue
            held = {holder.label for holder in one.holders if not holder.external}
            assert held <= {owner.get(one.uuid)}

    def everybody_runs_once_the_others_are_done(self):
        self.shown = [gpu(index) for index in range(CARDS)]
        for _ in range(2 * self.count + 2):
            for name in self.agents:
                for _ in range(CARDS):
                    self.one_ends(name)
            for name in self.agents:
                self.carry_out(name, self.decide(name))
        assert not any(agent.waiting for agent in self.agents.values())


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
