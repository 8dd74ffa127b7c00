"""The demonstration's monitors: each state that there is, and a story that history, columns, alerts and reports share."""

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from mlops_desk.desk import open_desk
from mlops_desk.desk.demo import drift_monitors
from mlops_desk.desk.demo.demo_desk import DemoDesk
from mlops_desk.desk.demo.endpoints import ON_GPU
from mlops_desk.drift.records.answers import AnswersState
from mlops_desk.drift.records.monitors import JudgedWindow, MonitorState
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.loop import Loop

pytestmark = pytest.mark.timeout(900)  # each process that runs some of these has the demo look back once, 40 windows

DAY = 86_400.0
EIGHT_HOURS = 8 * 3600.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    found = DataFolder(tmp_path_factory.mktemp("demo") / "demo")
    found.make()
    return found


@pytest.fixture(scope="module")
def demo(folder: DataFolder) -> Iterator[DemoDesk]:
    """Return the demo whose monitors were looked at once, and once more after its first training."""
    loop = Loop("test")
    desk = open_desk(folder, loop, demo=True)
    assert isinstance(desk, DemoDesk)
    desk.endpoints.start()
    desk.endpoints.deploy(ON_GPU[1], ON_GPU[0])  # the demo does when telemetry knows the GPUs; nothing measures here
    desk.monitors.check_due()
    assert desk.monitors.history("churn-prod") == []  # the rule would retrain before the story has begun
    desk.drift_desk.let_turn()
    yield desk
    desk.drift_desk.close()
    loop.stop(10.0)


@pytest.mark.slow
def test_each_state_is_there_with_its_reason(demo: DemoDesk) -> None:
    told = {one.monitor.name: one for one in demo.monitors.list()}
    assert {name: one.state for name, one in told.items()} == {
        "churn-prod": MonitorState.TURNED,
        "churn-eu": MonitorState.TURNED,
        "churn-exports": MonitorState.FINE,
        "line-defects": MonitorState.WAITING,
        "support-drafts": MonitorState.UNKNOWN,
    }
    assert told["line-defects"].sentence == "Waits for the first request."
    assert "/data/tickets/train.parquet" in (told["support-drafts"].trouble or "")
    assert "There is no endpoint" not in " ".join(one.sentence for one in told.values())
    assert told["churn-exports"].sentence.startswith("Nothing has moved")
    assert told["churn-eu"].monitor.model == "churn/2"
    assert told["churn-prod"].monitor.model == "churn/3"


@pytest.mark.slow
def test_the_old_models_windows_go_back_for_two_weeks_without_a_gap(demo: DemoDesk) -> None:
    windows = demo.monitors.history("churn-eu")
    assert len(windows) >= 40
    assert windows[-1].window_end - windows[0].window_start > 13 * DAY
    assert time.time() - windows[-1].window_end < EIGHT_HOURS + 600
    assert all(later.window_start - one.window_start == pytest.approx(EIGHT_HOURS) for one, later in pairwise(windows))
    assert all(180_000 < one.n_rows < 250_000 for one in windows)  # at 7.5 requests a second


def test_one_column_moves_at_once_and_another_loses_its_values_bit_by_bit(demo: DemoDesk) -> None:
    windows = demo.monitors.history("churn-eu")
    moved = [one.columns["tenure_months"].verdict is Verdict.DRIFT for one in windows]
    onset = moved.index(True)
    assert 20 < onset < len(windows) - 12
    assert all(moved[onset:])
    lost = [one.columns["data_usage_gb"].missing_ratio or 0.0 for one in windows]
    began = next(at for at, share in enumerate(lost) if share)
    assert began < onset
    assert not any(lost[:began])
    assert all(earlier < later for earlier, later in pairwise(lost[began:]))
    newest = windows[-1].columns["data_usage_gb"]
    assert (newest.of_quality, newest.label) == (True, "missing")
    assert {name for one in windows for name, score in one.columns.items() if score.verdict.is_alarm} == {
        "tenure_months", "data_usage_gb", "support_calls",
    }  # fmt: skip


def test_one_window_has_a_quality_alarm_and_rings_for_nobody(demo: DemoDesk) -> None:
    windows = demo.monitors.history("churn-eu")
    odd = [at for at, one in enumerate(windows) if one.quality]
    assert len(odd) == 1
    assert "support_calls" in windows[odd[0]].quality[0]
    assert windows[odd[0]].verdict.is_alarm
    assert not windows[odd[0]].alarm
    assert not windows[odd[0] + 1].verdict.is_alarm


def test_a_columns_story_is_that_of_the_history(demo: DemoDesk) -> None:
    story, windows = demo.monitors.story("churn-eu", "tenure_months"), demo.monitors.history("churn-eu")
    assert [one.verdict for one in story.windows] == [one.columns["tenure_months"].verdict for one in windows]
    assert story.reference is not None
    assert story.windows[0].quantiles[2] == pytest.approx(story.reference.quantiles[2], rel=0.05)
    assert story.windows[-1].quantiles[2] == pytest.approx(windows[-1].columns["tenure_months"].now, rel=0.05)
    assert story.windows[-1].quantiles[2] > story.windows[0].quantiles[2] + 7
    plans = demo.monitors.story("churn-prod", "plan").windows
    assert sum(plans[-1].shares.values()) == pytest.approx(1.0)
    assert plans[-1].shares["premium"] > 2 * plans[0].shares["premium"]
    usage = demo.monitors.story("churn-eu", "data_usage_gb").windows
    assert [one.missing_ratio for one in usage] == [one.columns["data_usage_gb"].missing_ratio for one in windows]


def test_what_has_turned_has_an_alert_that_says_the_same(demo: DemoDesk) -> None:
    alerts = {one.device: one for one in demo.alerts.list() if one.rule == "drift"}
    assert len(alerts) == 2
    for name in ("churn-eu", "churn-prod"):
        standing = demo.monitors.show(name)
        alert = next(one for one in alerts.values() if one.id == standing.alert_id)
        assert standing.sentence in alert.text


@pytest.mark.slow
def test_a_comparison_by_hand_finds_what_the_monitor_found(demo: DemoDesk) -> None:
    for name in ("churn-eu", "churn-prod"):
        report = demo.drift.check(name)
        newest = demo.monitors.history(name)[-1]
        assert {one.name for one in report.columns if one.verdict.is_alarm} == _alarming(newest)


def _alarming(window: JudgedWindow) -> set[str]:
    return {name for name, score in window.columns.items() if score.verdict.is_alarm}


@pytest.mark.slow
def test_time_that_passes_brings_the_next_window_once(demo: DemoDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    before = demo.monitors.history("churn-exports")
    demo.monitors.check("churn-exports")
    assert demo.monitors.history("churn-exports") == before
    later = time.time() + DAY
    monkeypatch.setattr(drift_monitors, "clock", lambda: later)
    for _ in range(2):
        demo.monitors.check("churn-exports")
    after = demo.monitors.history("churn-exports")
    assert after[:-1] == before
    assert after[-1].window_start - before[-1].window_start == pytest.approx(DAY)
    assert not after[-1].verdict.is_alarm


@pytest.mark.slow
def test_a_monitor_of_a_persons_own_sees_the_same_requests(demo: DemoDesk, tmp_path: Path) -> None:
    demo.monitors.create("mine", endpoint="churn-prod", rows=5000)
    standing = demo.monitors.check("mine")
    assert standing.state is MonitorState.TURNED
    assert {one.n_rows for one in demo.monitors.history("mine")} == {5000}
    table = tmp_path / "rows"
    table.mkdir()
    (table / "a.csv").write_text("age\n" + "\n".join(str(20 + number % 40) for number in range(80)) + "\n")
    demo.monitors.create("files", files=str(table), reference_file=str(table / "a.csv"), rows=40)
    demo.monitors.check("files")
    assert [one.n_rows for one in demo.monitors.history("files")] == [40, 40]  # of the files themselves


@pytest.mark.slow
def test_the_next_demo_begins_anew(demo: DemoDesk, folder: DataFolder) -> None:
    assert (folder.drift / "windows.db").exists()
    demo.drift_desk.close()
    loop = Loop("next")
    after = open_desk(folder, loop, demo=True)
    assert isinstance(after, DemoDesk)
    assert after.drift_desk.windows.windows(after.monitors.show("churn-eu").monitor.id) == []
    after.drift_desk.close()
    loop.stop(10.0)


def test_labels_show_how_the_answers_become_worse_while_some_are_still_to_come(demo: DemoDesk) -> None:
    """Two weeks of figures beside what was expected; the newest windows have few labels yet, or none."""
    told = demo.monitors.performance("churn-eu")
    assert told.standing.state is AnswersState.TURNED
    assert told.reference["accuracy"].mean is not None
    assert len(told.windows) >= 40
    early, newest = told.windows[:20], told.windows[-2:]
    assert sum(one.alarm for one in early) <= 2
    assert all(one.counts is not None and one.counts.n_used == one.counts.n_rows for one in early)
    assert all(one.counts is not None and one.counts.n_used < one.counts.n_rows for one in newest)
    assert all("accuracy" in one.expected for one in told.windows)
    before = demo.monitors.performance("churn-eu")
    demo.monitors.check("churn-eu")
    assert demo.monitors.performance("churn-eu").windows == before.windows
