"""Answers that become worse, from the log and its feedback through the monitors' service to the alerts: one, in words."""

import json

import numpy as np
import pytest

from mlops_desk.drift.monitors.answers import worker
from mlops_desk.kit.storage.request_log.feedback import Feedback, write_feedback
from mlops_desk.kit.storage.request_log.layout import hour_of, part_path
from mlops_desk.kit.storage.request_log.writer import write_part
from mlops_desk.kit.storage.requests import LoggedFeature, LoggedRow
from mlops_desk.machine.alerts.engine import AlertEngine
from tests.unit.drift.monitors.test_service import World

ROWS = 200


class LabelledWorld(World):
    """The monitors' world with a log and its feedback as files; a window's labels are wrong to a share."""

    def __init__(self, folder):
        super().__init__(folder)
        self.stamp = 0
        self.engine = AlertEngine()
        self.changes = []
        lines = [f"{truth},{said}" for truth, said in self.drawn(1000, 0.1)]
        (folder / "reference.csv").write_text("churned,said\n" + "\n".join(lines) + "\n", encoding="utf-8")

    def drawn(self, n, wrong):
        for truth in (self.random.random(n) < 0.4).astype(int).tolist():
            yield truth, 1 - truth if self.random.random() < wrong else truth

    def run(self, module, request, seconds):
        if module == worker.__name__:
            return worker.answer(json.loads(json.dumps(request)))
        return super().run(module, request, seconds)

    def answer(self, wrong, shift=0.0):
        """Log a window's requests with their labels, and look."""
        begin = self.at + 0.7
        drawn = [*self.drawn(ROWS, wrong)]
        moments = np.linspace(begin, self.at + 60.2, ROWS)
        self.stamp += 1
        rows = [
            LoggedRow(f"r{self.stamp}-{at}", float(moment), 1, 200, 0.1, 0, None, {"age": 1.0}, {"said": said})
            for at, (moment, (_, said)) in enumerate(zip(moments, drawn, strict=True))
        ]
        write_part(rows, [LoggedFeature("age", "double")], part_path(self.folder / "log", self.stamp, hour_of(begin)))
        told = [
            Feedback(row.request_id, None, float(self.stamp), {"churned": truth})
            for row, (truth, _) in zip(rows, drawn, strict=True)
        ]
        write_feedback(self.folder / "log", told, self.stamp)
        standing = self.pass_by(shift)
        self.changes += self.engine.look_at_drift(self.told[-1], float(self.stamp), 5000.0 + self.stamp)
        return standing


@pytest.fixture
def world(tmp_path):
    made = LabelledWorld(tmp_path)
    made.service.check_due()
    made.service.configure("digits", label="churned", prediction="said", answers_file=str(tmp_path / "reference.csv"))
    yield made
    made.state.close()


@pytest.mark.slow
def test_answers_that_become_worse_are_one_alert_that_says_what_moved_until_they_are_good_again(world):
    assert world.answer(0.1).answers.state == "fine"
    assert world.answer(0.1).state == "fine"
    world.answer(0.4)
    told = world.answer(0.4)
    assert (told.state, told.answers.state, told.since) == ("turned", "turned", {})
    began = world.changes[0]
    alert = began.alert
    assert (alert.rule, alert.title, alert.level) == ("drift_answers", "Answers have become worse", "alert")
    assert alert.text.startswith("The answers have become worse: The error has risen (0.092 → ")
    assert alert.command == "mlops-desk drift monitors performance digits"
    world.answer(0.4)
    world.answer(0.1)
    assert all(change.alert.ended_at is None for change in world.changes)
    assert world.answer(0.1).state == "fine"
    *said, ended = world.changes
    assert ended.alert.ended_at is not None
    assert [(change.fresh, change.silent) for change in said] == [(True, False), *[(False, True)] * (len(said) - 1)]
    assert {change.alert.id for change in world.changes} == {alert.id}, "it rings once, and says later what is so then"


@pytest.mark.slow
def test_another_agent_tells_the_alerts_the_same_before_it_looks(world):
    world.answer(0.1)
    world.answer(0.4)
    world.answer(0.4)
    before = world.told[-1]
    again = world.make()
    again._tell_alerts()
    assert world.told[-1] == before


@pytest.mark.slow
def test_data_that_drift_besides_are_told_with_the_answers_in_one_alert(world):
    world.answer(0.1)
    world.answer(0.4, shift=5.0)
    told = world.answer(0.4, shift=5.0)
    assert set(told.since) == {"age"}
    assert [change.alert.rule for change in world.changes if change.alert.ended_at is None][-1] == "drift"
    assert "age" in world.told[-1][0].text
    assert "Accuracy" in world.told[-1][0].text
    assert len(world.engine.firing) == 1


@pytest.mark.slow
def test_a_paused_monitor_ends_its_alert(world):
    world.answer(0.1)
    world.answer(0.4)
    world.answer(0.4)
    world.service.pause("digits")
    (ended,) = world.engine.look_at_drift(world.told[-1], 99.0, 6000.0)
    assert ended.alert.ended_at == 6000.0
