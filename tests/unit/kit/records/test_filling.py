"""Parameters in a command: put in where they stand, and braces that are somebody else's left alone."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.jobs.records.parameter_substitution import fill, filled, names_in
from mlops_desk.jobs.records.spec import JobSpec, Mount, Resources, Sweep
from mlops_desk.kit.base import wire
from tests.job_specs import specs

VALUES = {"lr": "0.1", "model.depth": "3", "a-b": "{lr}"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{lr}", "0.1"),
        ("--lr={lr} {model.depth}{lr}", "--lr=0.1 30.1"),
        ("{{lr}}", "{lr}"),
        ("{{{lr}}}", "{0.1}"),
        ('{{"a": {lr}}}', '{"a": 0.1}'),
        ('{"a": {"lr": {lr}}}', '{"a": {"lr": 0.1}}'),
        ('{"a": "{{name}}"}', '{"a": "{name}"}'),
        ('{"a": {}, "b": [{}, {"c": {lr}}]}', '{"a": {}, "b": [{}, {"c": 0.1}]}'),
        ("${lr} ${HOME:-x} $lr", "${lr} ${HOME:-x} $lr"),
        ("awk '{ print $1 }'", "awk '{ print $1 }'"),
        ("f() { echo {lr}; }", "f() { echo 0.1; }"),
        ("{ lr }", "{ lr }"),
        ("}{", "}{"),
        ("}}", "}"),
        ("{a-b}", "{lr}"),
        ("", ""),
    ],
)
def test_what_stands_in_braces(text, found):
    assert fill(text, VALUES.__getitem__) == found


@given(st.text(st.sampled_from('{}$ab" :,')))
@example("${a}")
@example("{a}}{{")
def test_doubled_braces_are_braces_whatever_is_written(text):
    doubled = text.replace("{", "{{").replace("}", "}}")
    assert names_in(doubled) == []
    assert fill(doubled, VALUES.__getitem__) == text


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_characters="{}")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_characters="{}")), inner),
)


@pytest.mark.slow
@given(_JSON)
@example({"a": {"b": {}}})
@example([{"a": {}}, {}])
def test_json_stays_as_it_is(value):
    text = json.dumps(value)
    assert fill(text, VALUES.__getitem__) == text


def test_a_job_without_parameters_keeps_its_braces():
    spec = JobSpec("a", "b", command=("{lr}", "{{x}}", '{"a": {}}'), env={"A": "{lr}"})
    assert filled(spec) == spec


def test_a_jobs_command_and_environment_get_its_parameters_and_its_seed():
    spec = JobSpec("a", "b", command=("{lr}", "{seed}"), env={"A": "x{lr}"}, params={"lr": "0.1"}, seed=7)
    assert (filled(spec).command, filled(spec).env) == (("0.1", "7"), {"A": "x0.1"})
    assert filled(JobSpec("a", "b", command=("{seed}",), params={"seed": "1"}, seed=7)).command == ("1",)


def test_a_name_that_nobody_knows_stays_for_a_job_that_was_stored_so():
    assert filled(JobSpec("a", "b", command=("{gone} {{x}}",), sweep=Sweep())).command == ("{gone} {x}",)


@pytest.mark.slow
@given(specs())
@settings(deadline=None)
def test_a_spec_survives_its_record(spec):
    assert wire.loads(wire.dumps(spec), JobSpec) == spec


def test_a_record_of_before_there_were_these_fields_is_read():
    old = '{"name": "a", "image": "b", "command": ["c"], "resources": {"gpus": 1}, "mounts": [{"source": "/a", "target": "/b"}]}'
    spec = JobSpec("a", "b", ("c",), resources=Resources(gpus=1), mounts=(Mount("/a", "/b"),))
    assert wire.loads(old, JobSpec) == spec
