"""The jobs that one file makes: arrays, grids, draws."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_desk.jobs.admission import members
from mlops_desk.jobs.file.spec import format_spec, parse_spec
from mlops_desk.jobs.records.parameter_substitution import filled
from mlops_desk.jobs.records.spec import Goal, JobSpec, Sweep, ValueSpan
from tests.job_specs import specs, sweeps


def drawn(**about):
    return [one.params for one in members(JobSpec("a", "b", sweep=Sweep(**about)))]


def test_a_job_that_is_no_group_is_itself():
    spec = JobSpec("a", "b", params={"lr": "1"})
    assert members(spec) == (spec,)


def test_the_jobs_of_an_array():
    found = members(JobSpec("a", "b", command=("run", "{index}"), array=3, env={"A": "1"}))
    assert [one.env for one in found] == [{"MLD_ARRAY_INDEX": str(index), "A": "1"} for index in range(3)]
    assert [filled(one).command for one in found] == [("run", "0"), ("run", "1"), ("run", "2")]
    assert {one.array for one in found} == {None}


def test_a_variable_of_the_jobs_own_is_left_to_it():
    assert members(JobSpec("a", "b", array=1, env={"MLD_ARRAY_INDEX": "x"}))[0].env == {"MLD_ARRAY_INDEX": "x"}


def test_a_grid_is_all_values_times_each_other_the_last_one_fastest():
    spec = JobSpec("a", "b", params={"lr": "9", "z": "0"}, sweep=Sweep(grid={"lr": ("1", "2"), "d": ("x", "y")}))
    assert [one.params for one in members(spec)] == [
        {"lr": "1", "z": "0", "d": "x", "index": "0"},
        {"lr": "1", "z": "0", "d": "y", "index": "1"},
        {"lr": "2", "z": "0", "d": "x", "index": "2"},
        {"lr": "2", "z": "0", "d": "y", "index": "3"},
    ]


def test_a_job_of_a_sweep_keeps_what_decides_about_its_end():
    sweep = Sweep(grid={"lr": ("1",)}, metric="auc", goal=Goal.MINIMIZE, stop_below_best=3)
    assert members(JobSpec("a", "b", sweep=sweep))[0].sweep == Sweep(
        metric="auc", goal=Goal.MINIMIZE, stop_below_best=3
    )


def test_the_same_draws_on_every_machine_and_version():
    spans = {"lr": ValueSpan(1e-5, 0.1, log=True), "depth": ValueSpan(1, 4, whole=True), "drop": ValueSpan(0, 0.5)}
    assert drawn(spans=spans, grid={"opt": ("adam", "sgd")}, samples=3, seed=7) == [
        {"opt": "sgd", "lr": "0.0133715", "depth": "2", "drop": "0.228157", "index": "0"},
        {"opt": "adam", "lr": "0.0017665", "depth": "2", "drop": "0.214856", "index": "1"},
        {"opt": "adam", "lr": "0.00010632", "depth": "1", "drop": "0.230668", "index": "2"},
    ]


def test_more_samples_and_further_parameters_leave_the_points_as_they_were():
    few = drawn(spans={"lr": ValueSpan(0, 1)}, samples=3, seed=1)
    many = drawn(spans={"b": ValueSpan(0, 1), "lr": ValueSpan(0, 1)}, samples=9, seed=1)
    assert [point["lr"] for point in many[:3]] == [point["lr"] for point in few]
    other = drawn(spans={"lr": ValueSpan(0, 1)}, samples=3, seed=2)
    assert [point["lr"] for point in other] != [point["lr"] for point in few]


@pytest.mark.parametrize("log", [False, True])
def test_each_whole_number_of_a_span_is_drawn(log):
    found = {point["n"] for point in drawn(spans={"n": ValueSpan(1, 4, whole=True, log=log)}, samples=200)}
    assert found == {"1", "2", "3", "4"}


@pytest.mark.slow
@given(sweeps())
@settings(deadline=None)
def test_points_lie_where_the_sweep_says(sweep):
    found = members(JobSpec("a", "b", sweep=sweep))
    if not sweep.samples:
        assert len(found) == math.prod(len(values) for values in sweep.grid.values())
    else:
        assert len(found) == sweep.samples
    for index, one in enumerate(found):
        assert one.params["index"] == str(index)
        for name, values in sweep.grid.items():
            assert one.params[name] in values
        for name, span in sweep.spans.items():
            number = float(one.params[name])
            room = 1e-5 * max(abs(span.low), abs(span.high))  # six digits are written
            assert span.low - room <= number <= span.high + room
            assert not span.whole or number.is_integer()


@pytest.mark.slow
@given(specs(), st.integers(1, 5))
@settings(deadline=None)
def test_each_job_of_a_group_has_a_file_of_its_own(spec, count):
    spec = replace(spec, sweep=None, array=count) if spec.sweep is None else spec
    for one in members(spec):
        again = parse_spec(format_spec(one))
        assert again == replace(one, sweep=None)
        assert members(again) == (again,)
        assert filled(again) == replace(filled(one), sweep=None)
