"""What is said of how an endpoint is set up, and of what a change will do."""

from dataclasses import replace

import pytest
from doubles import job_record

from mlops_desk.jobs.records.brief import brief_of
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.registry.records.model import Model
from mlops_desk.serving.records.endpoint import (
    AliasFollowing,
    Endpoint,
    EndpointScale,
    EndpointState,
    LentGpus,
    ModelRef,
    Replica,
)
from mlops_desk.serving.records.rollout import Rollout, RolloutGuard
from mlops_desk.serving.window import status_text

PINNED = Endpoint(
    "front", EndpointState.LIVE, "http://x", 1, ModelRef("m", "3", "models:/m/3"), (Replica("one", 1, "running"),)
)
FOLLOWING = replace(PINNED, follows="champion", following=AliasFollowing("3", 1.0))
MODELS = {"m": Model("m", "4", {"champion": "4", "old": "3"}, {}, None, None)}


def test_one_that_follows_says_so_and_how_and_one_that_does_not_says_that():
    assert "Pinned: it stays on version 3" in status_text.follows_told(PINNED)
    assert "takes over at once" in status_text.follows_told(FOLLOWING)
    by_canary = replace(FOLLOWING, following=AliasFollowing("3", 1.0, 12.5))
    assert "begins with 12.5 % of the requests" in status_text.follows_told(by_canary)


def test_what_it_serves_instead_of_what_the_alias_names_is_told_with_why():
    assert status_text.behind(PINNED) is None
    assert status_text.behind(FOLLOWING) is None
    waits = Reason("sent_back", "Version 4 was sent back.")
    other = replace(FOLLOWING, following=AliasFollowing("4", 1.0, waits_for=waits))
    assert status_text.behind(other) == (
        "It serves version 3, and @champion, which it follows, names version 4. Version 4 was sent back."
    )
    assert "names none now" in status_text.behind(replace(FOLLOWING, following=AliasFollowing(None, 1.0)))
    assert status_text.behind(replace(other, state=EndpointState.STOPPED)) is None


@pytest.mark.parametrize(
    ("alias", "canary", "told"),
    [
        ("champion", None, "it is deployed now, and takes over at once"),
        ("champion", 5.0, "it is deployed now, and gets 5 % of the requests"),
        ("old", None, "nothing happens until the alias moves"),
        ("gone", None, "is not known here"),
        (None, None, "It stays on version 3 until"),
    ],
)
def test_what_following_will_do_is_told_before_it_is_done(alias, canary, told):
    assert told in status_text.following_will(PINNED, alias, canary, MODELS)


def test_a_stopped_one_deploys_nothing_and_a_rollout_goes_on():
    stopped = replace(PINNED, state=EndpointState.STOPPED)
    assert "as soon as the endpoint is" in status_text.following_will(stopped, "champion", None, MODELS)
    rolling = replace(PINNED, rollout=Rollout(2, 5.0, (), RolloutGuard(), 0.0))
    assert "goes on" in status_text.following_will(rolling, None, None, MODELS)


@pytest.mark.parametrize(
    ("changes", "wish", "told"),
    [
        ({}, (1, 1, None), "No container starts or ends now. It never sleeps."),
        ({}, (3, 3, None), "2 more replicas start now."),
        ({}, (2, 4, None), "1 more replica starts now. While requests wait there are up to 4."),
        ({"wanted": 2, "replicas": (Replica("a", 1, "running"), Replica("b", 1, "running", None, 2))}, (1, 1, None),
         "1 replica ends once all is answered."),
        ({"state": EndpointState.ASLEEP, "replicas": ()}, (2, 2, 1800.0), "It wakes with 2 replicas. After 30 min"),
        ({"state": EndpointState.FAILED, "replicas": ()}, (1, 1, None), "It begins with 1 replica, once"),
    ],
)  # fmt: skip
def test_what_other_replicas_will_do_is_told(changes, wish, told):
    assert told in status_text.scale_will(replace(PINNED, **changes), *wish).replace("\u202f", " ").replace(
        "\u2009", " "
    )


def test_gpus_that_it_has_and_has_not_are_told_apart():
    assert status_text.gpus_told(PINNED, None, {}) == (
        "It runs on processors alone: a new revision may have GPUs.", "muted",
    )  # fmt: skip
    on_gpu = replace(PINNED, replicas=(Replica("one", 1, "running", gpus=("GPU-12345678-1",)),))
    assert status_text.gpus_told(on_gpu, None, {}) == ("It has GPU 12345678.", "text")
    assert PINNED.scale == EndpointScale()


def test_who_has_a_lent_gpu_is_who_runs_on_it_now():
    lent = replace(PINNED, state=EndpointState.ASLEEP, replicas=(), lent=LentGpus(("GPU-1",), 1.0))
    running = job_record("a", "train", JobState.RUNNING, gpus=("GPU-1", "GPU-2"))
    over = job_record("b", "earlier", JobState.SUCCEEDED, gpus=("GPU-1",))
    other = job_record("c", "elsewhere", JobState.RUNNING, gpus=("GPU-2",))
    jobs = {job.id: brief_of(job) for job in (running, over, other)}
    assert status_text.holders(lent, jobs) == f"job train of {running.user} has it"
    assert status_text.holders(PINNED, jobs) == ""
    assert "No job has begun on it yet" in status_text.gpus_told(lent, None, {})[0]
