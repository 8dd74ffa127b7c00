"""The demonstration shows each kind of thing on the pages of automations and governance, and people can act on it."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlops_desk.automation.records.approval import ApprovalKind
from mlops_desk.automation.records.firing import FiringState
from mlops_desk.automation.records.pipelines.run import PipelineState, StepName, StepState
from mlops_desk.desk import open_desk
from mlops_desk.desk.demo.demo_desk import DemoDesk
from mlops_desk.desk.demo.scenario import governance, retrainings
from mlops_desk.desk.demo.scenario.labels import PlayedLabels
from mlops_desk.governance.records.card import CardStage
from mlops_desk.governance.records.data.catalogue import SetState
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.kit.base.loop import Loop
from mlops_desk.serving.records.request import LoggedRequest

NOW = 1_796_000_000.0


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoDesk]:
    folder, loop = DataFolder(tmp_path_factory.mktemp("story") / "demo"), Loop("test")
    folder.make()
    desk = open_desk(folder, loop, demo=True)
    assert isinstance(desk, DemoDesk)
    desk.start()
    yield desk
    desk.stop()
    loop.stop(10.0)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_rules_of_each_kind_have_fired_and_can_be_read(demo: DemoDesk) -> None:
    rules = {rule.name: rule for rule in demo.rules.list()}
    assert all(rule.trouble is None and rule.sentence for rule in rules.values())
    assert {name for name, rule in rules.items() if not rule.enabled} == {"keep-churn-eu-fresh"}
    assert rules["nightly-scoring"].next_at is not None
    assert [clause.threshold for clause in rules["warn-hot-gpus"].watched] == [80.0]
    states = {firing.state for firing in demo.rules.firings(limit=200)}
    assert states >= {FiringState.DONE, FiringState.FAILED, FiringState.WAITING}
    until(lambda: len(demo.rules.show("warn-hot-gpus").standings) == 8)
    counted = max(one.fired for one in demo.rules.show("warn-hot-gpus").standings)
    assert counted >= 11, "it goes on counting where the past ended"


def test_retrainings_end_as_real_ones_do() -> None:
    runs = retrainings.runs(1, NOW)
    assert [run.state for run in runs] == [
        PipelineState.PROMOTED, PipelineState.PROMOTED, PipelineState.NOT_BETTER, PipelineState.PROMOTED,
        PipelineState.FAILED,
    ]  # fmt: skip
    held = runs[2]
    assert held.step(StepName.GATE).state is StepState.FAILED
    assert [one.gate for one in held.step(StepName.GATE).evidence.gates if one.passed is False] == ["slice"]
    assert "camera" in (held.text or "")
    broken = runs[-1]
    assert broken.step(StepName.VALIDATE).state is StepState.FAILED
    assert broken.hint is not None
    assert "data_usage_gb" in (broken.text or "")
    for run in runs:
        times = [at for step in run.steps for at in (step.started_at, step.ended_at) if at is not None]
        assert times == sorted(times)
        assert run.created_at <= times[0]
        assert times[-1] == run.ended_at < NOW


@pytest.mark.slow
def test_what_waits_is_a_pipeline_a_move_that_wants_one_more_and_a_question(demo: DemoDesk) -> None:
    until(lambda: len({one.kind for one in demo.approvals.list()}) == 3)
    found = {one.kind: one for one in demo.approvals.list()}
    assert found[ApprovalKind.RETRAINING].comparison is not None
    until(lambda: demo.approvals.show(found[ApprovalKind.PROMOTION].id).agreed == ("amara",))
    move = demo.approvals.show(found[ApprovalKind.PROMOTION].id)
    assert (move.people, move.champion, move.challenger) == (2, "6", "5")
    assert demo.approvals.approve(move.id).state == "moved"
    assert demo.models.show("resnet50").aliases["champion"] == "5"
    question = found[ApprovalKind.FIRING]
    demo.approvals.approve(question.id)
    until(lambda: demo.rules.firing(question.id).state is FiringState.DONE)
    shown = demo.endpoints.show("churn-eu")
    assert shown.model.version == "1"


@pytest.mark.slow
def test_cards_and_data_are_there_with_what_lacks(demo: DemoDesk) -> None:
    until(lambda: {one.stage for one in demo.cards.list()} == {CardStage.APPROVED, CardStage.DRAFT})
    draft = next(one for one in demo.cards.list() if one.stage is CardStage.DRAFT)
    assert draft.needed == ("limits", "licence", "owner")
    until(lambda: {"customer-survey", "accounts-train"} <= {one.name for one in demo.data.list()})
    until(lambda: demo.data.show("customer-survey").brief.state is SetState.CHANGED)
    sets = {one.name: one for one in demo.data.list()}
    assert sets["customer-survey"].versions == 2
    assert sets["accounts-train"].traits.personal == "yes"
    assert not [name for name in sets if name.endswith("(mlflow)")], "what is said of a set does not split it"
    plan = demo.data.retention()
    assert "churn-eu/requests" in {one.dataset for one in plan.items}
    assert {one.dataset for one in plan.held} <= {"churn-prod/requests"}, "a pipeline that waits holds its rows"
    assert 0 < plan.files < 12, "some are older than two weeks, some are not"
    assert {entry.user for entry in demo.agent.audit(limit=200)} >= {"amara", "jonas", "maria"}


def test_a_repository_is_watched_whose_runs_are_there_and_nothing_in_it_is_news(demo: DemoDesk) -> None:
    branch, tags = demo.ci.watched()
    assert {(one.repository, one.rule, one.trouble) for one in (branch, tags)} == {
        ("/srv/git/churn.git", "run-pushed-churn", None)
    }
    runs = {run.id: run for run in demo.state.ci_runs.list()}
    for one, ref in ((branch, "refs/heads/main"), (tags, "refs/tags/v1.4")):
        assert [seen.ref for seen in one.seen] == [seen.ref for seen in one.pushed] == [ref]
        assert one.seen == one.pushed, "it is at what was pushed last"
        assert one.run_id in runs
    firings = [one for one in demo.rules.firings(limit=200) if one.rule == "run-pushed-churn"]
    begun = [runs[firing.steps[0].made or ""] for firing in firings]
    assert [(run.commit, run.ref) for run in begun] == [
        (push.commit, push.ref.split("/", 2)[2]) for firing in firings for push in firing.pushed
    ]
    demo.rules_desk._watch.look()
    assert len([one for one in demo.rules.firings(limit=200) if one.rule == "run-pushed-churn"]) == len(firings) == 3
    assert demo.ci.watched() == [branch, tags], "git was not asked about what is only played"


@pytest.mark.slow
def test_a_label_that_was_set_is_kept(demo: DemoDesk) -> None:
    wanted = demo.labels.list("churn-prod", limit=1)[0]
    before = demo.labels.show("churn-prod").labelled
    assert demo.labels.set("churn-prod", wanted.request_id, {"churned": "1"}).known_requests == 1
    assert demo.labels.show("churn-prod").labelled == before + 1
    assert demo.labels.show("churn-prod").columns == ("churned",)
    (row,) = demo.endpoints.logged("churn-prod", wanted.request_id)
    assert row.feedback == {"churned": 1}
    assert demo.labels.show("churn-eu").labelled == 0
    with pytest.raises(NotFound):
        demo.labels.set("churn-prod", "00000000ffffffff", {"churned": "1"})


@pytest.mark.slow
def test_a_second_start_leaves_no_more_old_logs(tmp_path: Path) -> None:
    for now in (NOW, NOW + 7200.0):
        governance._old_logs(tmp_path, now)
    assert len(list(tmp_path.glob("*/*/*.parquet"))) == 6


@pytest.mark.slow
def test_a_file_of_labels_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    labels, file = PlayedLabels(), tmp_path / "labels.jsonl"
    one = LoggedRequest("r1", 0, NOW, 1, 200, 0.01)
    with pytest.raises(NotFound):
        labels.take("front", file)
    for bad in ("nonsense", '{"row": 0}', '{"request_id": "r1"}', "[1]", "[" * 100_000):
        file.write_text('{"request_id": "r1", "left": 1}\n' + bad + "\n")
        with pytest.raises(Invalid):
            labels.take("front", file)
    assert next(labels.labelled("front", [one])).feedback == {}
    file.write_text('{"request_id": "r1", "left": 1}\n\n{"request_id": "r1", "row": 0, "why": "price"}\n')
    assert labels.take("front", file).rows == 2
    assert next(labels.labelled("front", [one])).feedback == {"left": 1, "why": "price"}
    assert next(labels.labelled("other", [one])).feedback == {}
    os.truncate(file, (64 << 20) + 1)
    with pytest.raises(Invalid, match="too large"):
        labels.take("front", file)
