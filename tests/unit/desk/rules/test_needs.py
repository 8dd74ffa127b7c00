"""What a rule is told to lack when it is made: each thing by itself, and nothing that nobody can tell."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.base.errors import NotFound, Unavailable
from mlops_desk.desk.reference import FoundReference
from mlops_desk.desk.rules.needs import RuleNeeds
from mlops_desk.records.jobs.job import Job, JobState
from mlops_desk.records.jobs.spec import JobSpec, Mount
from mlops_desk.records.model import DatasetInput, ModelVersion
from mlops_desk.records.pipelines.plan import EvaluationPlan
from mlops_desk.records.rule import Rule

JOB = Job("j", "train", JobState.SUCCEEDED, JobSpec("train", "image", mounts=(Mount("/old", "/data"),)), 0.0, 0, "me")
RULE = Rule("again", "digits", "champion", "accuracy")
NO_ROWS = "there are no rows to score both models on."


def raises(error):
    def ask(*_arguments):
        raise error

    return ask


def needs(**parts) -> RuleNeeds:
    whole = {
        "champion": lambda model, alias: ModelVersion("digits", "1", "run", None, "READY"),
        "job_of_run": lambda run: JOB,
        "dataset": lambda run, contexts: DatasetInput("d", "1", "testing", "local", '{"uri": "/data/d.csv"}'),
        "endpoint": lambda name: SimpleNamespace(model=SimpleNamespace(name="digits")),
        "model": lambda name: SimpleNamespace(name=name),
    }
    return RuleNeeds(**{**whole, **parts})


def test_a_rule_that_has_all_lacks_nothing(tmp_path: Path) -> None:
    rule = replace(RULE, data={"/data": str(tmp_path)}, endpoint="front")
    assert needs().lacking(rule) == []
    assert needs().lacking(RULE) == []


@pytest.mark.parametrize(
    ("parts", "rule", "told"),
    [
        ({"champion": raises(NotFound("no"))}, RULE, ["digits has no alias champion yet, so there is no champion."]),
        ({"champion": raises(NotFound("no")), "model": raises(NotFound("no", "Did you mean 'digit'?"))}, RULE,
         ["There is no registered model digits yet, so there is nothing to train again. Did you mean 'digit'?"]),
        ({"champion": raises(NotFound("no")), "model": raises(NotFound("no"))}, RULE,
         ["There is no registered model digits yet, so there is nothing to train again."]),
        ({"champion": raises(NotFound("no")), "model": raises(Unavailable("away"))}, RULE,
         ["There is no version at digits@champion yet, so there is no champion."]),
        ({"job_of_run": lambda run: None}, RULE,
         ["Version 1 was not trained by a job of this desk, so there is no recipe."]),
        ({"champion": lambda *_: ModelVersion("digits", "1", None, None, "READY")}, RULE,
         ["Version 1 was not trained by a job of this desk, so there is no recipe."]),
        ({}, replace(RULE, data={"/data": "/none", "/more": "/"}),
         ["There is nothing at /none, which is to be /data.", "Its job has no mount at /more."]),
        ({"endpoint": raises(NotFound("no"))}, replace(RULE, endpoint="front"),
         ["There is no endpoint front yet, so nothing of it drifts."]),
        ({"endpoint": lambda name: SimpleNamespace(model=SimpleNamespace(name="other"))},
         replace(RULE, endpoint="front"), ["Endpoint front serves other, and drift of that does not set the rule off."]),
    ],
)  # fmt: skip
def test_what_lacks_is_told_in_a_sentence(parts, rule, told) -> None:
    assert needs(**parts).lacking(rule) == told


def test_without_a_champion_an_endpoint_that_is_not_there_is_told_too() -> None:
    found = needs(champion=raises(NotFound("no")), endpoint=raises(NotFound("no"))).lacking(
        replace(RULE, endpoint="front")
    )
    assert len(found) == 2


def test_rows_lack_only_where_neither_a_file_nor_an_endpoint_may_have_them() -> None:
    without = needs(dataset=raises(NotFound("no")))
    (told,) = without.lacking(RULE)
    assert told.endswith(NO_ROWS)
    assert without.lacking(replace(RULE, plan=EvaluationPlan(test="/t.csv"))) == []
    assert without.lacking(replace(RULE, plan=EvaluationPlan(newest="/t.csv"))) == []
    assert without.lacking(replace(RULE, endpoint="front")) == []


@pytest.mark.parametrize("part", ["champion", "dataset", "endpoint"])
def test_what_cannot_be_told_now_is_not_said_to_lack(part: str) -> None:
    rule = replace(RULE, endpoint="front") if part == "endpoint" else RULE
    assert needs(**{part: raises(Unavailable("away"))}).lacking(rule) == []


@pytest.mark.parametrize(
    ("fails", "told"),
    [
        (PermissionError(13, "Permission denied"), "can't be looked at: Permission denied."),
        (OSError(116, "Stale file handle"), "can't be looked at: Stale file handle."),
        (None, "can't be read: Permission denied."),
    ],
)
def test_data_that_are_there_and_can_not_be_read_are_said_to_lack(monkeypatch, tmp_path, fails, told) -> None:
    def stat(path: Path, real: Callable[[Path], Any] = Path.stat) -> Any:
        if path == tmp_path and fails is not None:
            raise fails
        return real(path)

    monkeypatch.setattr(Path, "stat", stat)
    monkeypatch.setattr("os.access", lambda _path, mode: not mode & os.R_OK)  # root may read all
    rule = replace(RULE, data={"/data": str(tmp_path)}, endpoint="front")
    assert needs().lacking(rule) == [f"{tmp_path}, which is to be /data, {told}"]


def test_a_data_set_that_does_not_say_where_it_lies_is_told_when_the_rule_is_made(tmp_path: Path) -> None:
    """As mlflow.data.from_pandas leaves it without source=: its drift is never judged, and nothing says so later."""
    bare = DatasetInput("iris", "1", "training", "code", '{"tags": {"mlflow.source.name": "train.py"}}')
    rule = replace(RULE, data={"/data": str(tmp_path)}, endpoint="front")
    (told,) = needs(dataset=lambda _run, _contexts: bare).lacking(rule)
    assert "The data set iris was logged without the path of its data" in told
    assert "drift of endpoint front is judged only by" in told
    assert "source=PATH" in told
    found = FoundReference(tmp_path / "train.csv", "a file of its mounts")
    assert needs(dataset=lambda _run, _contexts: bare, search=lambda *_: found).lacking(rule) == []
