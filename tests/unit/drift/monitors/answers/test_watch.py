"""Answers scored as labels come: from a log and its feedback as files, with the real worker in this process."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_desk.drift.monitors.answers import worker
from mlops_desk.drift.records.answers import AnswerColumns, AnswersState
from mlops_desk.drift.records.performance import Direction, PredictionKind
from mlops_desk.drift.records.sources import Reference, ReferenceKind
from mlops_desk.kit.base.errors import TimedOut, Unavailable
from mlops_desk.kit.storage.state import State
from tests.unit.drift.monitors.answers.world import BEGIN, COLUMNS, ROWS, Answered


@pytest.fixture
def state(tmp_path):
    made = State(tmp_path / "state.db")
    yield made
    made.close()


@pytest.fixture
def world(tmp_path, state):
    return Answered(tmp_path, state)


@pytest.mark.slow
def test_windows_without_labels_are_neither_fine_nor_zero_but_expected(world):
    world.traffic(0.0, 0.0)
    told = world.look()
    assert told.state is AnswersState.UNLABELLED
    assert told.command == "mlops-desk endpoints feedback churn FILE"
    for window in world.windows():
        assert window.state is AnswersState.UNLABELLED
        assert (window.counts.n_rows, window.counts.n_used, window.counts.n_unlabelled) == (ROWS, 0, ROWS)
        assert all(figure.value is None for figure in window.figures.values())
        assert 0.6 < window.expected["accuracy"].value < 0.95
        assert window.expected["accuracy"].error is None
        assert not window.alarm
    assert "None of 200 rows has a label yet" in told.sentence


@pytest.mark.slow
def test_labels_bring_figures_with_intervals_beside_what_was_expected(world):
    world.traffic(0.0)
    world.look()
    world.label(world.truth)
    assert world.look().state is AnswersState.FINE
    (window,) = world.windows()
    figure = window.figures["accuracy"]
    hits = sum(truth == said for truth, said in _pairs(world))
    assert figure.value == pytest.approx(hits / ROWS)
    assert figure.low < figure.value < figure.high
    expected = window.expected["accuracy"]
    assert expected.realised == pytest.approx(figure.value)
    assert expected.error == pytest.approx(expected.value - figure.value)
    told = world.performance()
    assert (told.kind, told.positive, told.calibrated is not None) == (PredictionKind.CLASSIFICATION, "1", True)
    assert told.reference["accuracy"].n_chunks >= 3
    assert told.reference_counts.n_used == 800


def _pairs(world):
    import duckdb

    files = [str(path) for path in (world.folder / "log").glob("*/*/requests-*.parquet")]
    rows = duckdb.sql(f'SELECT _request_id, "_output.said" FROM read_parquet({files})').fetchall()
    return [(world.truth[name], said) for name, said in rows]


@pytest.mark.slow
def test_two_worse_windows_turn_and_two_good_ones_turn_back(world):
    world.traffic(0.0, 0.0, 0.3)
    world.label(world.truth)
    told = world.look()
    world.traffic(0.3)
    world.label(world.truth)
    told = world.look()
    assert told.state is AnswersState.TURNED
    windows = world.windows()
    assert windows[-1].outside["accuracy"] is Direction.WORSE
    assert told.turned_at in {windows[1].window_start, windows[2].window_start}
    assert told.sentence.startswith("Accuracy 0.8025 → ")
    world.traffic(0.0)
    world.label(world.truth)
    assert world.look().state is AnswersState.TURNED
    world.traffic(0.0)
    world.label(world.truth)
    assert world.look().state is AnswersState.FINE


@pytest.mark.slow
def test_a_better_figure_rings_nobody(world):
    """Answers that are nearly always right, after a reference that mostly is."""
    world.traffic(0.0, 0.0)
    world.label(world.truth)
    for name, said in [(name, said) for (name, _), (_, said) in zip(world.truth.items(), _pairs(world), strict=True)]:
        world.truth[name] = said
    world.label(world.truth)
    assert world.look().state is AnswersState.FINE
    assert world.windows()[-1].outside["accuracy"] is Direction.BETTER


@pytest.mark.slow
def test_what_was_said_of_a_window_stays_when_late_labels_move_it(world):
    """Few labels come first, all of them wrong; the rest come late and say that all was well."""
    world.traffic(0.0, 0.0)
    said = dict(_said(world))
    wrong = list(world.truth)[:60] + list(world.truth)[ROWS : ROWS + 60]
    right = [name for name in world.truth if name not in wrong]
    world.truth |= {name: 1 - said[name] for name in wrong}
    world.label(wrong)
    assert world.look().state is AnswersState.TURNED
    first = world.windows()[-1]
    assert (first.alarm, first.alarm_said, first.n_late) == (True, True, 0)
    world.truth |= {name: said[name] for name in world.truth}
    world.label(world.truth)
    assert world.look().state is AnswersState.FINE
    last = world.windows()[-1]
    assert (last.alarm, last.alarm_said) == (False, True)
    assert last.n_late == ROWS - 60
    assert [one.n_used for one in last.said] == [60, ROWS]
    assert last.said[0].figures["accuracy"] == 0.0
    assert right


def _said(world):
    import duckdb

    files = [str(path) for path in (world.folder / "log").glob("*/*/requests-*.parquet")]
    return duckdb.sql(f'SELECT _request_id, "_output.said" FROM read_parquet({files})').fetchall()


@pytest.mark.slow
def test_nothing_is_scored_again_while_no_label_is_new(world):
    world.traffic(0.0)
    world.label(world.truth)
    world.look()
    before = world.windows()
    world.look()
    assert world.asked == ["keep", "score"]
    world.watch = world.again()
    world.look()
    assert world.asked == ["keep", "score", "score"]  # another agent asks once, and nothing is another
    assert world.windows() == before


@pytest.mark.slow
def test_what_an_earlier_program_scored_otherwise_is_scored_again(world, monkeypatch):
    monkeypatch.setattr(worker, "_RECIPE", "1")
    world.traffic(0.0)
    world.label(world.truth)
    world.look()
    before = world.windows()
    monkeypatch.undo()
    world.watch = world.again()
    world.look()
    assert [one.labels for one in world.windows()] != [one.labels for one in before]
    assert [one.figures for one in world.windows()] == [one.figures for one in before]


@pytest.mark.slow
@pytest.mark.parametrize("error", [TimedOut("The worker took too long."), Unavailable("It was killed.")])
def test_a_worker_that_fails_leaves_all_as_it_was_and_says_so(world, error):
    world.traffic(0.0)
    world.label(world.truth)
    world.look()
    before = world.windows()
    world.traffic(0.3)
    world.fails = error
    told = world.look()
    assert (told.state, told.trouble) == (AnswersState.UNKNOWN, error.message)
    assert world.windows() == before
    world.fails = None
    assert world.look().state is AnswersState.UNLABELLED
    assert len(world.windows()) == 2


@pytest.mark.slow
def test_an_agent_that_ends_before_it_has_kept_the_scores_scores_them_once_more(world, monkeypatch):
    world.traffic(0.0, 0.3, 0.3)
    world.label(world.truth)

    def full(_windows):
        raise Unavailable("The disk is full.")

    monkeypatch.setattr(world.answers._records, "put_all", full)
    assert world.look().state is AnswersState.UNKNOWN
    assert world.windows() == []
    monkeypatch.undo()
    world.watch = world.again()
    assert world.look().state is AnswersState.TURNED
    assert [one.number for one in world.windows()] == [1, 2, 3]
    assert all(len(one.said) == 1 for one in world.windows())


@pytest.mark.slow
def test_figures_stay_when_rows_are_no_longer_logged(world):
    """The window lies in two hours, of which the first goes: what is left of it would say less than before."""
    world.traffic(0.0, rows=600)
    world.label(world.truth)
    world.look()
    before = world.windows()
    hours = sorted((world.folder / "log").glob("????-??-??/??"))
    for gone in (hours[0], hours[1]):
        shutil.rmtree(gone)
        world.label(list(world.truth)[-5:])
        assert world.look().state is AnswersState.FINE
        assert world.windows() == before
    assert len(hours) == 2


@pytest.mark.slow
def test_a_request_that_two_windows_share_counts_once(world):
    from mlops_desk.kit.storage.requests import LoggedRow

    world.log([LoggedRow("one", BEGIN, 1, 200, 0.1, row, None, {"x": 0.0}, {"said": 1, "p": 0.7}) for row in range(50)])
    world.log(
        [LoggedRow("two", BEGIN + 9, 1, 200, 0.1, row, None, {"x": 0.0}, {"said": 1, "p": 0.7}) for row in range(50)]
    )
    world.judge(BEGIN, BEGIN + 9, 70)
    world.judge(BEGIN + 9, BEGIN + 9, 30)
    world.look()
    assert [one.counts and one.counts.n_rows for one in world.windows()] == [100, None]
    assert "counted in the window before" in world.windows()[1].why or world.windows()[1].counts is None


def test_without_a_reference_there_are_figures_and_the_way_to_one(tmp_path, state):
    world = Answered(tmp_path, state, reference=False)
    world.traffic(0.3, 0.3)
    world.label(world.truth)
    told = world.look()
    assert told.state is AnswersState.NO_REFERENCE
    assert "good.csv is no file" in told.sentence
    assert told.command == "mlops-desk drift monitors configure churn --answers-from TIME --answers-to TIME"
    assert world.windows()[-1].figures["accuracy"].value is not None
    assert not any(one.alarm for one in world.windows())


@pytest.mark.slow
def test_a_span_of_its_own_requests_is_a_reference(world):
    world.traffic(0.0, 0.0, 0.0)
    end = BEGIN + world.n - 1
    world.monitor = replace(world.monitor, answers_reference=Reference(ReferenceKind.PINNED, start=BEGIN, end=end))
    world.label(world.truth)
    assert world.look().state is AnswersState.FINE
    assert world.performance().reference_counts.n_used == 3 * ROWS
    world.traffic(0.35, 0.35)
    world.label(world.truth)
    assert world.look().state is AnswersState.TURNED
    assert world.asked.count("keep") == 1


def _counting(monkeypatch):
    counted = []
    real = worker.fit

    def counting(data, window_rows):
        counted.append(data.n_reference)
        return real(data, window_rows)

    monkeypatch.setattr(worker, "fit", counting)
    return counted


@pytest.mark.slow
@pytest.mark.parametrize(
    "columns", [COLUMNS, AnswerColumns("churned", "p", kind=PredictionKind.REGRESSION)], ids=["classes", "numbers"]
)
def test_what_the_reference_says_is_learned_once_and_is_the_same_afterwards(tmp_path, state, monkeypatch, columns):
    world = Answered(tmp_path, state, columns=columns)
    learned = _counting(monkeypatch)
    world.traffic(0.0, 0.2)
    world.label(list(world.truth)[:50])
    world.look()
    assert learned == [800]
    world.watch = world.again()
    world.label(list(world.truth)[50:])
    world.look()
    assert learned == [800], "another agent takes what was kept"
    kept = [(one.figures, one.expected, one.outside, one.watched) for one in world.windows()]
    facts = world.performance()
    next((tmp_path / "answers" / "m").glob("learned-*.json")).unlink()
    world.answers.forget_monitor("m")
    world.watch = world.again()
    world.look()
    assert learned == [800, 800]
    assert [(one.figures, one.expected, one.outside, one.watched) for one in world.windows()] == kept
    assert (world.performance().reference, world.performance().notes) == (facts.reference, facts.notes)


@pytest.mark.slow
def test_another_reference_is_learned_anew_and_the_old_is_gone(world, tmp_path, monkeypatch):
    learned = _counting(monkeypatch)
    world.traffic(0.0)
    world.label(world.truth)
    world.look()
    other = tmp_path / "other.csv"
    other.write_text(world.reference(500), encoding="utf-8")
    held = Reference(ReferenceKind.FILE, path=str(other))
    world.monitor = replace(world.monitor, answers_reference=held)
    world.look()
    assert learned == [800, 500]
    assert len(list((tmp_path / "answers" / "m").glob("learned-*"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"{}", b"not JSON", b'{"of": {"kind": "classification"}}'])
def test_what_was_learned_and_is_damaged_is_learned_anew(world, tmp_path, monkeypatch, content):
    world.traffic(0.0)
    world.label(list(world.truth)[:100])
    world.look()
    learned = _counting(monkeypatch)
    file = next((tmp_path / "answers" / "m").glob("learned-*.json"))
    file.write_bytes(content)
    world.label(world.truth)
    assert world.look().state is AnswersState.FINE
    assert learned == [800]
    assert file.read_bytes() != content


def test_a_reference_that_was_half_copied_when_the_agent_was_killed_is_none(world, monkeypatch):
    class Killed(BaseException):
        """What no code outlives."""

    def half(source, target):
        Path(target).write_bytes(Path(source).read_bytes()[:20])
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("shutil.copyfile", half)
        with pytest.raises(Killed):
            world.shelf.put_reference(world.monitor, world.file)
    assert world.shelf.reference(world.monitor) is None
    other = replace(world.monitor, model="churn/2")
    kept = world.shelf.put_reference(other, world.file)
    assert kept == world.shelf.reference(other)
    assert kept.read_bytes() == world.file.read_bytes()
    assert list(kept.parent.iterdir()) == [kept], "nothing is left over"


@pytest.mark.slow
def test_a_class_that_the_reference_does_not_know_has_it_learned_anew(world, monkeypatch):
    learned = _counting(monkeypatch)
    world.traffic(0.0)
    world.label(list(world.truth)[:100])
    world.look()
    world.truth[list(world.truth)[150]] = 2
    world.label(world.truth)
    world.look()
    assert learned == [800, 800]
    assert world.performance().classes == ("0", "1", "2")


@pytest.mark.slow
def test_windows_of_another_version_stay_as_they_were(world):
    world.traffic(0.0)
    world.label(world.truth)
    world.look()
    before = world.windows()
    world.monitor = replace(world.monitor, model="churn/2")
    told = world.look()
    assert told.state is AnswersState.UNLABELLED
    assert world.windows() == before


@pytest.mark.slow
def test_numbers_are_scored_by_their_errors(tmp_path, state):
    world = Answered(tmp_path, state, columns=AnswerColumns("churned", "p", kind=PredictionKind.REGRESSION))
    world.traffic(0.0, 0.0)
    world.label(world.truth)
    assert world.look().state is AnswersState.FINE
    assert world.performance().kind is PredictionKind.REGRESSION
    assert world.windows()[-1].figures["mae"].value > 0
    world.traffic(0.5, 0.5)
    world.label(world.truth)
    assert world.look().state is AnswersState.TURNED


@pytest.mark.slow
@settings(max_examples=3, deadline=None)
@given(st.data())
def test_labels_in_any_order_give_the_same_figures_and_the_same_alarms(data):
    found = []
    for order in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            state = State(Path(folder) / "state.db")
            try:
                world = Answered(Path(folder), state, rows=60, reference_rows=300)
                world.traffic(0.0, 0.4, 0.4, 0.0, rows=60)
                names = sorted(world.truth)
                batches = [names[at : at + 80] for at in range(0, len(names), 80)]
                if order:
                    batches = data.draw(st.permutations(batches))
                for at, batch in enumerate(batches):
                    world.label(batch, given_at=float(at))
                    if order:
                        world.look()
                world.look()
                found.append([
                    replace(one, said=(), n_late=0, scored_at=None, alarm_said=None, reference_id=None) for one in world.windows()
                ])  # fmt: skip
            finally:
                state.close()
    assert found[0] == found[1]
    assert [one.counts.n_used for one in found[0]] == [60] * 4
