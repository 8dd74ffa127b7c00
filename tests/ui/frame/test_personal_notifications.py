"""What a person asked to be told reaches them on the desktop, once, and nothing else does."""

from mlops_desk.desk.window.frame.personal_notifications import Calls
from mlops_desk.machine.records.event import Notice

FREE = Notice("info", "gpus", "Free now: GPU 0. You asked to be told.", personal=True)


def test_each_is_told_once_and_the_oldest_first():
    calls = Calls()
    assert calls.take([]) == []
    told = calls.take([FREE])
    assert [(alarm.level, alarm.title, alarm.text) for alarm in told] == [("info", "MLOps Desk", FREE.text)]
    assert calls.take([FREE]) == []
    later = [Notice("info", "gpus", text, personal=True) for text in ("second", "first")]
    assert [alarm.text for alarm in calls.take([*later, FREE])] == ["first", "second"]
    assert len({alarm.alert for alarm in [*told, *calls.take([FREE, *later])]}) == 2


def test_what_nobody_asked_for_stays_in_the_window():
    calls = Calls()
    assert calls.take([Notice("alert", "gpus", "Job train has lost GPU 1.")]) == []
