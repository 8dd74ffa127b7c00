"""Both models scored on the same rows: which parts, what lacks, and what nothing is judged without."""

import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlops_desk.automation.evaluation_rows import RowSource
from mlops_desk.automation.records.pipelines.comparison import ModelCost
from mlops_desk.automation.records.pipelines.plan import EvaluationPlan
from mlops_desk.automation.records.pipelines.run import PipelineRun, PipelineState
from mlops_desk.automation.rules.pipeline.data_snapshot import DataFreezing
from mlops_desk.desk.automation.evaluation import Evaluations
from mlops_desk.drift.model_comparison import rows_worker, worker
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.storage.requests import LoggedFeature
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.test_requests import Silent

CHAMPION, CHALLENGER = (ModelVersion("m", number, f"run-{number}", None, "READY") for number in ("1", "2"))
RUN = PipelineRun("r", "rule", PipelineState.RUNNING, metric="accuracy", plan=EvaluationPlan(label="y"))


class Scene:
    """Two files of 40 rows, a model that says 1 (the champion) and one that says what is right."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sources = []
        self.missing = []
        self.started = []
        self.given = []
        self.gpus = 0
        self.broken: dict[str, Exception] = {}
        self.silent: list[Exception] = []
        for part in ("fixed", "newest"):
            lines = "\n".join(f"{number},{number % 2}" for number in range(40))
            (folder / f"{part}.csv").write_text(f"a,y\n{lines}\n")
            self.sources.append(RowSource(part, f"the {part} rows", folder / f"{part}.csv"))
        freezing = DataFreezing(folder / "pipelines", lambda *_: None)
        self.evaluations = Evaluations(
            freezing, SimpleNamespace(of=self.of), self.answering, self.run, lambda run: self.gpus
        )

    def of(self, run, challenger_run, room):
        assert challenger_run == "run-2"
        return list(self.sources), list(self.missing)

    @contextmanager
    def answering(self, version, what, gpus):
        self.started.append(version.version)
        self.given.append(gpus)

        def answer(rows, target, work):
            if self.silent:
                raise self.silent.pop()
            given = [json.loads(line)["features"]["a"] for line in rows.read_text().splitlines()]
            target.write_text(json.dumps([1 if version.version == "1" else int(value) % 2 for value in given]))
            return len(given)

        cost = lambda rows: ModelCost(int(version.version) * 100, 40, 0.01)  # noqa: E731 - one of four parts
        features = (LoggedFeature("a", "long"),)
        yield SimpleNamespace(answer=answer, cost=cost, features=features, size_bytes=7), None

    def run(self, module, request, seconds):
        broken = self.broken.get(Path(request.get("data", "")).name)
        if module == rows_worker.MODULE and broken is not None:
            raise broken
        return (rows_worker if module == rows_worker.MODULE else worker).answer(request)

    def score(self, run: PipelineRun = RUN):
        return self.evaluations.of(run, CHAMPION, CHALLENGER)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    scene = Scene(tmp_path)
    yield scene
    assert list((tmp_path / "pipelines").iterdir()) == [], "the room is taken away, however it ends"


@pytest.mark.slow
def test_both_are_scored_on_each_part_by_the_same_rows(scene: Scene) -> None:
    found = scene.score()
    assert [(one.part, one.rows, one.champion.value, one.challenger.value) for one in found.scores] == [
        ("fixed", 40, 0.5, 1.0), ("newest", 40, 0.5, 1.0),
    ]  # fmt: skip
    assert scene.started == ["2", "1"], "one after the other"
    assert scene.given == [0, 0]
    scene.gpus = 1
    scene.score()
    assert scene.given[2:] == [1, 1], "both are asked as the champion's job was run"
    assert (found.champion.size_bytes, found.challenger.size_bytes, found.missing) == (100, 200, ())


def test_a_part_that_cannot_be_read_is_said_to_lack_unless_the_rule_names_it(scene: Scene) -> None:
    scene.broken["fixed.csv"] = NotFound("fixed.csv is gone.")
    found = scene.score()
    assert ([one.part for one in found.scores], found.missing) == (["newest"], ("fixed.csv is gone.",))
    scene.sources[0] = replace(scene.sources[0], is_named=True)
    with pytest.raises(NotFound, match=r"fixed.csv is gone"):
        scene.score()


@pytest.mark.parametrize("error", [Unavailable("full"), TimedOut("slow")])
def test_what_cannot_be_read_now_is_waited_for_and_not_left_out(scene: Scene, error: Exception) -> None:
    scene.broken["fixed.csv"] = error
    with pytest.raises(type(error)):
        scene.score()


def test_without_any_rows_no_champion_is_started(scene: Scene) -> None:
    scene.broken = {f"{part}.csv": NotFound(f"no {part}") for part in ("fixed", "newest")}
    found = scene.score()
    assert (found.scores, found.missing, scene.started) == ((), ("no fixed", "no newest"), ["2"])
    assert found.challenger.size_bytes == 7
    scene.sources, scene.missing = [], ["nothing was logged"]
    found = scene.score()
    assert (found.missing, scene.started) == (("nothing was logged",), ["2"]), "nothing is started for it"


def test_a_metric_that_nobody_computes_and_a_full_disk_are_said(scene: Scene, monkeypatch) -> None:
    (scene.folder / "pipelines").mkdir()
    with pytest.raises(Invalid, match="can't be scored by 'loss'"):
        scene.score(replace(RUN, metric="loss"))
    monkeypatch.setattr(
        Path, "mkdir", lambda *_arguments, **_named: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    with pytest.raises(Unavailable, match="No space left"):
        scene.score()


@pytest.mark.slow
def test_a_model_that_never_answers_is_asked_three_times_and_an_engine_that_is_away_for_as_long_as_it_is(
    scene: Scene,
) -> None:
    for _ in range(2):
        scene.silent = [Silent("Version 2 of m does not answer 40 rows.")]
        with pytest.raises(Silent):
            scene.score()
    for _ in range(5):
        scene.silent = [Unavailable("The engine is away.")]
        with pytest.raises(Unavailable, match="away"):
            scene.score()
    scene.silent = [Silent("Version 2 of m does not answer 40 rows.")]
    with pytest.raises(Refused, match=r"does not answer 40 rows. It was tried 3 times."):
        scene.score()
    # A retry of the run is asked anew, and an answer between makes the earlier silence none of those in turn.
    for silent in (True, True, False, True, True):
        scene.silent = [Silent("Not ready.")] if silent else []
        if silent:
            with pytest.raises(Silent):
                scene.score()
        else:
            assert scene.score().scores


@pytest.mark.slow
def test_a_point_of_a_curve_waits_no_longer_for_a_silent_model(scene: Scene) -> None:
    (scene.folder / "pipelines").mkdir()
    room = scene.folder / "room"
    room.mkdir()
    ask = lambda: scene.evaluations.alone(CHALLENGER, scene.folder / "fixed.csv", ("y", None, "accuracy"), room, 0)  # noqa: E731 - of three uses
    for error in (Silent, Silent, Refused):
        scene.silent = [Silent("Not ready.")]
        with pytest.raises(error):
            ask()
    assert ask().value == 1.0
