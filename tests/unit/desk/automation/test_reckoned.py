"""Measures of alerts in a dry run: reckoned of what was recorded, unknown where that is, and why where it can't be."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops_desk.automation.rules.document_verbs import RuleDocuments
from mlops_desk.desk.automation.fact_history import RULE_METRICS, RuleHistory, readings_of, why_untold
from mlops_desk.kit.base.errors import NotFound
from mlops_desk.machine.alerts.default_rules import DERIVED
from mlops_desk.machine.records.history import History

BEGIN = 1_790_000_000.0
GIB = float(1 << 30)
Recorded = Mapping[str, list[float | None]]
RULE = """apiVersion: mlops-desk/v1
kind: Rule
name: full
when: {metric: METRIC, above: 0.9, for: 2m}
then:
- notify: [desktop]
"""


def history(recorded: Recorded, step: float = 60.0) -> RuleHistory:
    """Return the history of one GPU of two and of two mounts, of which that is recorded, a value a minute."""

    def curve(metric: str, device: str, since: float, until: float, points: int) -> History:
        if device not in {"GPU-0", "/", "/snap/core"} or metric not in recorded:
            raise NotFound("Nothing was ever measured.")
        values = tuple(recorded[metric][: int((until - since) / step)])
        times = tuple(since + step * number for number in range(len(values)))
        return History(device, metric, "By", step, step, times, values, values, values)

    def histories(names: Any, since: float, until: float, points: int) -> list[History | None]:
        found: list[History | None] = []
        for thing, metric in names:
            try:
                found.append(curve(metric, thing, since, until, points))
            except NotFound:
                found.append(None)
        return found

    gpus = [SimpleNamespace(uuid="GPU-0"), SimpleNamespace(uuid="GPU-1")]
    host = SimpleNamespace(cores=(), sensors=())
    mounts = (SimpleNamespace(mount="/", kind="ext4"), SimpleNamespace(mount="/snap/core", kind="squashfs"))
    status = SimpleNamespace(gpus=gpus, host=host, disks=(), networks=(), filesystems=mounts)
    telemetry = SimpleNamespace(history=curve, histories=histories, device=lambda given: given, status=lambda: status)
    return RuleHistory(cast("Any", telemetry))


def curve_of(metric: str, recorded: Recorded) -> tuple[float | None, ...] | None:
    found = history(recorded).curve("gpu", "GPU-0", metric, BEGIN, BEGIN + 600.0, 10)
    return None if found is None else found.mean


def test_a_share_is_reckoned_at_each_point_and_unknown_where_a_part_of_it_is() -> None:
    used: list[float | None] = [20 * GIB, 40 * GIB, None, 80 * GIB]
    limit: list[float | None] = [80 * GIB, 80 * GIB, 80 * GIB, None]
    parts = {"hw.gpu.memory.usage": used, "hw.gpu.memory.limit": limit}
    assert curve_of("gpu.memory_share", parts) == (0.25, 0.5, None, None)
    assert curve_of("gpu.memory_share", {}) is None
    assert curve_of("gpu.memory_share", {"hw.gpu.memory.usage": used}) == (None, None, None, None)


def test_shares_of_several_gpus_are_read_in_one_look_and_one_without_history_has_none() -> None:
    parts: Recorded = {"hw.gpu.memory.usage": [20 * GIB, None], "hw.gpu.memory.limit": [80 * GIB, 80 * GIB]}
    found = history(parts).curves("gpu", "gpu.memory_share", ["GPU-1", "GPU-0"], BEGIN, BEGIN + 600.0, 10)
    assert [None if one is None else one.mean for one in found] == [None, (0.25, None)]
    raw = history(parts).curves("gpu", "hw.gpu.memory.usage", ["GPU-0", "GPU-1"], BEGIN, BEGIN + 600.0, 10)
    assert [None if one is None else one.mean for one in raw] == [(20 * GIB, None), None]


def test_a_mount_is_as_full_as_it_was_unless_nothing_can_be_written_there() -> None:
    past = history({"system.filesystem.utilization": [0.5, None, 0.97]})
    assert why_untold("filesystem", "filesystem.share") is None
    found = past.curves("filesystem", "filesystem.share", ["/", "/snap/core", "/gone"], BEGIN, BEGIN + 600.0, 10)
    assert [None if one is None else one.mean for one in found] == [(0.5, None, 0.97), (None, None, None), None]
    one = past.curve("filesystem", "/", "filesystem.share", BEGIN, BEGIN + 600.0, 10)
    assert one is not None
    assert one.mean == (0.5, None, 0.97)


def test_what_is_left_and_what_is_added_go_by_what_is_known_as_alerts_do() -> None:
    hot: list[float | None] = [60.0, 85.0]
    assert curve_of("gpu.temperature_left", {"hw.temperature": hot}) == (30.0, 5.0), "90 °C is assumed"
    limited = {"hw.temperature": hot, "hw.temperature.limit.slowdown": [95.0, 95.0]}
    assert curve_of("gpu.temperature_left", limited) == (35.0, 10.0)
    pages = {"hw.gpu.retired_pages.single_bit": [3.0, 4.0], "hw.gpu.retired_pages.double_bit": [None, 2.0]}
    assert curve_of("gpu.retired_pages", pages) == (3.0, 6.0)


@pytest.mark.parametrize("declared", DERIVED, ids=lambda declared: declared.name)
def test_each_measure_has_a_past_or_it_is_told_why_not(declared: Any) -> None:
    why = why_untold(declared.device, declared.name)
    assert (why is None) is bool(readings_of(declared.device, declared.name))


def test_what_is_recorded_itself_is_read_and_nothing_is_reckoned_of_it() -> None:
    assert why_untold("gpu", "hw.temperature") is None
    assert curve_of("hw.temperature", {"hw.temperature": [60.0]}) == (60.0,)
    assert why_untold("gpu", "gpu.xid") == "it is told when it happens, and its history is that of the incidents"


def test_a_dry_run_of_a_share_tells_when_it_would_have_fired_and_of_an_incident_why_it_can_not() -> None:
    minutes: list[float | None] = [*[10 * GIB] * 20, *[79 * GIB] * 20, *[10 * GIB] * 20]
    parts = {"hw.gpu.memory.usage": minutes, "hw.gpu.memory.limit": [80 * GIB] * 60}
    rules = RuleDocuments(RULE_METRICS, history(parts))
    found = rules.dry_run(RULE.replace("METRIC", "gpu.memory_share"), BEGIN, BEGIN + 3600.0)
    assert [(one.at - BEGIN, one.subject) for one in found.would] == [(22 * 60.0, "GPU-0")]
    assert [(one.metric, one.known_seconds) for one in found.looked_at] == [("gpu.memory_share", 3600.0)]
    assert found.untold == ()
    untold = rules.dry_run(RULE.replace("METRIC", "gpu.xid"), BEGIN, BEGIN + 3600.0).untold
    assert len(untold) == 1
    assert untold[0].endswith("(it is told when it happens, and its history is that of the incidents)")
