"""How an endpoint's data stand on the pages of its model: as its monitors say, and not as one window does."""

from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.desk.registry import lineage_house, verdict_of
from mlops_desk.drift.records.monitors import Monitor, MonitorStanding
from mlops_desk.drift.records.monitors import MonitorState as State
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.drift.records.verdict import Verdict


def standing(state: State, verdict: Verdict | None) -> MonitorStanding:
    return MonitorStanding(Monitor("m1", "digits", Source(SourceKind.LOG, "digits")), state, verdict=verdict)


@pytest.mark.parametrize(
    ("standings", "newest", "told"),
    [
        ([], Verdict.DRIFT, Verdict.DRIFT),
        ([(State.TURNED, Verdict.DRIFT)], Verdict.OK, Verdict.DRIFT),
        ([(State.TURNED, Verdict.OK)], Verdict.OK, Verdict.DRIFT),
        ([(State.TURNED, Verdict.CRITICAL), (State.FINE, Verdict.OK)], Verdict.OK, Verdict.CRITICAL),
        ([(State.FINE, Verdict.OK)], Verdict.DRIFT, Verdict.OK),
        ([(State.FINE, Verdict.DRIFT)], Verdict.DRIFT, Verdict.WARNING),
        ([(State.FINE, Verdict.OK), (State.FINE, Verdict.WARNING)], Verdict.OK, Verdict.WARNING),
        ([(State.UNKNOWN, Verdict.OK)], Verdict.DRIFT, Verdict.DRIFT),
        ([(State.WAITING, None)], Verdict.OK, Verdict.OK),
    ],
)
def test_the_monitors_say_how_it_stands_and_the_newest_report_where_none_can_tell(
    standings: list[tuple[State, Verdict | None]], newest: Verdict, told: Verdict
) -> None:
    assert verdict_of([standing(*one) for one in standings], newest) is told


def test_a_rule_that_was_removed_is_told_with_its_jobs_and_one_that_trains_no_more_is_not_called_removed() -> None:
    begun = [("kept", "j1"), ("gone", "j2"), ("changed", "j3"), ("gone", "j4"), ("waits", None)]
    retrainings = [SimpleNamespace(rule=rule, job_id=job) for rule, job in begun]
    there = SimpleNamespace(name="kept", model="digits", alias="champion", endpoint="front", enabled=True)
    shelf = SimpleNamespace(list=lambda: [there], find=lambda name: there if name in {"kept", "changed"} else None)
    rules = SimpleNamespace(retrainings=lambda limit: retrainings, shelf=shelf)
    house: Any = SimpleNamespace(endpoints=None, drift=None, monitors=None, rules=rules)
    told = lineage_house(house, SimpleNamespace()).rules()  # type: ignore[arg-type]  # no job is asked for
    assert [(one.name, one.jobs, one.is_removed) for one in told] == [
        ("kept", ("j1",), False), ("gone", ("j2", "j4"), True),
    ]  # fmt: skip
