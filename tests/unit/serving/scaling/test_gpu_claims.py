"""Which GPUs endpoints lend and ask for, and what is told of whom an endpoint waits for."""

import pytest

from mlops_desk.gpus.records.gpu_status import CardHolder, CardState, GpuCard
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, LentGpus, ModelRef, Replica
from mlops_desk.serving.rollout import DRAINING
from mlops_desk.serving.scaling import gpu_claims


def endpoint(name: str = "front", **more: object) -> Endpoint:
    return Endpoint(name, EndpointState.ASLEEP, None, 1, ModelRef("m", "1", "models:/m/1"), **more)


def card(index: int, *holders: CardHolder, text: str = "") -> GpuCard:
    return GpuCard(f"GPU-{index}", index, "Test GPU", CardState.LEASED, text, holders=holders)


def job(state: JobState = JobState.RUNNING, *, preemptible: bool = True) -> Job:
    return Job("j1", "train", state, JobSpec("train", "img", preemptible=preemptible), 1.0, 0, "me")


def test_what_is_lent_or_asked_for_is_the_endpoints_until_a_replica_has_it() -> None:
    lends = endpoint("lends", lent=LentGpus(("GPU-0",), 1.0))
    has = (Replica("c1", 1, "running", gpus=("GPU-1",)), Replica("c2", 1, DRAINING, gpus=("GPU-2",)))
    asks = endpoint("asks", claimed=("GPU-1", "GPU-2", "GPU-3"), replicas=has)
    assert gpu_claims.lent([lends, asks]) == {"GPU-0": "lends"}
    assert gpu_claims.claimed([lends, asks]) == {"GPU-2": "asks", "GPU-3": "asks"}
    assert gpu_claims.spoken_for([lends, asks]) == {"GPU-0": "lends", "GPU-2": "asks", "GPU-3": "asks"}


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (job(), "GPU 3: train was asked to save its work and give way"),
        (job(JobState.STARTING), "GPU 3: train is being started, and is asked for it as soon as it runs"),
        (job(preemptible=False), "GPU 3: train is not preemptible, so it has it until it ends"),
        (None, "GPU 3: train of eve has it, and is not this desk's to ask"),
    ],
)
def test_it_says_of_each_holder_what_that_one_does(known: Job | None, said: str) -> None:
    holder = CardHolder("train", user="eve", job_id="j1")
    assert gpu_claims.waits([card(3, holder)], {} if known is None else {"j1": known}) == [said]


def test_a_gpu_that_nobody_holds_is_told_by_its_state_and_a_long_list_is_cut() -> None:
    away = [card(index, text="its memory is still in use") for index in range(6, -1, -1)]
    told = gpu_claims.reason([one.uuid for one in away], gpu_claims.waits(away, {}))
    assert told.text.startswith("It waits for its 7 GPUs that it had lent. GPU 0: its memory is still in use; GPU 1:")
    assert told.text.endswith("GPU 3: its memory is still in use; and 3 more.")
    assert gpu_claims.reason(["GPU-0"], ()).text == "It waits for its GPU that it had lent."


def test_names_from_outside_are_plain() -> None:
    (told,) = gpu_claims.waits([card(0, CardHolder("a\x1b[31m\nb"))], {})
    assert "\x1b" not in told
    assert "\n" not in told
