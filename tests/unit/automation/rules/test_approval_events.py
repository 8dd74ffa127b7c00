"""What waits for a person's word is told when it changes, once, and never from the thread that changed it."""

import threading

from mlops_desk.automation.records.approval import Approval, ApprovalKind
from mlops_desk.automation.records.firing import KeptFiring
from mlops_desk.automation.rules.approval_events import ApprovalNews
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.machine.records.event import ApprovalsChanged, FiringChanged

ONE = Approval("f1", ApprovalKind.FIRING, "r", "A person is asked.")
FIRING = FiringChanged(KeptFiring("f1", "r", "1", "", 1, 0.0, "by ana", ()))


def test_what_waits_is_told_when_it_changes_and_by_a_thread_of_its_own():
    bus, loop, waiting, told = Bus(), Loop("test"), [ONE], []
    came = threading.Semaphore(0)
    threads = set()

    def asked():
        threads.add(threading.get_ident())
        came.release()
        return list(waiting)

    bus.subscribe(ApprovalsChanged, told.append)
    news = ApprovalNews(asked, bus, loop)
    bus.publish(FIRING)
    assert came.acquire(timeout=30.0)
    loop.stop()
    assert threading.get_ident() not in threads
    news.look()
    news.look()
    assert told == [ApprovalsChanged((ONE,))]
    waiting.clear()
    news.look()
    assert told[1:] == [ApprovalsChanged(())]


def test_what_can_not_be_asked_is_left_as_it_was_told():
    bus, loop, told, answers = Bus(), Loop("test"), [], [[ONE]]

    def asked():
        if not answers:
            raise Unavailable("The disk is full.")
        return answers.pop()

    bus.subscribe(ApprovalsChanged, told.append)
    news = ApprovalNews(asked, bus, loop)
    news.look()
    news.look()
    assert told == [ApprovalsChanged((ONE,))]
    loop.stop()
