"""What a clean-up takes: exactly what all of its conditions are true of, and never what somebody needs."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.registry.cleanup.plan import CleanUpRule, RegistryUsers, plan_runs, plan_versions, token_of
from mlops_desk.registry.records.model import Model, ModelVersion, Run

NOW = 2_000_000_000.0
DAY = 86_400.0
NOBODY = RegistryUsers()
NAN, INF = math.nan, math.inf


def run(name: str, value: float | None = None, status: str = "FINISHED", days: float | None = 1.0, **tags: str) -> Run:
    ended = None if days is None else int((NOW - days * DAY) * 1000)
    metrics = {} if value is None else {"auc": value}
    return Run(name, name, status, ended, metrics=metrics, tags=tags, end_time=ended)


def going(
    rule: CleanUpRule, runs: list[Run], *, versions: tuple[ModelVersion, ...] = (), users: RegistryUsers = NOBODY
) -> set[str]:
    return {item.name for item in plan_runs(rule, runs, versions, users).going}


def kept(
    rule: CleanUpRule, runs: list[Run], *, versions: tuple[ModelVersion, ...] = (), users: RegistryUsers = NOBODY
) -> dict[str, str | None]:
    return {item.name: item.kept_by for item in plan_runs(rule, runs, versions, users).kept}


BEST_2 = CleanUpRule(NOW, "sweep", 2, "auc")


def test_the_best_stay_and_of_those_that_have_the_metric_the_others_go() -> None:
    runs = [run("a", 0.9), run("b", 0.8), run("c", 0.7), run("d", NAN), run("e"), run("f", -INF)]
    assert going(BEST_2, runs) == {"c", "d", "f"}


def test_of_a_loss_the_least_are_the_best_unless_it_is_said_otherwise() -> None:
    runs = [replace(run(name), metrics={"val/loss": value}) for name, value in (("a", 0.1), ("b", 0.5), ("c", 0.3))]
    rule = CleanUpRule(NOW, "sweep", 1, "val/loss")
    assert going(rule, runs) == {"b", "c"}
    assert going(replace(rule, lower_is_better=False), runs) == {"a", "c"}


@pytest.mark.parametrize(("metric", "lower"), [("val_loss", True), ("test-rmse", True), ("auc", False), ("f1", False)])
def test_which_way_a_metric_goes_is_told_by_its_name(metric: str, lower: bool) -> None:
    rule = CleanUpRule(NOW, "x", 1, metric)
    rule.check()
    assert rule.prefers_lower is lower


def test_of_a_metric_whose_name_does_not_tell_nothing_is_guessed_before_runs_go() -> None:
    rule = CleanUpRule(NOW, "x", 1, "closs")
    with pytest.raises(Invalid, match="closs"):
        rule.check()
    replace(rule, lower_is_better=False).check()


def test_of_equal_values_the_older_run_is_the_better_one_and_then_the_lesser_id() -> None:
    rule = replace(BEST_2, keep_best=1)
    assert going(rule, [run("new", 0.9, days=1), run("old", 0.9, days=2)]) == {"new"}
    assert going(rule, [run("b", 0.9), run("a", 0.9)]) == {"b"}


def test_all_that_is_asked_for_has_to_be_true() -> None:
    rule = CleanUpRule(NOW, "sweep", 1, "auc", older_than_seconds=10 * DAY, failed=True)
    runs = [
        run("best", 0.9, "FAILED", 20),
        run("goes", 0.5, "FAILED", 20),
        run("killed", 0.5, "KILLED", 11),
        run("finished", 0.5, "FINISHED", 20),
        run("young", 0.5, "FAILED", 5),
        run("no metric", None, "FAILED", 20),
        run("no time", 0.5, "FAILED", None),
    ]
    assert going(rule, runs) == {"goes", "killed"}


def test_a_run_is_older_than_a_time_by_more_than_that_and_by_when_it_ended() -> None:
    rule = CleanUpRule(NOW, "sweep", older_than_seconds=DAY)
    long = replace(run("long", days=0.5), start_time=int((NOW - 9 * DAY) * 1000))
    assert going(rule, [run("exactly", days=1.0), run("more", days=1.01), long]) == {"more"}
    only_begun = replace(run("begun", days=5), end_time=None)
    assert going(rule, [only_begun]) == {"begun"}


@pytest.mark.parametrize("status", ["RUNNING", "SCHEDULED"])
def test_what_has_not_ended_never_goes(status: str) -> None:
    runs = [run("a", 0.9), run("b", 0.8), run("c", 0.1, status)]
    assert kept(BEST_2, runs) == {"c": "it has not ended"}
    assert going(BEST_2, runs) == set()


def test_what_a_version_was_made_of_and_what_the_desk_needs_stays_and_says_why() -> None:
    runs = [run("a", 0.9), run("b", 0.8), run("c", 0.1), run("d", 0.2), run("e", 0.3)]
    version = ModelVersion("iris", "3", "c", None, "READY")
    users = RegistryUsers(runs={"d": "endpoint iris serves its model"})
    assert going(BEST_2, runs, versions=(version,), users=users) == {"e"}
    assert kept(BEST_2, runs, versions=(version,), users=users) == {
        "c": "version iris/3 was made of it",
        "d": "endpoint iris serves its model",
    }


def test_a_run_above_one_that_stays_stays_and_one_above_those_that_go_goes() -> None:
    rule = CleanUpRule(NOW, "sweep", older_than_seconds=DAY)
    runs = [
        run("top", days=9),
        run("middle", days=8, **{"mlflow.parentRunId": "top"}),
        run("leaf", days=0.1, **{"mlflow.parentRunId": "middle"}),
        run("other top", days=9),
        run("other leaf", days=8, **{"mlflow.parentRunId": "other top"}),
        run("of nobody", days=8, **{"mlflow.parentRunId": "gone"}),
    ]
    assert going(rule, runs) == {"other top", "other leaf", "of nobody"}
    assert set(kept(rule, runs)) == {"top", "middle"}


def test_runs_that_are_each_others_parents_end_the_search() -> None:
    rule = CleanUpRule(NOW, "sweep", older_than_seconds=DAY)
    runs = [run("a", days=9, **{"mlflow.parentRunId": "b"}), run("b", days=9, **{"mlflow.parentRunId": "a"}),
            run("c", days=0, **{"mlflow.parentRunId": "a"})]  # fmt: skip
    assert going(rule, runs) == set()


VALUES = st.one_of(st.none(), st.floats(), st.sampled_from([0.0, -0.0, 0.5]))


@given(st.lists(VALUES, max_size=30), st.integers(1, 5), st.booleans())
@example([NAN, NAN], 1, False)
@example([INF, -INF, 0.0], 1, True)
@example([None], 1, False)
def test_the_best_are_as_many_as_asked_for_and_none_that_goes_is_better(
    values: list[float | None], n: int, lower: bool
) -> None:
    rule = CleanUpRule(NOW, "sweep", n, "auc", lower)
    runs = [run(f"{place:03}", value) for place, value in enumerate(values)]
    gone = going(rule, runs)
    staying = [v for place, v in enumerate(values) if f"{place:03}" not in gone and v is not None]
    numbers = [v for v in values if v is not None and not math.isnan(v)]
    assert len(staying) == min(n, len(numbers))
    assert not any(math.isnan(v) for v in staying)
    leaving = [values[int(name)] for name in gone]
    for value in leaving:
        assert value is not None
        if not math.isnan(value) and staying:
            assert value >= max(staying) if lower else value <= min(staying)


MODELS = [Model("iris", "5", {"champion": "2"}), Model("wine", "1")]
OLD, YOUNG = NOW - 40 * DAY, NOW - DAY


def version(
    number: str, name: str = "iris", at: float | None = OLD, status: str = "READY", **more: Any
) -> ModelVersion:
    return ModelVersion(name, number, None, None, status, created_at=at, **more)


def test_versions_go_that_no_alias_means_and_nothing_uses_and_that_are_not_the_newest() -> None:
    versions = [version(str(number)) for number in (5, 4, 3, 2, 1)] + [version("1", "wine")]
    users = RegistryUsers(versions={"iris/3": "endpoint iris serves it"})
    planned = plan_versions(CleanUpRule(NOW, model=""), MODELS, versions, users)
    assert [item.name for item in planned.going] == ["iris/4", "iris/1"]
    assert {item.name: item.kept_by for item in planned.kept} == {
        "iris/5": "the newest version, which the model's bare name means",
        "iris/3": "endpoint iris serves it",
        "iris/2": "alias champion",
        "wine/1": "the newest version, which the model's bare name means",
    }


def test_an_alias_that_only_the_version_tells_of_keeps_it_too() -> None:
    planned = plan_versions(CleanUpRule(NOW, model=""), MODELS, [version("4", aliases=("shadow",))], RegistryUsers())
    assert [item.kept_by for item in planned.kept] == ["alias shadow"]


def test_versions_of_an_age_alone_and_none_without_a_time_or_that_is_being_made() -> None:
    rule = CleanUpRule(NOW, model="", older_than_seconds=30 * DAY)
    versions = [
        version("4"),
        version("3", at=YOUNG),
        version("1", at=None),
        version("0", status="PENDING_REGISTRATION"),
    ]
    planned = plan_versions(rule, MODELS, versions, RegistryUsers())
    assert [item.name for item in planned.going] == ["iris/4"]
    assert [item.kept_by for item in planned.kept] == ["it is not ready yet"]


@pytest.mark.parametrize(
    "rule",
    [
        CleanUpRule(NOW),
        CleanUpRule(NOW, "sweep"),
        CleanUpRule(NOW, "sweep", keep_best=3),
        CleanUpRule(NOW, "sweep", metric="auc", failed=True),
        CleanUpRule(NOW, "sweep", 0, "auc"),
        CleanUpRule(NOW, "sweep", older_than_seconds=-1.0),
        CleanUpRule(NOW, model="iris", failed=True),
        CleanUpRule(NOW, model="iris", keep_best=1, metric="auc"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(rule: CleanUpRule) -> None:
    with pytest.raises(Invalid):
        rule.check()


def test_a_token_changes_with_whatever_goes_why_it_goes_and_where() -> None:
    one = plan_runs(BEST_2, [run("a", 0.9), run("b", 0.8), run("c", 0.7)], (), RegistryUsers()).going
    other = plan_runs(BEST_2, [run("a", 0.9), run("b", 0.8), run("c", 0.6)], (), RegistryUsers()).going
    tokens = [token_of(BEST_2, None, one), token_of(BEST_2, None, other), token_of(BEST_2, "sqlite:////x", one),
              token_of(BEST_2, None, ()), token_of(replace(BEST_2, at=NOW + 1), None, one)]  # fmt: skip
    assert len(set(tokens)) == len(tokens)
    assert token_of(BEST_2, None, reversed(one)) == token_of(BEST_2, None, one)
