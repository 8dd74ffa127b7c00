"""When a rule fires and which challenger is better: every combination, without a world around it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.automation.records.retraining_rule import Rule
from mlops_desk.automation.records.rule_state import RuleClock
from mlops_desk.automation.rules.drift_trigger import drift_of
from mlops_desk.automation.rules.storage.rule_repository import spec_of, standing_of
from mlops_desk.drift.records.report import ColumnDrift, DatasetDrift, DriftReport
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.kit.rule_engine.engine import RuleEngine
from mlops_desk.kit.rule_engine.plan import UNDERWAY_FACT

RULE = Rule("again", "digits", "champion", "accuracy", endpoint="digits", cooldown_seconds=100)
REPORT = DriftReport(
    Verdict.DRIFT, (), DatasetDrift(1, 1, 1, 1, 1.0), endpoint="digits", model="digits/3", alarm=True, id="r"
)


def clock(at):
    return RuleClock(at, at, "boot")


def fired_at(rule, reports, underway=lambda at: False):
    """Return when the rule fires as a document, by the reports of some moments."""
    engine, found = RuleEngine([spec_of(rule)], clock(0.0)), []
    for at, report in reports:
        moment = drift_of(report)
        facts = [(UNDERWAY_FACT, rule.name, float(underway(at)))]
        look = engine.look(facts, clock(at), [] if moment is None else [moment])
        found += [firing.at for firing in look.firings]
    return found


def fired_before(rule, reports, underway=lambda at: False):
    """Return when it fired as rules were judged before there were documents."""
    found = []
    for at, report in reports:
        since = None if rule.last_fired_at is None else at - rule.last_fired_at
        reasons = (
            rule.endpoint is None or rule.endpoint != report.endpoint,
            (report.model or "").rpartition("/")[0] != rule.model,
            not report.alarm,
            report.verdict is not Verdict.DRIFT or _only_lost(report),
            underway(at),
            since is not None and 0 <= since < rule.cooldown_seconds,
        )
        if not any(reasons):
            found.append(at)
            rule = replace(rule, last_fired_at=at)
    return found


def _only_lost(report):
    lost = {"missing", "wrong_type", "infinite"}
    drifted = [column for column in report.columns if column.verdict is Verdict.DRIFT]
    return bool(drifted) and all(column.decided_by and lost.issuperset(column.decided_by) for column in drifted)


def column(*by):
    return ColumnDrift("x", "numeric", Verdict.DRIFT, {}, {}, 100, 100, decided_by=by)


def test_a_rule_fires_on_an_alarm():
    assert fired_at(RULE, [(1000.0, REPORT)]) == [1000.0]


@pytest.mark.parametrize(
    ("rule", "report", "underway"),
    [
        (replace(RULE, endpoint="other"), REPORT, False),
        (replace(RULE, endpoint=None), REPORT, False),
        (replace(RULE, endpoint=None), replace(REPORT, endpoint=None), False),
        (replace(RULE, model="letters"), REPORT, False),
        (RULE, replace(REPORT, model=None), False),
        (RULE, replace(REPORT, alarm=False), False),
        (RULE, replace(REPORT, alarm=None), False),
        (RULE, replace(REPORT, verdict=Verdict.CRITICAL), False),
        (RULE, REPORT, True),
    ],
)
def test_a_rule_does_not_fire(rule, report, underway):
    assert fired_at(rule, [(1000.0, report)], lambda _: underway) == []


def test_values_that_are_lost_train_nothing():
    lost = replace(REPORT, columns=(column("missing"), column("wrong_type", "infinite")))
    assert fired_at(RULE, [(1000.0, lost)]) == []
    for moved in (column("ks", "missing"), column("unseen"), column()):
        report = replace(REPORT, columns=(column("missing"), moved))
        assert fired_at(RULE, [(1000.0, report)]) == [1000.0]


def test_a_report_in_the_cooldown_is_forgotten_and_the_next_one_after_it_fires():
    assert fired_at(RULE, [(1000.0, REPORT), (1050.0, REPORT), (1100.0, REPORT)]) == [1000.0, 1100.0]
    quiet = replace(REPORT, alarm=False)
    assert fired_at(RULE, [(1000.0, REPORT), (1050.0, REPORT), (1100.0, quiet), (2000.0, quiet)]) == [1000.0]


def test_a_report_while_a_retraining_waits_is_forgotten():
    reports = [(1000.0, REPORT), (2000.0, REPORT), (3000.0, replace(REPORT, alarm=False))]
    assert fired_at(RULE, reports, lambda at: 1000.0 < at < 3000.0) == [1000.0]


def test_a_clock_that_was_set_back_ten_years_silences_no_rule():
    ahead = replace(RULE, last_fired_at=1000.0 + 315_576_000.0)
    standings = {(RULE.name, ""): standing_of(ahead)}
    engine = RuleEngine([spec_of(RULE)], clock(1000.0), standings)
    moment = [drift_of(REPORT)]
    fired = [engine.look([], clock(at), moment).firings for at in (1000.0, 1099.0, 1100.0)]
    assert [len(found) for found in fired] == [0, 0, 1]


_REPORTS = st.lists(
    st.builds(
        replace,
        st.just(REPORT),
        alarm=st.sampled_from([True, True, False, None]),
        verdict=st.sampled_from([Verdict.DRIFT, Verdict.DRIFT, Verdict.CRITICAL]),
        model=st.sampled_from(["digits/3", "digits/4", "letters/1", None]),
        endpoint=st.sampled_from(["digits", "digits", "other"]),
        columns=st.sampled_from([(), (column("missing"),), (column("ks"), column("missing"))]),
    ),
    max_size=60,
)


@given(_REPORTS, st.lists(st.integers(1, 200), min_size=60, max_size=60), st.sets(st.integers(0, 60)))
def test_as_a_document_a_rule_fires_when_it_fired_before_there_were_documents(reports, pauses, busy):
    times = [float(sum(pauses[: number + 1])) for number in range(len(reports))]
    series = list(zip(times, reports, strict=True))
    underway = {at for number, at in enumerate(times) if number in busy}
    assert fired_at(RULE, series, underway.__contains__) == fired_before(RULE, series, underway.__contains__)


def test_as_a_document_it_fires_alike_over_a_recorded_day_of_reports():
    """A report each 30 s for a day; the data drift for six hours, and flap for two."""
    series = [
        (float(at), replace(REPORT, alarm=21_600 <= at < 43_200 or (50_000 <= at < 57_200 and at % 120 == 0)))
        for at in range(0, 86_400, 30)
    ]
    rule = replace(RULE, cooldown_seconds=3600.0)
    assert fired_at(rule, series) == fired_before(rule, series)
    assert len(fired_at(rule, series)) == 8
