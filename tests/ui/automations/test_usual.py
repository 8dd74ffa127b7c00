"""A form of the usual rules and their documents are the same rule; what a form can't say it leaves alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.automation.rules.document.document import parse_rule
from mlops_desk.automation.window.rules.usual import FIELDS, THEN, WHEN, UsualRule, asked, document_of, rule_of, written
from mlops_desk.kit.base.document.field_declarations import write_document
from mlops_desk.kit.base.document.nodes import read_document, values_of
from tests.rule_specs import METRICS

HOT = {
    ("name",): "warn-hot-gpus", ("when", "metric"): "hw.temperature", ("when", "device"): "gpu", ("when", "above"): "84",
    ("when", "clear"): "80.5", ("for",): "5m", ("then", "notify"): "desktop, email", ("cooldown",): "1h",
}  # fmt: skip


def read(text):
    return values_of(read_document(text, 10))


def test_a_form_becomes_a_document_that_the_agent_reads():
    text = write_document(document_of(UsualRule("metric", "notify", HOT)))
    spec = parse_rule(text, METRICS)
    assert (spec.name, spec.for_seconds, spec.cooldown_seconds) == ("warn-hot-gpus", 300.0, 3600.0)
    assert (spec.when.threshold, spec.when.clear, spec.then[0].ways) == (84.0, 80.5, ("desktop", "email"))
    assert "above: 84\n" in text  # no quotes around a number
    assert rule_of(read(text)) == UsualRule("metric", "notify", HOT)


@pytest.mark.parametrize(
    "condition",
    [
        "{metric: gpu.throttled, device: gpu, above: 0.1, average: true, clear: 0.02, for: 30s}",
        "{metric: hw.errors.ecc.volatile.corrected, device: gpu, above: 1000, grownOver: 5m, clear: 100}",
        "{metric: gpu.pcie_share, device: gpu, below: 0.25, clear: 0.49}",
    ],
)
@pytest.mark.parametrize("level", ["info", "warning", "alert"])
def test_what_built_in_rules_say_the_form_can_say(condition, level):
    text = f"apiVersion: mlops-desk/v1\nkind: Rule\nname: hot\nwhen: {condition}\nthen: [{{alert: {level}}}]\n"
    rule = rule_of(read(text))
    assert (rule.then, rule.values["then", "alert"]) == ("alert", level)
    assert read(write_document(document_of(rule))) == read(text)


@pytest.mark.parametrize(("key", "value"), [("ci", "mlops-desk.yaml"), ("promote", "champion")])
def test_what_a_push_sets_off_is_read_by_the_agent(key, value):
    values = {("name",): "by-tag", ("when", "push"): "/srv/git/a.git", ("when", "ref"): "main", ("then", key): value}
    text = write_document(document_of(UsualRule("push", key, values)))
    assert rule_of(read(text)) == UsualRule("push", key, values)
    assert len(parse_rule(text, METRICS).then) == 1


def test_a_value_that_there_is_not_is_left_to_the_document():
    loud = write_document(document_of(UsualRule("metric", "notify", {**HOT, ("then", "level"): "loud"})))
    assert rule_of(read(loud)) is None


def test_a_rule_that_only_people_fire_is_read_by_the_agent_too():
    values = {("name",): "again", ("then", "retrain"): "churn", ("then", "metric"): "roc_auc"}
    text = write_document(document_of(UsualRule("manual", "retrain", values)))
    assert parse_rule(text, METRICS).then[0].model == "churn"
    assert rule_of(read(text)) == UsualRule("manual", "retrain", values)


@pytest.mark.parametrize(
    "more",
    [
        "budget: {gpuHours: 8}\n",
        "quiet: [{from: '22:00', to: '06:00'}]\n",
        "note: {a: b}\n",
    ],
)
def test_a_document_that_says_more_is_left_to_itself(more):
    text = write_document(document_of(UsualRule("metric", "notify", HOT)))
    assert rule_of(read(text + more)) is None


@pytest.mark.parametrize(
    "text",
    [
        "a: b",
        "[]",
        "just words",
        "when: {metric: a}\nthen: []",
        "when: {metric: a}\nthen: [{notify: [desktop]}, {submit: b}]",
        "when: {and: [{metric: a}, {metric: b}]}\nthen: [{notify: [desktop]}]",
        "when: {state: job, is: [a, [b]]}\nthen: [{submit: b}]",
        "when: {metric: {a: b}}\nthen: [{submit: b}]",
    ],
)
def test_what_is_no_usual_rule_is_none(text):
    assert rule_of(read(text)) is None


@given(
    st.sampled_from([kind for kind, _ in WHEN]),
    st.sampled_from([kind for kind, _ in THEN]),
    st.data(),
)
def test_what_the_form_holds_comes_back_from_its_document(when, then, data):
    word = st.from_regex(r"[a-z][a-z0-9./ -]{0,12}[a-z0-9]|[0-9]{1,6}|0\.[0-9]{1,3}", fullmatch=True)
    keys = {"metric": ("when", "metric"), "state": ("when", "state"), "drift": ("when", "drift"), "cron": ("when", "cron"),
            "newData": ("when", "newData"), "push": ("when", "push")}  # fmt: skip
    needed = {("name",), ("then", then), *([keys[when]] if when in keys else [])}
    values = {}
    for field in FIELDS:
        if asked(field, when, then) and (field.path in needed or data.draw(st.booleans())):
            values[field.path] = data.draw(st.sampled_from(field.choices) if field.choices else word)
    rule = UsualRule(when, then, values)
    assert rule_of(read(write_document(document_of(rule)))) == rule


@pytest.mark.parametrize(
    ("text", "value"),
    [("84", 84), ("0.1", 0.1), ("0.10", "0.10"), ("1e9", "1e9"), ("nan", "nan"), ("inf", "inf"), ("007", "007"), ("5m", "5m")],
)  # fmt: skip
def test_a_number_is_written_as_somebody_wrote_it(text, value):
    assert written(text) == value
    assert type(written(text)) is type(value)
