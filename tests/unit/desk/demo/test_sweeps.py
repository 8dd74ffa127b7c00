"""The sweep that a new user sees: runs with curves that can be grouped, one that diverged, one that goes on."""

import math
import threading

from mlops_desk.desk.demo import sweeps
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.mirror.plain import PlainMirror
from mlops_desk.registry.mirror.protocol import WindowAsked

NOW = 1_764_000_000.0


def filled():
    registry = FakeRegistry()
    sweeps.fill(registry, NOW)
    return registry


def test_the_sweep_can_be_grouped_by_what_was_varied_and_its_models_differ_by_more_than_their_seeds():
    mirror = PlainMirror(filled())
    groups = mirror.groups(
        ["defects-sweep"], "params.lr = '0.03' and status = 'FINISHED'", ["params.model"], ["accuracy"]
    )
    spread = {group.values[0]: group.metrics[0] for group in groups}
    assert set(spread) == {"resnet50", "vit-s", "convnext-t"}
    assert spread["convnext-t"].least > spread["resnet50"].largest
    by_lr = mirror.groups(["defects-sweep"], "status = 'FINISHED'", ["params.lr"], ["accuracy"])
    best = max(by_lr, key=lambda group: group.metrics[0].mean)
    assert best.values == ("0.03",)


def test_runs_have_whole_curves_and_those_that_diverged_end_in_what_is_no_number():
    registry = filled()
    runs = PlainMirror(registry).runs(WindowAsked(("defects-sweep",), limit=1000))
    assert len(runs) == 61
    failed = [run for run in runs if run.status == "FAILED"]
    assert len(failed) == 6
    assert all(math.isnan(run.metrics["loss"]) and run.params["lr"] == "0.3" for run in failed)
    (curve,) = registry.metric_curves(failed[0].run_id, ["loss"], 1000)
    assert curve.n_points == 8
    finished = next(run for run in runs if run.status == "FINISHED")
    (curve,) = registry.metric_curves(finished.run_id, ["accuracy"], 1000)
    assert curve.n_points == 60
    assert curve.values[-1] > curve.values[0] + 0.2
    assert finished.end_time < NOW * 1000


def test_one_run_goes_on_until_the_demo_ends_and_else_to_its_last_epoch(monkeypatch):
    registry = filled()
    assert registry.run(sweeps.LIVE).status == "RUNNING"
    ended = threading.Event()
    ended.set()
    sweeps.go_on(registry, ended)
    assert registry.metric_curves(sweeps.LIVE, ["loss"], 1000)[0].n_points == 20
    monkeypatch.setattr(sweeps, "_LIVE_SECONDS", 0.0)
    sweeps.go_on(registry, threading.Event())
    assert registry.metric_curves(sweeps.LIVE, ["loss"], 1000)[0].n_points == 400
    assert registry.run(sweeps.LIVE).status == "FINISHED"


def test_it_is_the_same_on_every_start():
    assert [run.metrics for run in filled().runs("defects-sweep", None, 100) if run.status == "FINISHED"] == [
        run.metrics for run in filled().runs("defects-sweep", None, 100) if run.status == "FINISHED"
    ]
