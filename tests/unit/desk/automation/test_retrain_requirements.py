"""What a rule is told to lack when it is made: each thing by itself, and nothing that nobody can tell."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.automation.records.pipelines.plan import EvaluationPlan
from mlops_desk.automation.records.retraining_rule import Rule
from mlops_desk.automation.records.rule_record import WrittenRule
from mlops_desk.automation.records.spec import RuleSpec
from mlops_desk.automation.rules.storage.rule_repository import ReadRule
from mlops_desk.desk.automation.retrain_requirements import NeedsWatch, RuleNeeds
from mlops_desk.drift.records.monitors import Monitor, MonitorStanding, MonitorState
from mlops_desk.drift.records.sources import Reference, ReferenceKind, Source, SourceKind
from mlops_desk.drift.reference_dataset import FoundReference
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.kit.base.errors import NotFound, Unavailable
from mlops_desk.registry.records.model import DatasetInput, ModelVersion

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


def standing(state=MonitorState.UNKNOWN, reference=ReferenceKind.TRAINING, trouble="Its file is gone.", hint="Do it."):
    monitor = Monitor("m", "front", Source(SourceKind.LOG, "front"), Reference(reference), endpoint="front")
    return MonitorStanding(monitor, state, trouble=trouble, hint=hint)


def test_drift_that_no_monitor_can_judge_is_told_with_what_to_do_about_it(tmp_path: Path) -> None:
    rule = replace(RULE, data={"/data": str(tmp_path)}, endpoint="front")
    told = ["Drift of endpoint front is not judged: Its file is gone. Do it."]
    assert needs(monitors=lambda _name: [standing()]).lacking(rule) == told
    paused = standing(MonitorState.PAUSED, trouble=None)
    assert needs(monitors=lambda _name: [paused, standing()]).lacking(rule) == told
    judged = standing(MonitorState.WAITING, trouble=None)
    assert needs(monitors=lambda _name: [judged, standing()]).lacking(rule) == []
    assert needs(monitors=lambda _name: [paused]).lacking(rule) == []
    assert needs(monitors=raises(Unavailable("away"))).lacking(rule) == []
    assert needs(monitors=lambda _name: [standing()]).lacking(replace(rule, endpoint=None)) == []


@pytest.mark.parametrize(
    ("reference", "n"),
    [(ReferenceKind.LIVE, 0), (ReferenceKind.FILE, 0), (ReferenceKind.TRAINING, 1), (ReferenceKind.VALIDATION, 1)],
)
def test_a_monitor_with_a_reference_of_its_own_needs_no_data_set_with_a_path(
    tmp_path: Path, reference: ReferenceKind, n: int
) -> None:
    bare = DatasetInput("iris", "1", "training", "code", '{"tags": {"mlflow.source.name": "train.py"}}')
    rule = replace(RULE, data={"/data": str(tmp_path)}, endpoint="front")
    waits = standing(MonitorState.WAITING, reference, trouble=None)
    found = needs(dataset=lambda _run, _contexts: bare, monitors=lambda _name: [waits]).lacking(rule)
    assert len(found) == n


class Rules:
    """Two rules that are judged, and what they lack."""

    def __init__(self) -> None:
        spec = RuleSpec("", when=None, then=())  # type: ignore[arg-type]  # nothing of it is looked at
        self.rules = [ReadRule(WrittenRule(name, name, "", 0, 0.0), replace(spec, name=name)) for name in ("a", "b")]
        self.lacks: dict[str, list[str]] = {"a": [], "b": ["There is no endpoint front."]}
        self.looked: list[str] = []
        self.changed: list[str] = []
        self.watch = NeedsWatch(lambda: self.rules, self.lacking, lambda one: self.changed.append(one.written.name))

    def lacking(self, name: str) -> list[str]:
        self.looked.append(name)
        if name not in self.lacks:
            raise NotFound(f"There is no rule {name}.")
        return self.lacks[name]


def test_what_rules_lack_is_known_as_long_as_it_lacks() -> None:
    rules = Rules()
    watch = rules.watch
    watch.look()
    assert (watch.missing("a"), watch.missing("b")) == ((), ("There is no endpoint front.",))
    assert (rules.looked, rules.changed) == (["a", "b"], ["b"]), "who shows it is told once"

    # By itself it looks at those alone that lacked something; all are looked at when something came or went.
    rules.lacks = {"a": ["Its data are gone."], "b": []}
    watch.look()
    assert (watch.missing("a"), watch.missing("b"), rules.changed) == ((), (), ["b", "b"])
    watch.wake()
    watch.look()
    assert (watch.missing("a"), rules.changed) == (("Its data are gone.",), ["b", "b", "a"])

    rules.lacks.pop("a")
    watch.wake()
    watch.look()
    assert watch.missing("a") == ("Its data are gone.",), "nobody could tell"
    rules.rules[0] = replace(rules.rules[0], written=replace(rules.rules[0].written, is_paused=True))
    watch.look()
    assert watch.missing("a") == (), "a paused rule waits for nothing"


def test_a_monitor_that_stands_otherwise_has_all_rules_looked_at_again() -> None:
    rules = Rules()
    rules.lacks["b"] = []
    rules.watch.look()
    for one, n_looks in ((standing(), 2), (standing(), 0), (standing(trouble=None), 2),
                         (standing(reference=ReferenceKind.LIVE, trouble=None), 2)):  # fmt: skip
        rules.looked.clear()
        rules.watch.monitor(one)
        rules.watch.look()
        assert len(rules.looked) == n_looks
