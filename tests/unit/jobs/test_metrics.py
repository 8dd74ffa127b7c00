"""What running jobs take is kept in the history: each look once, and what is not known not at all."""

from typing import Any

from mlops_desk.jobs.metrics import RECORDED, LiveSeries
from mlops_desk.jobs.records.job_activity import LiveUse
from mlops_desk.machine.records.event import JobMoved


def heard(*events: JobMoved) -> list[Any]:
    kept: list[Any] = []
    series = LiveSeries(lambda name, points: kept.append((name.device, name.metric, list(points))))
    for event in events:
        series.hear(event)
    return kept


def test_each_look_is_kept_once() -> None:
    one, two = LiveUse(10.0, 1.5, 100), LiveUse(15.0, 2.5, 200)
    found = heard(JobMoved("a", live=one), JobMoved("a", live=one), JobMoved("b", live=one), JobMoved("a", live=two))
    assert [(device, points) for device, metric, points in found if metric == "job.cpu"] == [
        ("job:a", [(10.0, 1.5)]), ("job:b", [(10.0, 1.5)]), ("job:a", [(15.0, 2.5)]),
    ]  # fmt: skip
    assert {metric for _, metric, _ in found} == {metric.name for metric in RECORDED}


def test_what_is_not_known_is_not_kept_as_nought() -> None:
    assert heard(JobMoved("a"), JobMoved("a", live=LiveUse(1.0))) == []
    assert [metric for _, metric, _ in heard(JobMoved("a", live=LiveUse(1.0, 0.0)))] == ["job.cpu"]
