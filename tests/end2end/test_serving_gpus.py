"""Endpoints on GPUs of the machine's own ledger: leased, shown, given back, lent to jobs and claimed."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.desk.machine_composition import container_lives
from mlops_desk.desk.model_composition import unclaimed
from mlops_desk.gpus.leases.context import LeaseOwner
from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.host import ThisHost
from mlops_desk.gpus.leases.ledger import LeaseLedger
from mlops_desk.gpus.records.gpu_status import CardState, GpuCard
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.runtimes.local.leases import LedgerGpus
from mlops_desk.jobs.runtimes.local.ports import GpuHolder
from mlops_desk.kit.base.errors import Invalid, Refused, Unavailable
from mlops_desk.serving import deploy_options
from tests.end2end.endpoint_house import House, ask, open_house
from tests.unit.gpus.leases.world import gpu, uuid

pytestmark = pytest.mark.end2end
COUNT = 3


def job(job_id: str, state: JobState) -> Job:
    """Return a job that may be preempted."""
    return Job(job_id, "train", state, JobSpec("train", "img", preemptible=True), 1.0, 0, "me")


class Machine:
    """Three GPUs, and a ledger for each agent that comes."""

    def __init__(self, house: House, root: Path) -> None:
        self.house, self.root, self.host = house, root, ThisHost()
        house.engine.gpus = tuple(uuid(index) for index in range(COUNT))

    def reboot(self) -> None:
        """Let the machine start anew: its agent and its containers have ended, and its ledger is of another boot."""
        self.house.loops[-1].stop()
        for name in self.house.containers():
            self.house.engine.stop(name, 0)
        self.host.boot_id += "'"
        self.agent()

    def agent(self) -> LedgerGpus:
        """Begin another agent's life, with a ledger of its own on the same files."""
        folders = LeaseFolders((self.root / "leases",))

        def lives(container: str) -> bool | None:
            return container_lives(self.house.engine, container)

        ledger = LeaseLedger(LeaseOwner("one"), lives, folders=folders, host=self.host)
        shown = [gpu(index) for index in range(COUNT)]
        self.house.gpus = LedgerGpus(ledger, lambda: ledger.facts(shown, time.time()))
        self.house.agent().start()
        return self.house.gpus

    def states(self) -> list[str]:
        assert self.house.gpus is not None
        return [str(card.state) for card in self.house.gpus.cards()]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    (tmp_path / "leases").mkdir()
    with open_house(tmp_path) as built:
        yield built


@pytest.fixture
def machine(house: House, tmp_path: Path) -> Machine:
    made = Machine(house, tmp_path)
    made.agent()
    return made


def test_each_replica_gets_gpus_of_its_own_and_all_see_who_has_them(house: House, machine: Machine) -> None:
    for number in range(1, 4):
        house.replica(number)
    house.service.deploy("digits/1", "front", replicas=2, gpus=1)
    house.wait(lambda: house.service.show("front").ready == 2)
    endpoint = house.service.show("front")
    given = [replica.gpus for replica in endpoint.replicas]
    assert sorted(given) == [(uuid(0),), (uuid(1),)]
    for replica in endpoint.replicas:
        assert house.engine._containers[replica.container].spec.gpus == replica.gpus
    assert endpoint.revisions[0].gpus == 1
    cards = house.gpus.cards()
    assert [str(card.state) for card in cards] == ["leased", "leased", "free"]
    assert [[holder.label for holder in card.holders] for card in cards[:2]] == [["endpoint front"]] * 2
    house.service.stop("front")
    assert machine.states() == ["free"] * COUNT


def test_a_replay_has_as_many_gpus_as_a_replica_and_gives_them_back(house: House, machine: Machine) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front", gpus=1)
    house.answer()
    assert ask(house.service.show("front")).status_code == 200
    seen: list[tuple[str, ...]] = []
    start = house.engine.start
    house.engine.start = lambda name: (seen.append(house.engine._containers[name].spec.gpus), start(name))[1]
    house.replica(2)
    assert house.service.replay("front", revision=1).same == 2
    assert seen == [(uuid(1),)]
    assert machine.states() == ["leased", "free", "free"]
    assert house.gpus is not None
    assert house.gpus.lease(GpuHolder("job-1-a1", "train resnet", "", 0), (uuid(1), uuid(2))) == (uuid(1), uuid(2))
    with pytest.raises(Unavailable, match="held by train resnet"):
        house.service.replay("front", revision=1)
    assert len(seen) == 1


def test_without_a_free_gpu_it_says_who_has_them_and_takes_none(house: House, machine: Machine) -> None:
    holder = GpuHolder("job-1-a1", "train resnet", "", 0)
    assert house.gpus.lease(holder, (uuid(0), uuid(2))) == (uuid(0), uuid(2))
    failed = house.service.deploy("digits/1", "front", gpus=2)
    assert (failed.state, failed.reason and failed.reason.class_) == ("failed", "no_gpu")
    assert failed.reason is not None
    assert "needs 2 GPUs, and 1 of 3 is free" in failed.reason.text
    assert "GPU 0: held by train resnet" in failed.reason.text
    assert machine.states() == ["leased", "free", "leased"]
    assert house.containers() == []
    house.replica(1)
    live = house.service.deploy("digits/1", "front", gpus=1)
    assert (live.state, live.replicas[0].gpus) == ("live", (uuid(1),))
    again = house.service.deploy("digits/2", "front")
    assert (again.revision, again.reason and again.reason.class_) == (live.revision, "no_gpu")
    assert ask(again).status_code == 200, "what answers goes on"
    assert house.service.scale("front", 2).ready == 1
    house.wait(lambda: house.service.show("front").shortage is not None)
    assert house.service.show("front").shortage.class_ == "no_gpu"


def test_one_that_dies_comes_back_on_its_own_gpu_and_the_next_agent_holds_it_on(house: House, machine: Machine) -> None:
    house.replica(1)
    live = house.service.deploy("digits/1", "front", gpus=1)
    begun = len(house.started)
    house.engine.stop(live.replicas[0].container, 0)
    house.replica(2)
    # It may be up again by the next look: that it was down is told by its second start.
    house.look_until(lambda _: len(house.started) > begun)
    up = house.look_until(lambda found: found.ready == 1)
    assert up.replicas[0].gpus == live.replicas[0].gpus
    machine.agent()
    house.wait(lambda: bool(house.gpus._ledger.held()))
    assert machine.states() == ["leased", "free", "free"]
    house.service.remove("front")
    assert machine.states() == ["free"] * COUNT


def test_it_lends_its_gpus_to_a_job_and_has_them_back_when_it_asks(house: House, machine: Machine) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front", gpus=1)
    lent = house.service.lend("front")
    assert (lent.state, lent.reason and lent.reason.class_) == ("asleep", "lent")
    assert lent.lent is not None
    assert lent.lent.gpus == (uuid(0),)
    house.wait(lambda: machine.states() == ["free"] * COUNT)
    told = ask(lent)
    assert (told.status_code, "lends its GPU to jobs" in told.text) == (503, True), "no request wakes it"
    with pytest.raises(Refused, match="lent"):
        house.service.wake("front")
    holder = GpuHolder("job1-a1", "train", "", 0)
    jobs = unclaimed(house.gpus, house.service.list)
    assert [card.lent_by for card in jobs.cards()] == ["front", None, None]
    assert jobs.lease(holder, (uuid(0),)) == (uuid(0),)
    house.jobs["job1"] = job("job1", JobState.STARTING)
    house.replica(2)
    asked_at = time.monotonic()
    claimed = house.service.claim("front")
    assert {(job_id, seconds) for job_id, _, seconds in house.asked_to_give_way} == {("job1", 5.0)}
    assert house.asked_to_give_way[0][1].text == "Endpoint front asked for the GPUs back that it had lent."
    assert claimed.reason is not None
    assert "GPU 0: train is being started, and is asked for it as soon as it runs" in claimed.reason.text
    house.jobs["job1"] = job("job1", JobState.RUNNING)
    house.wait(lambda: "train was asked to save its work" in house.service.show("front").reason.text)
    assert house.service.claim("front").claimed == (uuid(0),), "asked twice is asked once"
    jobs.release("job1-a1")
    other = GpuHolder("job2-a1", "next", "", 0)
    assert jobs.lease(other, (uuid(0),)) == "Endpoint front had lent it and has asked for it back."
    assert jobs.cards()[0].state in {CardState.RESERVED, CardState.LEASED, CardState.DRAINING}
    house.wait(lambda: house.service.show("front").state == "live")
    print(f"back {time.monotonic() - asked_at:.2f} s after it was asked")
    back = house.service.show("front")
    assert (back.replicas[0].gpus, back.lent, back.reason) == ((uuid(0),), None, None)
    house.wait(lambda: house.service.show("front").claimed == ())
    with pytest.raises(Refused, match="not lent"):
        house.service.claim("front")


def test_the_next_agent_goes_on_asking_and_a_claimed_gpu_is_nobody_elses(house: House, machine: Machine) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front", gpus=1)
    house.service.lend("front")
    house.wait(lambda: machine.states() == ["free"] * COUNT)
    jobs = unclaimed(house.gpus, house.service.list)
    assert jobs.lease(GpuHolder("job1-a1", "train", "", 0), (uuid(0),)) == (uuid(0),)
    house.service.claim("front")
    machine.agent()
    assert house.service.show("front").claimed == (uuid(0),)
    house.asked_to_give_way.clear()
    house.wait(lambda: bool(house.asked_to_give_way))
    for number in (2, 3):
        house.replica(number)
    house.gpus.release("job1-a1")
    other = house.service.deploy("digits/1", "side", gpus=1)
    assert other.replicas[0].gpus != (uuid(0),)
    house.wait(lambda: house.service.show("front").state == "live")
    assert house.service.show("front").replicas[0].gpus == (uuid(0),)


def test_what_one_lends_is_no_other_endpoints(house: House, machine: Machine) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front", gpus=2)
    house.service.lend("front")
    house.wait(lambda: machine.states() == ["free"] * COUNT)
    failed = house.service.deploy("digits/1", "side", gpus=2)
    assert failed.reason is not None
    assert (failed.state, failed.reason.class_) == ("failed", "no_gpu")
    assert "GPU 0: kept for endpoint front, which had lent it" in failed.reason.text
    assert machine.states() == ["free"] * COUNT, "it holds nothing of what it needs"


def test_a_claim_while_its_replicas_still_answer_keeps_them(house: House, machine: Machine) -> None:
    program = house.replica(1)
    live = house.service.deploy("digits/1", "front", gpus=1)
    program.wait_seconds = 1.5
    answers: list[int] = []
    caller = threading.Thread(target=lambda: answers.append(ask(live).status_code))
    caller.start()
    house.wait(lambda: house.service._switchboard.is_answering(live.replicas))
    house.service.lend("front")
    program.wait_seconds = 0.0
    house.service.claim("front")
    house.wait(lambda: house.service.show("front").state == "live")
    caller.join()
    back = house.service.show("front")
    assert (answers, len(house.started), back.lent, back.claimed) == ([200], 1, None, ())
    assert machine.states() == ["leased", "free", "free"]


def test_one_that_is_being_deployed_lends_nothing_and_stays_as_it_is(house: House, machine: Machine) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front", gpus=1)
    with house.service._claims.held("front"), pytest.raises(Refused, match="deployed"):
        house.service.lend("front")
    assert (house.service.show("front").state, house.service.show("front").lent) == ("live", None)


def test_while_the_driver_is_silent_a_claim_says_so_and_waits(house: House, machine: Machine) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front", gpus=1)
    house.service.lend("front")
    house.wait(lambda: machine.states() == ["free"] * COUNT)
    cards = house.gpus.cards

    def silent() -> tuple[GpuCard, ...]:
        raise Unavailable("The GPU driver can't be asked.")

    house.gpus.cards = silent  # type: ignore[method-assign]  # the driver is away
    claimed = house.service.claim("front")
    assert claimed.reason is not None
    assert (claimed.state, "The GPU driver can't be asked." in claimed.reason.text) == ("asleep", True)
    house.replica(2)
    house.gpus.cards = cards  # type: ignore[method-assign]  # and back
    house.wait(lambda: house.service.show("front").state == "live")


def test_one_that_is_stopped_asks_no_more(house: House, machine: Machine) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front", gpus=1)
    house.service.lend("front")
    house.wait(lambda: machine.states() == ["free"] * COUNT)
    house.gpus.lease(GpuHolder("job1-a1", "train", "", 0), (uuid(0),))
    house.service.claim("front")
    stopped = house.service.stop("front")
    assert (stopped.claimed, stopped.lent) == ((), None)
    house.gpus.release("job1-a1")
    assert unclaimed(house.gpus, house.service.list).lease(GpuHolder("job2-a1", "next", "", 0), (uuid(0),)) == (
        uuid(0),
    )


@pytest.mark.parametrize("asks", [False, True])
def test_after_the_machines_restart_what_was_lent_is_lent_and_what_was_asked_for_comes_back(
    house: House, machine: Machine, asks: bool
) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front", gpus=1)
    house.service.lend("front")
    house.wait(lambda: machine.states() == ["free"] * COUNT)
    assert house.gpus.lease(GpuHolder("job1-a1", "train", "", 0), (uuid(0),)) == (uuid(0),)
    if asks:
        house.service.claim("front")
    house.replica(2)
    machine.reboot()
    if asks:
        house.wait(lambda: house.service.show("front").state == "live")
        assert machine.states() == ["leased", "free", "free"]
        house.wait(lambda: house.service.show("front").claimed == ())
        return
    kept = house.service.show("front")
    assert (kept.state, kept.lent and kept.lent.gpus) == ("asleep", (uuid(0),))
    assert machine.states() == ["free"] * COUNT, "the job's lease was of another boot"
    assert ask(kept).status_code == 503
    house.service.claim("front")
    house.wait(lambda: house.service.show("front").state == "live")


def test_after_the_machines_restart_what_was_up_comes_up_on_gpus_of_its_own(house: House, machine: Machine) -> None:
    for number in range(1, 4):
        house.replica(number)
    house.service.deploy("digits/1", "front", replicas=2, gpus=1)
    house.wait(lambda: house.service.show("front").ready == 2)
    asleep = house.service.deploy("digits/1", "side", gpus=1, sleep_after=60.0)
    house.service._sleeper.sleep("side", Reason("idle", "Nobody asks."))
    house.wait(lambda: machine.states().count("free") == 1)
    for number in range(4, 8):
        house.replica(number)
    machine.reboot()
    assert house.service.show("side").state == "asleep"
    up = house.look_until(lambda found: found.ready == 2)
    given = [gpu for replica in up.replicas for gpu in replica.gpus]
    assert len({*given}) == 2
    house.wait(lambda: machine.states().count("leased") == 2)
    house.wait(lambda: ask(asleep).status_code == 200)
    assert machine.states() == ["leased"] * COUNT


def test_one_without_gpus_lends_none(house: House, machine: Machine) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front")
    with pytest.raises(Refused, match="has none"):
        house.service.lend("front")
    assert house.service.show("front").state == "live"


def test_an_endpoint_that_sleeps_leaves_its_gpus_to_others(house: House, machine: Machine) -> None:
    house.settings.set("serving.wake_seconds", "1")
    house.replica(1)
    house.service.deploy("digits/1", "front", gpus=3, sleep_after=60.0)
    assert machine.states() == ["leased"] * COUNT
    house.service._sleeper.sleep("front", Reason("idle", "Nobody asks."))
    house.wait(lambda: machine.states() == ["free"] * COUNT)
    house.gpus.lease(GpuHolder("job1-a1", "train", "", 0), (uuid(1),))
    late = ask(house.service.show("front"))
    assert late.status_code == 503
    house.wait(lambda: house.service.show("front").state == "asleep")
    kept = house.service.show("front")
    assert kept.reason is not None
    assert (kept.reason.class_, "held by train" in kept.reason.text) == ("no_gpu", True)
    house.gpus.release("job1-a1")
    house.replica(2)
    house.service._sleeper._pauses.clear()
    house.wait(lambda: ask(kept).status_code == 200)
    assert deploy_options.container_name(house.folder.instance, "front", 1) in house.containers()


def test_an_image_gets_gpus_and_replicas_of_its_own_and_they_are_the_images_container(
    house: House, machine: Machine
) -> None:
    for image in ("their/server:1", "scratch"):  # the relay's own image is built on nothing
        house.engine.add_image(image)
    for number in (1, 3):  # each relay comes before the container of its image
        house.replica(number)
    made = house.service.deploy("", "front", image="their/server:1", port=8000, health="/ping", replicas=2, gpus=1)
    assert made.state == "live", made.reason
    house.wait(lambda: house.service.show("front").ready == 2)
    endpoint = house.service.show("front")
    assert sorted(replica.gpus for replica in endpoint.replicas) == [(uuid(0),), (uuid(1),)]
    for replica in endpoint.replicas:
        relay = house.engine._containers[replica.container].spec
        image = house.engine._containers[deploy_options.beside(replica.container)].spec
        assert (relay.gpus, image.gpus) == ((), replica.gpus)
    assert machine.states() == ["leased", "leased", "free"]
    assert house.gpus is not None
    held = {lease.container for lease in house.gpus._ledger.held()}
    assert held == {deploy_options.beside(replica.container) for replica in endpoint.replicas}, "as long as these run"
    machine.agent()
    house.wait(lambda: len(house.gpus._ledger.held()) == 2)
    assert machine.states() == ["leased", "leased", "free"], "the next agent holds them on"
    house.service.remove("front")
    assert machine.states() == ["free"] * COUNT


def test_an_image_follows_no_alias_and_nothing_is_made_of_such_a_wish(house: House) -> None:
    house.engine.add_image("their/server:1")
    with pytest.raises(Invalid, match="can't follow the alias champion"):
        house.service.deploy(
            "", "front", image="their/server:1", port=8000, health="/ping", gpus=1, replicas=2, follow="champion"
        )
    with pytest.raises(Invalid, match="can't have 17 GPUs"):
        house.service.deploy("", "front", image="their/server:1", port=8000, health="/ping", gpus=17)
    assert house.service.list() == []
    assert house.containers() == []
    assert not (house.folder.endpoints / "front").exists()


def test_a_runtimes_command_and_image_are_those_for_gpus_where_it_has_some(house: House, machine: Machine) -> None:
    house.folder.runtimes.mkdir()
    (house.folder.runtimes / "ours.yaml").write_text(
        "serves: [gguf]\nimage: {cpu: 'ours:cpu', gpu: 'ours:gpu'}\nport: 8000\nhealth: /ping\nmodel: /model\n"
        "command: ['--model={file}']\ncpu_command: [--slow]\ngpu_command: ['--split={gpus}']\nrelax: [exec_tmp]\n"
    )
    for image in ("ours:cpu", "ours:gpu", "scratch"):  # the relay's own image is built on nothing
        house.engine.add_image(image)
    house.service._maker._download = lambda _version, folder: (folder / "small.gguf").write_bytes(b"GGUF")
    for number, gpus, image, command in ((1, 2, "ours:gpu", "--split=2"), (3, 0, "ours:cpu", "--slow")):
        house.replica(number)
        made = house.service.deploy("digits/1", f"front{gpus}", runtime="ours", gpus=gpus)
        assert made.state == "live", made.reason
        spec = house.engine._containers[deploy_options.beside(made.replicas[0].container)].spec
        assert spec.command == ("--model=/model/small.gguf", command)
        assert spec.image == house.engine.image(image).id
        assert spec.gpus == made.replicas[0].gpus
        assert len(spec.gpus) == gpus
        assert [(mount.target, mount.mode) for mount in spec.own_mounts] == [("/model", "ro")]
        assert spec.relax == ("exec_tmp",)
