"""What a model answers as columns of windows: by the reference's names, derived of probabilities, or pinned in the log."""

import json
import shutil

import numpy as np
import pytest

from mlops_desk.drift.data.sources import DataSide, file_at
from mlops_desk.drift.live import reference_capture, worker
from mlops_desk.drift.live.log_rows import LogPlace
from mlops_desk.drift.live.windowing import WindowCutter
from mlops_desk.drift.monitors.worker import compare_segmented
from mlops_desk.drift.profile.profile import beside
from mlops_desk.drift.profile.profile_comparison import compare_profiles
from mlops_desk.drift.profile.worker import profile_of_source
from mlops_desk.drift.records.columns import ColumnKind, ColumnRole
from mlops_desk.drift.records.monitors import Monitor, WindowRule
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.store.windows import WindowStore
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid, NotFound, TimedOut
from mlops_desk.kit.storage.request_log.layout import hour_of, part_path
from mlops_desk.kit.storage.request_log.writer import write_part
from mlops_desk.kit.storage.requests import LoggedFeature, LoggedRow
from tests.unit.drift.live.doors import doors

BEGIN = 1_772_323_200.0  # 2026-03-01T00:00:00Z
MONITOR = Monitor("m", "churn", Source(SourceKind.LOG, "churn"), endpoint="churn", window=WindowRule(200))
SIGNED = DriftOptions(features=("age",), kinds={"age": "numeric"})


class Served:
    """A log that a model answers into, and a store of its windows."""

    def __init__(self, folder, outputs):
        self.folder = folder
        self.random = np.random.default_rng(5)
        self.outputs = outputs
        self.n = 0
        self.store = WindowStore(folder / "drift")
        self.fails = None
        self.cutter = WindowCutter(self.store, doors(LogPlace(str(folder / "log"), (3,))), self.run)

    def run(self, module, request, seconds):
        if self.fails is not None:
            raise self.fails
        asked = {worker.__name__: worker.answer, reference_capture.MODULE: reference_capture.answer}[module]
        return asked(wire.loads(wire.dumps(request), dict))

    def traffic(self, n, beside=None, **changed):
        rows = []
        for _ in range(n):
            age = float(self.random.normal(40, 10))  # as JSON has it
            answer = self.outputs(self.random, age, **changed)
            values = {"age": age, **(beside or {})}
            rows.append(LoggedRow(f"{self.n:08d}", BEGIN + self.n, 3, 200, 0.01, 0, None, values, answer))
            self.n += 1
        for hour in sorted({hour_of(one.received_at) for one in rows}):
            some = [one for one in rows if hour_of(one.received_at) == hour]
            write_part(
                some,
                [LoggedFeature("age", "double"), LoggedFeature("site", "text")],
                part_path(self.folder / "log", self.n, hour),
            )

    def take(self):
        return self.cutter.take(MONITOR, BEGIN + self.n + 1000)

    def windows(self):
        return [self.store.profile(one.id)[1] for one in self.store.windows("m")]


def classes(random, age, share=0.3):
    return {"": int(random.random() < share)}


def lists(random, age, sure=0.0):
    p = float(min(0.99, random.beta(4, 2) + sure))
    return {"": [p, (1 - p) / 2, (1 - p) / 2]}


@pytest.fixture
def served(tmp_path):
    made = []

    def serve(outputs):
        made.append(Served(tmp_path, outputs))
        return made[-1]

    yield serve
    for one in made:
        one.store.close()


def reference(folder, header, lines, options=SIGNED, answers="found", name="train.csv", segment=None):
    file = folder / name
    file.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return profile_of_source(DataSide(file_at(file)), options, answers=answers, segment=segment)


def ages(n=800):
    return np.random.default_rng(1).normal(40, 10, n)


def verdicts(found, window):
    return {
        one.name: one.verdict
        for one in compare_profiles(found, window, DriftOptions(require_all_columns=False)).columns
    }


def roles(profile):
    return {one.column.name: (one.column.role, one.column.kind) for one in profile.columns}


@pytest.mark.slow
def test_a_prediction_of_the_data_set_is_what_the_log_calls_nothing(tmp_path, served):
    random = np.random.default_rng(2)
    lines = [f"{age:.3f},{int(random.random() < 0.3)},{int(random.random() < 0.3)}" for age in ages()]
    known = reference(tmp_path, "age,prediction,truth", lines)
    assert roles(known)["prediction"] == (ColumnRole.PREDICTION, ColumnKind.CATEGORICAL)
    assert roles(known)["truth"][0] is ColumnRole.TARGET
    world = served(classes)
    world.store.put_reference("m", known)
    world.traffic(400)
    world.traffic(200, share=0.75)
    world.take()
    first, second, moved = world.windows()
    assert verdicts(known, first)["prediction"] is Verdict.OK
    assert verdicts(known, second)["prediction"] is Verdict.OK
    told = verdicts(known, moved)
    assert (told["prediction"].is_alarm, told["age"]) == (True, Verdict.OK)


@pytest.mark.slow
def test_probabilities_give_confidence_and_the_likeliest_class(tmp_path, served):
    random = np.random.default_rng(2)
    lines = [f'{age:.3f},"{json.dumps(lists(random, age)[""])}"' for age in ages()]
    known = reference(tmp_path, "age,prediction", lines)
    assert roles(known) | {"age": None} == {
        "age": None,
        "prediction": (ColumnRole.PREDICTION, None),
        "confidence of prediction": (ColumnRole.PREDICTION, ColumnKind.NUMERIC),
        "likeliest of prediction": (ColumnRole.PREDICTION, ColumnKind.CATEGORICAL),
    }
    world = served(lists)
    world.store.put_reference("m", known)
    world.traffic(200)
    world.traffic(200, sure=0.25)
    world.take()
    usual, sure = world.windows()
    assert not any(verdict.is_alarm for verdict in verdicts(known, usual).values())
    assert verdicts(known, sure)["confidence of prediction"].is_alarm


@pytest.mark.slow
def test_columns_of_each_class_give_confidence(tmp_path, served):
    def by_class(random, age, sure=0.0):
        p = lists(random, age, sure=sure)[""]
        return {"prob_cat": p[0], "prob_dog": p[1] + p[2]}

    random = np.random.default_rng(2)
    rows = [by_class(random, age) for age in ages()]
    lines = [f"{age:.3f},{row['prob_cat']},{row['prob_dog']}" for age, row in zip(ages(), rows, strict=True)]
    known = reference(tmp_path, "age,prob_cat,prob_dog", lines)
    assert roles(known)["confidence of prob_*"] == (ColumnRole.PREDICTION, ColumnKind.NUMERIC)
    world = served(by_class)
    world.store.put_reference("m", known)
    world.traffic(200)
    world.take()
    (usual,) = world.windows()
    told = verdicts(known, usual)
    assert {"prob_cat", "prob_dog", "confidence of prob_*"} <= set(told)
    assert not any(verdict.is_alarm for verdict in told.values())


@pytest.mark.slow
def test_the_table_of_an_evaluation_gives_answers_and_nothing_else(tmp_path, served):
    random = np.random.default_rng(2)
    data = [[float(age), 1, float(random.normal(age / 10, 1))] for age in ages()]
    table = tmp_path / "eval_results_table.json"
    table.write_text(json.dumps({"columns": ["age", "target", "outputs"], "data": data}))
    of_table = profile_of_source(DataSide(file_at(table)), SIGNED, answers="only")
    assert [one.column.name for one in of_table.columns] == ["outputs"]
    known = beside(reference(tmp_path, "age", [f"{age:.3f}" for age in ages()]), of_table)
    world = served(lambda random, age, more=0.0: {"": float(random.normal(age / 10 + more, 1))})
    world.store.put_reference("m", known)
    world.traffic(200)
    world.traffic(200, more=2.0)
    world.take()
    usual, moved = world.windows()
    assert verdicts(known, usual)["outputs"] is Verdict.OK
    assert verdicts(known, moved)["outputs"].is_alarm


def test_a_table_without_answers_says_what_was_looked_for(tmp_path):
    with pytest.raises(NotFound, match="no answers") as caught:
        reference(tmp_path, "age,truth", ["1,2"] * 40, answers="only")
    assert "prediction" in caught.value.hint


def test_an_input_of_that_name_is_no_answer(tmp_path):
    options = DriftOptions(features=("age", "prediction"), kinds={"prediction": "numeric"})
    known = reference(tmp_path, "age,prediction", [f"{age:.3f},{age:.3f}" for age in ages()], options)
    assert roles(known)["prediction"] == (ColumnRole.FEATURE, ColumnKind.NUMERIC)


@pytest.mark.slow
def test_the_first_quiet_windows_are_pinned_and_no_row_is_lost(tmp_path, served):
    """The window that grows goes on with the answers of its rows, and the next ones are held against the pinned."""
    world = served(lists)
    world.store.put_reference("m", reference(tmp_path, "age", [f"{age:.3f}" for age in ages()]))
    world.traffic(650)
    taken = world.take()
    assert [head.n_rows for head in taken.windows] == [200, 200, 200]
    assert taken.pending_rows == 50
    pinned = world.cutter.pin_answers(MONITOR, taken.windows[0].start, taken.windows[-1].end)
    assert (pinned.columns, pinned.n_rows) == (("confidence of prediction", "likeliest of prediction"), 600)
    assert world.store.reference("m")[0] == pinned.digest
    assert world.cutter.standing("m").pending_rows == 50
    world.traffic(150)
    world.traffic(200, sure=0.25)
    taken = world.take()
    assert [(head.n_rows, head.reference_id) for head in taken.windows] == [(200, pinned.digest)] * 2
    mixed, moved = world.windows()[-2:]
    sketches = {one.column.name: one.sketch for one in mixed.columns}
    assert sketches["confidence of prediction"].n_usable == 200
    assert sketches["likeliest of prediction"].n_usable == 200
    assert verdicts(pinned.reference, mixed)["confidence of prediction"] is Verdict.OK
    assert verdicts(pinned.reference, moved)["confidence of prediction"].is_alarm
    assert "age" in verdicts(pinned.reference, moved)


@pytest.mark.slow
def test_answers_pinned_beside_a_segmented_reference_are_judged_as_a_whole_and_segments_go_on(tmp_path, served):
    """Of the answers of one segment nobody knows how they were: each column of it has a place there, and no sketch."""
    world = served(lists)
    random = np.random.default_rng(3)
    lines = [f"{age:.3f},{'east' if random.random() < 0.7 else 'west'}" for age in ages()]
    options = DriftOptions(features=("age", "site"), kinds={"age": "numeric", "site": "categorical"})
    world.store.put_reference("m", reference(tmp_path, "age,site", lines, options, segment="site"))
    for site, n in (("east", 300), ("west", 120), ("north", 30)):
        world.traffic(n, beside={"site": site})
    first = world.take()
    assert (len(first.windows), first.pending_rows) == (2, 50)
    pinned = world.cutter.pin_answers(MONITOR, first.windows[0].start, first.windows[-1].end)
    kept = world.store.reference("m")[1]
    assert kept.segments.cut.column.name == "site"
    world.traffic(150, sure=0.25, beside={"site": "west"})
    (head,) = world.take().windows
    window = world.store.profile(head.id)[1]
    told = zip(window.segments.cut.parts, window.segments.parts, strict=True)
    assert {value: part.n_rows for (_, value), part in told if value} == {"east": 0, "west": 170}
    unknown = window.segments.unknown
    assert (unknown.labels, list(unknown.counts)) == (("north",), [30])
    answers = set(pinned.columns)
    names = [one.column.name for one in window.columns]
    for part in (*kept.segments.parts, *window.segments.parts):
        assert [one.column.name for one in part.columns] == names
    for part in kept.segments.parts:
        assert {one.column.name for one in part.columns if one.sketch is None} == {"prediction", *answers}
    told = compare_segmented(kept, window, DriftOptions(require_all_columns=False))
    west = next(one for one in told.segments.segments if one.value == "west")
    assert {one.name for one in west.columns if one.verdict is not Verdict.NOT_COMPARED}.isdisjoint(answers)
    assert "age" in {one.name for one in west.columns}
    assert verdicts(kept, window)["confidence of prediction"].is_alarm
    assert world.cutter.standing("m").pending_rows == 0


@pytest.mark.slow
def test_rows_that_are_no_longer_logged_count_as_without_answer(tmp_path, served):
    world = served(classes)
    world.store.put_reference("m", reference(tmp_path, "age", [f"{age:.3f}" for age in ages()]))
    world.traffic(3500)
    world.traffic(160)
    taken = world.take()
    assert taken.pending_rows == 60
    hours = sorted((tmp_path / "log").glob("????-??-??/??"))
    assert len(hours) == 2
    shutil.rmtree(hours[1])
    first = taken.windows[0]
    world.cutter.pin_answers(MONITOR, first.start, first.end)
    world.traffic(140)
    (head,) = world.take().windows
    sketch = {one.column.name: one.sketch for one in world.store.profile(head.id)[1].columns}["prediction"]
    assert head.n_rows == 200
    assert (sketch.n_usable, sketch.n_missing) == (140, 60)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("outputs", "error", "said"),
    [
        (lambda random, age: {}, NotFound, "no answers in it"),
        (lambda random, age: {"": [age, age * 2.0]}, Invalid, "can't be compared"),
    ],
)
def test_answers_that_can_not_be_compared_say_so_and_change_nothing(tmp_path, served, outputs, error, said):
    world = served(outputs)
    digest = world.store.put_reference("m", reference(tmp_path, "age", [f"{age:.3f}" for age in ages()]))
    world.traffic(650)
    taken = world.take()
    with pytest.raises(error, match=said) as caught:
        world.cutter.pin_answers(MONITOR, taken.windows[0].start, taken.windows[-1].end)
    assert caught.value.hint
    assert world.store.reference("m")[0] == digest
    assert world.cutter.standing("m").pending_rows == 50


@pytest.mark.slow
def test_a_span_that_is_gone_and_a_worker_that_is_killed_change_nothing(tmp_path, served):
    world = served(classes)
    digest = world.store.put_reference("m", reference(tmp_path, "age", [f"{age:.3f}" for age in ages()]))
    world.traffic(250)
    world.take()
    with pytest.raises(NotFound, match="no longer logged"):
        world.cutter.pin_answers(MONITOR, BEGIN - 500.0, BEGIN - 1.0)
    world.fails = TimedOut("The worker took too long.")
    with pytest.raises(TimedOut):
        world.cutter.pin_answers(MONITOR, BEGIN, BEGIN + 199)
    assert world.store.reference("m")[0] == digest
    assert world.cutter.standing("m").pending_rows == 50


@pytest.mark.slow
def test_an_answer_beside_an_input_of_its_name_gets_another_one(tmp_path, served):
    world = served(classes)
    lines = [f"{age:.3f},{age:.3f}" for age in ages()]
    options = DriftOptions(features=("age", "prediction"), kinds={"prediction": "numeric"})
    world.store.put_reference("m", reference(tmp_path, "age,prediction", lines, options))
    world.traffic(250, beside={"prediction": 3.5})
    world.take()
    pinned = world.cutter.pin_answers(MONITOR, BEGIN, BEGIN + 199)
    assert pinned.columns == ("predictions",)


@pytest.mark.slow
def test_texts_are_answers_too(tmp_path, served):
    words = ["the", "lamp", "was", "broken", "when", "it", "came", "and", "nobody", "answers", "my", "letters"]
    world = served(lambda random, age: {"content": " ".join(random.choice(words, 6)), "finish_reason": "stop"})
    world.store.put_reference("m", reference(tmp_path, "age", [f"{age:.3f}" for age in ages()]))
    world.traffic(450)
    world.take()
    pinned = world.cutter.pin_answers(MONITOR, BEGIN, BEGIN + 399)
    assert pinned.columns == ("content", "finish_reason")
    kinds = {one.column.name: one.column.kind for one in pinned.reference.columns}
    assert kinds["content"] is ColumnKind.TEXT
    world.traffic(350)
    for head in world.take().windows:
        told = verdicts(pinned.reference, world.store.profile(head.id)[1])
        assert not any(verdict.is_alarm for verdict in told.values())


@pytest.mark.slow
def test_a_store_that_is_full_pins_nothing(tmp_path, served, monkeypatch):
    from mlops_desk.kit.base.errors import Unavailable

    world = served(classes)
    digest = world.store.put_reference("m", reference(tmp_path, "age", [f"{age:.3f}" for age in ages()]))
    world.traffic(250)
    world.take()

    def full(*_rows):
        raise Unavailable("The disk is full.")

    monkeypatch.setattr(world.store._tables, "extend", full)
    with pytest.raises(Unavailable):
        world.cutter.pin_answers(MONITOR, BEGIN, BEGIN + 199)
    monkeypatch.undo()
    assert world.store.reference("m")[0] == digest
    assert world.cutter.standing("m").pending_rows == 50
