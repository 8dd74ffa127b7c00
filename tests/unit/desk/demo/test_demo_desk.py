"""The simulated workstation behaves as the real one where a person would notice."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.desk import open_desk
from mlops_desk.desk.demo import pipelines
from mlops_desk.desk.demo.demo_desk import DemoDesk
from mlops_desk.jobs.records.job import JobState
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.loop import Loop
from mlops_desk.serving.records.endpoint import Endpoint, RevisionState

_RUN = "f00d"


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[DemoDesk]:
    folder, loop = DataFolder(tmp_path / "demo"), Loop("test")
    folder.make()
    desk = open_desk(folder, loop, demo=True)
    assert isinstance(desk, DemoDesk)
    desk.start()
    yield desk
    desk.stop()
    loop.stop(10.0)


@pytest.mark.slow
def test_a_job_that_is_cancelled_ends_as_cancelled(demo: DemoDesk) -> None:
    def running() -> list[str]:
        return [job.id for job in demo.jobs.list(state="running") if job.name == "train-resnet50"]

    deadline = time.monotonic() + 60
    while not running() and time.monotonic() < deadline:
        time.sleep(0.05)
    number = running()[0]
    demo.jobs.cancel(number)
    while not demo.jobs.show(number).state.is_final and time.monotonic() < deadline:
        time.sleep(0.05)
    assert demo.jobs.show(number).state is JobState.CANCELLED


@pytest.mark.slow
def test_endpoints_have_a_past_of_weeks_with_each_time_once(demo: DemoDesk) -> None:
    now = time.time()
    week = demo.telemetry.history("endpoint.requests", "churn-prod", now - 7 * 86_400, now, 168)
    assert (week.unit, week.device) == ("1/s", "endpoint:churn-prod")
    there = [value for value in week.mean if value is not None]
    assert len(there) >= 167
    assert max(there) > 1.5 * min(there)  # by day more is asked than at night
    slow = demo.telemetry.history("endpoint.latency.p99", "churn-prod", now - 86_400, now, 24)
    median = demo.telemetry.history("endpoint.latency.p50", "churn-prod", now - 86_400, now, 24)
    assert all(low < high for low, high in zip(median.mean, slow.mean, strict=True) if low is not None is not high)
    later = time.time() + 130
    demo.endpoints._told_until = now + 10
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: later)
        demo.endpoints._move()
        minutes = demo.telemetry.history("endpoint.requests", "churn-prod", now - now % 60, later, 500)
    assert sum(value is not None for value in minutes.mean) >= 2


def stage(endpoint: Endpoint, number: int) -> RevisionState:
    return next(one.state for one in endpoint.revisions if one.revision == number)


@pytest.mark.slow
def test_an_endpoint_that_goes_with_its_alias_is_led_to_a_challenger_and_back(
    demo: DemoDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines, "_BAKE_SECONDS", 0.1)
    name, led = "churn-prod", demo.endpoints.led
    demo.endpoints.follow(name, "champion")
    before = demo.endpoints.show(name)
    led.begin(name, demo.registry_core.resolve("churn/1"), _RUN)
    shadow = demo.endpoints.show(name)
    assert shadow.rollout is not None
    number = shadow.rollout.revision
    assert stage(shadow, number) is RevisionState.SHADOW
    assert shadow.shadow_load is not None
    assert (shadow.follows, shadow.following is not None and shadow.following.led_by) == ("champion", _RUN)
    led.go_on(name, number)
    deadline = time.monotonic() + 60
    while demo.endpoints.show(name).rollout is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    live = demo.endpoints.show(name)
    assert (live.revision, live.traffic, live.follows) == (number, {str(number): 1.0}, "champion")
    tried = next(one for one in live.revisions if one.revision == number)
    led.back(name, tried, before.revision, "It was rolled back.")
    led.release(name, _RUN)
    back = demo.endpoints.show(name)
    assert back.revision == before.revision
    assert back.following is not None
    assert back.following.led_by is None


@pytest.mark.slow
def test_an_endpoint_on_a_gpu_is_on_none_that_somebody_trains_on(demo: DemoDesk) -> None:
    deadline = time.monotonic() + 60
    while "support-drafts" not in {one.name for one in demo.endpoints.list()} and time.monotonic() < deadline:
        time.sleep(0.05)
    held = {gpu for replica in demo.endpoints.show("support-drafts").replicas for gpu in replica.gpus}
    cards = {gpu.uuid: gpu for gpu in demo.telemetry.status().gpus}
    assert len(held) == 1
    commands = [process.command for uuid in held for process in cards[uuid].processes]
    assert ["vllm" in command for command in commands] == [True]
