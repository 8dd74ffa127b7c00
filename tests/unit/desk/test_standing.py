"""How an endpoint's data stand on the pages of its model: as its monitors say, and not as one window does."""

import pytest

from mlops_desk.desk.registry.standing import verdict_of
from mlops_desk.records.drift import Verdict
from mlops_desk.records.drift.monitors import Monitor, MonitorStanding
from mlops_desk.records.drift.monitors import MonitorState as State
from mlops_desk.records.drift.sources import Source, SourceKind


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
