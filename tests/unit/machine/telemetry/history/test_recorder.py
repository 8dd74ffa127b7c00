"""The flight recorder: the minutes around an incident, whole, once, bounded, and through a kill."""

import time
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event

from mlops_desk.kit.base.errors import NotFound, TimedOut
from mlops_desk.kit.storage.history import compaction, recordings
from mlops_desk.machine.records.history import Curves
from mlops_desk.machine.records.metric import Reading
from mlops_desk.machine.telemetry.history.curves import CurveReader
from mlops_desk.machine.telemetry.history.disk import DiskHistory
from mlops_desk.machine.telemetry.history.memory import Ring
from mlops_desk.machine.telemetry.history.recorder import Recorder

START = float(int(time.time())) - 2000


class Rig:
    """An agent's history in miniature; ``die`` is kill -9 and a new start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ring = Ring()
        self.history = DiskHistory(folder / "telemetry.db", self.ring, lambda _: None)
        self.recorder = Recorder(self.ring, self.history, CurveReader(self.ring, self.history))
        self.history.flush()

    def run(self, first: int, last: int) -> None:
        for second in range(first, last):
            value = float(second)
            groups = [("GPU-1", {"hw.power": Reading(value, "W")}), ("GPU-1/link-0", {"x": Reading(1.0, "1")})]
            self.ring.append(START + second, [*groups, ("host", {"load": Reading(value / 10, "1")})])
            if second % 10 == 9:
                self.history.flush()

    def die(self) -> "Rig":
        self.history.store.close()
        return Rig(self.folder)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def power(curves: Curves, device: str = "GPU-1") -> np.ndarray:
    (curve,) = (item for item in curves.curves if (item.device, item.metric) == (device, "hw.power"))
    return np.frombuffer(curve.mean, "<f4")


def test_the_minutes_around_an_incident_are_kept_at_full_rate(rig: Rig) -> None:
    rig.run(0, 600)
    rig.recorder.keep("a", START + 500)
    assert power(rig.recorder.read("a", "GPU-1"))[300] == 500  # readable while it is still going on
    rig.run(600, 700)
    rig.recorder.turn()
    assert recordings.total(rig.history.store)[0] == 1
    kept = rig.recorder.read("a")
    assert (kept.start, kept.step_seconds, kept.buckets) == (START + 200, 1.0, 420)
    np.testing.assert_array_equal(power(kept), np.arange(200, 620))
    assert {curve.device for curve in kept.curves} == {"GPU-1", "GPU-1/link-0", "host"}
    assert {curve.device for curve in rig.recorder.read("a", "GPU-1").curves} == {"GPU-1", "GPU-1/link-0"}
    with pytest.raises(NotFound):
        rig.recorder.read("b")


@pytest.mark.slow
def test_a_storm_shares_a_recording(rig: Rig) -> None:
    rig.run(0, 400)
    for number in range(1000):
        rig.recorder.keep(f"storm-{number}", START + 350 + number % 40)
    rig.run(400, 600)
    rig.recorder.turn()
    assert recordings.total(rig.history.store)[0] == 1
    kept = rig.recorder.read("storm-999")
    assert kept.buckets == 300 + 39 + 120  # it goes on for two minutes after the last of them
    assert power(kept)[-1] == 508


def test_each_incident_of_a_long_storm_has_its_minutes_before_and_after(rig: Rig, monkeypatch) -> None:
    monkeypatch.setattr(time, "time", lambda: float(rig.ring.window(1.0).times[-1]))
    rig.run(0, 400)
    told = []
    for second in range(400, 2400, 50):
        rig.run(second, second + 50)
        rig.recorder.turn()
        told.append(second + 49 - 15 * (second % 3))  # some are told late
        rig.recorder.keep(str(second), START + told[-1])
    rig.run(2400, 2600)
    rig.recorder.turn()
    assert 2 < recordings.total(rig.history.store)[0] < 12
    for second, at in zip(range(400, 2400, 50), told, strict=True):
        kept = rig.recorder.read(str(second), "GPU-1")
        first = int(kept.start - START)
        there = power(kept)[max(0, at - 300) - first : at + 120 - first]
        np.testing.assert_array_equal(there, np.arange(max(0, at - 300), at + 120))


def test_a_recording_that_cannot_be_written_holds_up_no_other(rig: Rig, monkeypatch) -> None:
    rig.run(0, 100)
    rig.recorder.keep("old", START - 9000)
    rig.run(100, 400)
    rig.recorder.keep("new", START + 350)
    rig.run(400, 600)

    def late(*_: object) -> list:
        raise TimedOut("The history did not answer in time.")

    monkeypatch.setattr(rig.recorder._reader, "rows", late)
    rig.recorder.turn()
    assert power(rig.recorder.read("new", "GPU-1"))[300] == 350
    assert recordings.total(rig.history.store)[0] == 1
    monkeypatch.undo()
    rig.recorder.turn()
    assert recordings.total(rig.history.store)[0] == 2


def test_a_recording_that_was_noted_before_a_kill_is_written_after_it(rig: Rig) -> None:
    rig.run(0, 500)
    rig.recorder.keep("a", START + 450)
    rig = rig.die()
    rig.run(520, 600)
    rig.recorder.turn()
    assert recordings.total(rig.history.store)[0] == 1
    kept = power(rig.recorder.read("a"))
    np.testing.assert_array_equal(kept[:350], np.arange(150, 500))
    assert np.isnan(kept[351:369]).all()
    np.testing.assert_array_equal(kept[370:], np.arange(520, 570))


def test_what_is_told_before_the_database_is_open_is_kept(tmp_path: Path) -> None:
    ring = Ring()
    history = DiskHistory(tmp_path / "telemetry.db", ring, lambda _: None)
    recorder = Recorder(ring, history, CurveReader(ring, history))
    recorder.keep("early", START)
    recorder.turn()
    history.flush()
    recorder.turn()
    assert recordings.of_incident(history.store, "early") is not None
    history.stop()


def test_the_oldest_recordings_go_and_nothing_else_forgets_them(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "KEPT_RECORDINGS", 2)
    rig.run(0, 100)
    for number in range(3):
        rig.recorder.keep(f"i{number}", START - 5000 + number * 1000)
    rig.recorder.turn()
    for _ in compaction.work(rig.history.store):
        pass
    assert recordings.total(rig.history.store)[0] == 2
    with pytest.raises(NotFound):
        rig.recorder.read("i0")
    assert rig.recorder.read("i2").buckets > 0


def test_the_database_is_asked_only_when_a_recording_may_be_over(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [START + 100]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    asked: list[str] = []
    rig.run(0, 100)
    event.listen(rig.history.store.database._engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    rig.recorder.turn()
    assert len(asked) == 1  # what another agent has noted before
    rig.recorder.turn()
    assert len(asked) == 1
    rig.recorder.keep("a", START + 100)
    del asked[:]
    for _ in range(10):
        rig.recorder.turn()
    assert len(asked) == 1
    clock[0] = START + 221
    rig.recorder.turn()
    assert recordings.total(rig.history.store)[0] == 1
    rig.recorder.turn()
    del asked[:]
    for _ in range(10):
        rig.recorder.turn()
    assert asked == []
