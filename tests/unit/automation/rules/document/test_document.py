"""A rule as a document: read strictly, told where it is wrong, written back as the same."""

import json

import jsonschema
import pytest
import yaml
from hypothesis import example, given, settings

from mlops_desk.automation.records.actions import (
    AlertAction,
    ApprovalAction,
    NotifyAction,
    RetrainAction,
    StopJobAction,
)
from mlops_desk.automation.records.conditions import (
    Both,
    Either,
    ManualClause,
    MetricClause,
    ScheduleClause,
    StateClause,
)
from mlops_desk.automation.records.spec import QuietHours, RuleSpec
from mlops_desk.automation.rules.document.document import format_rule, parse_rule, rule_schema
from mlops_desk.kit.base.errors import Invalid
from tests.rule_specs import METRICS, rules

WHOLE = """\
apiVersion: mlops-desk/v1
kind: Rule
name: keep-fresh
when:
  and:
  - metric: endpoint.latency.p95
    of: iris
    above: 0.5
    clear: 0.2
    for: 5m
  - or:
    - cron: 0 2 * * 1-5
      zone: Europe/Berlin
    - state: job
      is: [failed, cancelled]
      of: nightly
then:
- approval: Retrain iris?
  people: 2
- retrain: iris
  metric: loss
  goal: minimize
  data: {/data: /srv/today}
- notify: [desktop, email]
  level: alert
cooldown: 1d
budget: {gpuHours: 20, per: 7d}
quiet:
- {from: 22:00, to: 07:30, zone: Europe/Berlin, days: [sun, mon]}
"""
HEAD = "apiVersion: mlops-desk/v1\nkind: Rule\nname: r\n"
TAIL = "then:\n- notify: [desktop]\n"


def read(text):
    return parse_rule(text, METRICS)


def refused(text):
    with pytest.raises(Invalid) as caught:
        read(text)
    return caught.value


def test_a_whole_rule_is_read() -> None:
    assert read(WHOLE) == RuleSpec(
        name="keep-fresh",
        when=Both(
            (
                MetricClause("endpoint.latency.p95", "endpoint", 0.5, 0.2, True, "iris", 300.0),
                Either(
                    (
                        ScheduleClause("0 2 * * 1-5", "Europe/Berlin"),
                        StateClause("job", ("failed", "cancelled"), "nightly"),
                    )
                ),
            )
        ),
        then=(
            ApprovalAction("Retrain iris?", 2),
            RetrainAction("iris", "loss", "champion", False, {"/data": "/srv/today"}),
            NotifyAction(("desktop", "email"), "alert"),
        ),
        cooldown_seconds=86_400.0,
        gpu_hours=20.0,
        budget_seconds=604_800.0,
        quiet=(QuietHours(1320, 450, "Europe/Berlin", (0, 6)),),
    )


BY_HAND = RuleSpec("rule-1", ManualClause(), (StopJobAction(600.0, "nightly"),))
BELOW = RuleSpec(
    "rule-1", MetricClause("hw.temperature", "disk", -40.0, -40.0, False), (NotifyAction(("desktop",), "warning", "#"),)
)


@pytest.mark.slow
@settings(max_examples=300)
@example(BY_HAND)
@example(BELOW)
@given(rules())
def test_a_rule_survives_its_document(spec: RuleSpec) -> None:
    text = format_rule(spec)
    assert read(text) == spec
    assert format_rule(read(text)) == text


@pytest.mark.slow
@settings(max_examples=50)
@given(rules())
def test_what_the_program_writes_fits_the_schema(spec: RuleSpec) -> None:
    jsonschema.Draft202012Validator(rule_schema()).validate(yaml.safe_load(format_rule(spec)))


def test_the_schema_is_one_and_refuses_an_unknown_key_deep_within() -> None:
    schema = rule_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(json.loads(json.dumps(schema)))
    document = yaml.safe_load(WHOLE.replace("22:00", "'22:00'").replace("07:30", "'07:30'"))
    assert validator.is_valid(document)
    document["when"]["and"][1]["or"][0]["cronn"] = "0 2 * * *"
    assert not validator.is_valid(document)


@pytest.mark.parametrize(
    ("when", "place", "text", "hint"),
    [
        ("{metrik: hw.gpu.utilization, above: 0.9}", "Line 4, column 8", "'metrik' is not a key of when", "mean metric?"),
        ("{metric: hw.gpu.utilisation, above: 0.9}", "Line 4, column 16", "nothing that the desk measures", "hw.gpu.utilization?"),
        ("{metric: hw.gpu.utilization, above: 90}", "Line 4, column 43", "'90' does not fit", "between 0 and 1"),
        ("{metric: hw.gpu.utilization, above: 0.9, clear: 7}", "Line 4, column 55", "'7' does not fit", "between 0 and 1"),
        ("{metric: hw.temperature, above: 80}", "Line 4, column 16", "measured of disk and gpu", "device: disk (or gpu)"),
        ("{metric: hw.temperature, device: host, above: 80}", "Line 4, column 40", "'host' does not fit", "disk or gpu"),
        ("{metric: hw.gpu.utilization}", "Line 4, column 7", "either above or below", "join"),
        ("{metric: hw.gpu.utilization, above: 0.9, below: 0.1}", "Line 4, column 55", "either above or below", "join"),
        ("{metric: hw.gpu.utilization, above: 0.5, clear: 0.6}", "Line 4, column 55", "'0.6' does not fit", "at most 0.5"),
        ("{metric: hw.gpu.utilization, below: 0.5, clear: 0.4}", "Line 4, column 55", "'0.4' does not fit", "at least 0.5"),
        ("{metric: hw.gpu.utilization, below: 0.5, for: 1m, average: true}", "Line 4, column 66", "taken over a time", "above:"),
        ("{metric: hw.gpu.utilization, above: 0.5, average: true}", "Line 4, column 57", "taken over a time", "for:"),
        ("{metric: hw.gpu.utilization, below: 0.5, grownOver: 1h}", "Line 4, column 59", "a counter grows", "above:"),
        ("{metric: hw.gpu.utilization, above: 0.5, for: 1m, average: true, grownOver: 1h}", "Line 4, column 66", "a growth already", "Take it away"),
        ("{state: job}", "Line 4, column 7", "which states count is missing", "is: [queued]"),
        ("{state: job, is: [broken]}", "Line 4, column 25", "'broken' does not fit", "failed"),
        ("{state: job, is: [unknown]}", "Line 4, column 25", "nobody knows", "Take it away"),
        ("{state: gpu, is: [lost, lost]}", "Line 4, column 31", "a second time", "Keep one"),
        ("{state: job, is: [failed], above: 3}", "Line 4, column 41", "says nothing beside state", "goes with metric"),
        ("{cron: 0 2 30 2 *}", "Line 4, column 14", "day 30 never comes in month 2", "L is its last"),
        ("{cron: '0 2 31 4,6 *'}", "Line 4, column 14", "day 31 never comes in month 4,6", "L is its last"),
        ("{cron: 0 2 32 2 *}", "Line 4, column 14", "does not fit", "five fields"),
        ("{cron: 0 2 30 13 *}", "Line 4, column 14", "does not fit", "five fields"),
        ("{cron: 0 2 * *}", "Line 4, column 14", "does not fit", "five fields"),
        ("{cron: 0 2 * * *, zone: Europe/Berlim}", "Line 4, column 31", "'Europe/Berlim' does not fit", "Europe/Berlin"),
        ("{newData: data}", "Line 4, column 17", "'data' does not fit", "absolute path"),
        ("{newRows: sqlite:////srv/a.db, column: id}", "Line 4, column 7", "which table of the database", "table: sales.orders"),
        ("{newRows: sqlite:////srv/a.db, table: t}", "Line 4, column 7", "which column of the database", "column: id"),
        ("{newRows: sqlite:////srv/a.db, query: SELECT 1}", "Line 4, column 7", "which column of the database", "column: id"),
        ("{newRows: sqlite:////srv/a.db, table: t, query: SELECT 1, column: id}", "Line 4, column 55", "not both", "one of them"),
        ("{newRows: sqlite:////srv/a.db, query: SELECT 1; SELECT 2, column: id}", "Line 4, column 45", "more than one statement", "one query"),
        ("{newRows: 'postgresql://me@db/a', query: SELECT (1, column: id}", "Line 4, column 48", "opens a bracket", "Close it"),
        ("{newRows: sqlite:////srv/a.db, table: 't;', column: id}", "Line 4, column 45", "does not fit", "sales.orders"),
        ("{newRows: sqlite:///a.db, table: t, column: id}", "Line 4, column 17", "no absolute path", "slash"),
        ("{newRows: mysql://me@db/a, table: t, column: id}", "Line 4, column 17", "'mysql' is not read", "postgresql://"),
        ("{newRows: postgresql://me:pw@db/a, table: t, column: id}", "Line 4, column 17", "for all to read", "login: NAME"),
        ("{newRows: 'postgresql://me@db/a?password=pw', table: t, column: id}", "Line 4, column 17", "for all to read", "login: NAME"),
        ("{dvc: rows.dvc}", "Line 4, column 13", "does not fit", "absolute path"),
        ("{dvc: /srv/a.dvc, table: t}", "Line 4, column 32", "says nothing beside dvc", "goes with newRows"),
        ("{manual: no}", "Line 4, column 16", "'false' does not fit", "another condition"),
        ("{cron: 0 2 * * *, manual: true}", "Line 4, column 33", "there is cron already", "and: or or:"),
        ("{of: iris}", "Line 4, column 7", "does not say what it is", "metric"),
        ("{and: [{cron: 0 2 * * *}]}", "Line 4, column 13", "when.and has 1 of at least 2 items", "list"),
        ("{cron: */10 * * * *}", "Line 4, column 15", "not YAML", "begins with * or & stands in quotes"),
        ("{cron: * 2 * * *}", "Line 4, column 15", "not YAML", "begins with * or & stands in quotes"),
        ("{metric: hw.gpu.utilization, above: 90}", "Line 4, column 43", "'90' does not fit", "; 90 % is 0.9"),
        ("{and: [{cron: 0 2 * * *}, {newData: /srv/a}]}", "Line 4, column 13", "never come at once", "or:"),
        ("{or: [{cron: 0 2 * * *}, {manual: true}]}", "Line 4, column 41", "fired by hand", "Take it away"),
        ("{and: [{state: job, is: [failed]}, {state: gpu, is: [lost]}]}", "Line 4, column 7", "each gpu and each job", "of:"),
    ],
)  # fmt: skip
def test_a_condition_that_is_wrong_is_told_with_place_and_remedy(when, place, text, hint) -> None:
    error = refused(f"{HEAD}when: {when}\n{TAIL}")
    assert str(error).startswith(f"{place}: ")
    assert text in str(error)
    assert hint in (error.hint or "")


@pytest.mark.parametrize(
    ("then", "text", "hint"),
    [
        ("{notify: [desktop, desktop]}", "a second time", "Keep one"),
        ("{notify: [pigeon]}", "'pigeon' does not fit", "desktop, webhook, email or command"),
        ("{retrain: iris}", "which metric decides is missing", "metric: accuracy"),
        ("{stop: each}", "the rule fires for no job", "Name the job"),
        ("{stop: nightly, people: 2}", "says nothing beside stop", "goes with approval"),
        ("{alert: grave}", "'grave' does not fit", "info, warning or alert"),
        ("{alert: info, level: warning}", "says nothing beside alert", "goes with notify"),
        ("{pause: iris, rollBack: iris}", "there is pause already", "item of the list"),
        ("{approval: Sure, people: 0}", "'0' does not fit", "1 to 10"),
    ],
)
def test_an_action_that_is_wrong_is_told_with_place_and_remedy(then, text, hint) -> None:
    error = refused(f"{HEAD}when: {{metric: hw.gpu.utilization, above: 0.9}}\nthen:\n- {then}\n")
    assert str(error).startswith("Line 6, column ")
    assert text in str(error)
    assert hint in (error.hint or "")


def test_an_alert_of_a_moment_is_refused_and_of_what_lasts_is_not() -> None:
    error = refused(f"{HEAD}when: {{cron: 0 2 * * *}}\nthen:\n- notify: [desktop]\n- alert: warning\n")
    assert str(error).startswith("Line 7, column ")
    assert "a moment (a schedule, new data, a push) lasts no time" in str(error)
    spec = read(f"{HEAD}when: {{state: job, is: [failed]}}\nthen:\n- {{alert: info, text: Look}}\n")
    assert spec.then == (AlertAction("info", "Look"),)


def test_a_rule_about_each_job_may_stop_the_job_that_it_fires_for() -> None:
    spec = read(f"{HEAD}when: {{metric: job.cpu, below: 0.01, for: 1h}}\nthen:\n- stop: each\n")
    assert spec.then == (StopJobAction(600.0, None),)


@pytest.mark.parametrize(
    ("line", "place", "text"),
    [
        ("for: 5m\n", "Line 7, column 6", "a moment (a schedule, new data, a push) lasts no time"),
        ("cooldown: 10\n", "Line 7, column 11", "'10' does not fit"),
        ("quiet: [{from: 22:00, to: 22:00}]\n", "Line 7, column 9", "it ends when it begins"),
        ("quiet: [{from: 24:00, to: 22:00}]\n", "Line 7, column 16", "'24:00' does not fit"),
        ("quiet: [{from: 21:00, to: 22:00, days: [mon, mon]}]\n", "Line 7, column 46", "a second time"),
        ("budget: {per: 7d}\n", "Line 7, column 9", "budget.gpuHours is missing"),
    ],
)
def test_what_holds_a_rule_back_is_read_as_strictly(line, place, text) -> None:
    error = refused(f"{HEAD}when: {{cron: 0 2 * * *}}\n{TAIL}{line}")
    assert str(error).startswith(f"{place}: ")
    assert text in str(error)


def test_a_budget_of_nothing_is_refused_with_what_is_meant_by_it() -> None:
    error = refused(f"{HEAD}when: {{cron: 0 2 * * *}}\n{TAIL}budget: {{gpuHours: 0}}\n")
    assert "'0' does not fit" in str(error)
    assert "above 0" in str(error.hint)
    assert "rules pause" in str(error.hint)
