"""The line of those who wait for GPUs in the agents of all users: whose word counts, in which order, and for how long."""

import os
from dataclasses import replace

import pytest

from mlops_desk.gpus.leases.folders import PREFIX, LeaseFolders
from mlops_desk.gpus.leases.host import Process, ThisHost
from mlops_desk.gpus.leases.shared_mailbox.mailbox_files import Paper, Papers
from mlops_desk.gpus.leases.shared_mailbox.queue_service import WaiterPaper, WaitingDesk, in_line
from mlops_desk.gpus.records.gpu_request import Need
from mlops_desk.kit.base.errors import Unavailable

NOW = 1_000_000.0
AGENT = Process(4711, 5, 7)
OTHER = Process(4712, 6, 7)
SAID = WaiterPaper(1001, "4be0643f1d98", "resnet", Need(4), AGENT, "boot-1", 3600.0)


def paper(id_="aaaa", said=SAID, uid=None, at=NOW - 60):
    return Paper(id_, said.uid if uid is None else uid, said, int(at * 1e9))


def line(*papers, lives=True, ours=None, now=NOW):
    return in_line(papers, "boot-1", lives if callable(lives) else lambda _process: lives, now, ours)


def test_whoever_wrote_first_stands_first_whatever_they_say():
    late = paper("aaaa", replace(SAID, uid=1002), at=NOW - 10)
    first = paper("zzzz", at=NOW - 20)
    assert [one.uid for one in line(late, first)] == [1001, 1002]
    (one,) = line(first)
    assert (one.id, one.since, one.name, one.need, one.seconds) == ("zzzz", NOW - 20, "resnet", Need(4), 3600.0)


def test_at_the_same_moment_every_agent_sees_the_same_order():
    both = [paper("bbbb", replace(SAID, uid=uid)) for uid in (1002, 1001)]
    assert [one.uid for one in line(*both)] == [one.uid for one in line(*reversed(both))] == [1001, 1002]


def test_a_user_stands_in_it_once_however_much_they_write():
    crowd = [paper(f"aaa{number}", at=NOW - number) for number in range(1, 9)]
    assert [one.id for one in line(*crowd, paper("root", replace(SAID, uid=1002), uid=0))] == ["root", "aaa8"]


def test_nobody_speaks_for_another_user_but_root():
    assert line(paper(uid=1002)) == ()
    assert [one.uid for one in line(paper(uid=0))] == [1001]


def test_a_place_lasts_as_long_as_its_agent_lives_and_the_machine_runs():
    assert line(paper(), lives=False) == ()
    assert line(paper(said=replace(SAID, boot_id="boot-0"))) == ()
    assert len(line(paper(), lives=None)) == 1
    assert line(paper(at=NOW - 601), lives=None) == ()


def test_only_the_agent_that_wrote_it_knows_the_job():
    assert [one.job_id for one in line(paper(), ours=AGENT)] == ["4be0643f1d98"]
    assert [one.job_id for one in line(paper(), ours=OTHER)] == [None]


@pytest.mark.parametrize(
    "wrong",
    [
        {"need": Need(0)},
        {"need": Need(-3)},
        {"need": Need(65)},
        {"need": Need(1, memory_bytes=-1)},
        {"need": Need(1, uuids=("x",) * 65)},
        {"need": Need(1, model="x" * 101)},
        {"name": "x" * 101},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": -5.0},
    ],
)
def test_what_makes_no_sense_keeps_nothing(wrong):
    assert line(paper(said=replace(SAID, **wrong))) == ()


def test_names_from_outside_are_plain():
    (one,) = line(paper(said=replace(SAID, name="a\x1b[2J\u202eb", need=Need(1, uuids=("GPU-\n1",)))))
    assert "\x1b" not in one.name
    assert "\u202e" not in one.name
    assert "\n" not in one.need.uuids[0]


@pytest.fixture
def desk(tmp_path):
    return WaitingDesk(LeaseFolders((tmp_path / "leases",)))


def test_a_place_is_taken_seen_by_others_and_given_up(desk, tmp_path):
    desk.join(1001, "4be0643f1d98", "resnet", Need(4), None)
    (ours,) = desk.waiters()
    assert (ours.job_id, ours.name, ours.need.gpus) == ("4be0643f1d98", "resnet", 4)
    (seen,) = WaitingDesk(LeaseFolders((tmp_path / "leases",)), OtherAgent()).waiters()
    assert (seen.job_id, seen.id, seen.since) == (None, ours.id, ours.since)
    desk.leave(ours.id)
    assert desk.waiters() == ()


def test_one_who_stands_in_it_is_not_put_there_twice(desk, tmp_path):
    for _ in range(3):
        desk.join(os.geteuid(), "4be0643f1d98", "resnet", Need(4), None)
    assert len(list(tmp_path.rglob("*.waiter"))) == 1


def test_what_no_paper_holds_is_not_told(desk):
    desk.join(1001, "4be0643f1d98", "resnet", Need(1, model="x" * 101), None)
    desk.join(1001, "4be0643f1d98", "resnet", Need(1, uuids=tuple(f"GPU-{n}" for n in range(65))), None)
    assert desk.waiters() == ()
    desk.join(1001, "4be0643f1d98", "ö" * 5000, Need(1), None)
    assert len(desk.waiters()[0].name) <= 101


def test_what_a_killed_agent_left_counts_no_more_and_goes_with_the_next_place(tmp_path):
    dead = OtherAgent(alive=True)
    WaitingDesk(LeaseFolders((tmp_path / "leases",)), dead).join(os.geteuid(), "0" * 12, "old", Need(1), None)
    desk = WaitingDesk(LeaseFolders((tmp_path / "leases",)), Survivor())
    assert desk.waiters() == ()
    desk.join(os.geteuid(), "4be0643f1d98", "new", Need(1), None)
    assert [one.name for one in desk.waiters()] == ["new"]
    assert len(list(tmp_path.rglob("*.waiter"))) == 1


def test_a_folder_that_takes_no_paper_is_told_of(tmp_path):
    (tmp_path / "leases").write_text("no folder")
    with pytest.raises(Unavailable, match="could not be written where other users look"):
        WaitingDesk(LeaseFolders((tmp_path / "leases",))).join(1001, "0" * 12, "x", Need(1), None)


def test_garbage_beside_papers_is_nothing(desk, tmp_path):
    desk.join(os.geteuid(), "4be0643f1d98", "resnet", Need(4), None)
    (folder,) = (tmp_path / "leases").glob(f"{PREFIX}*")
    (folder / "abcd.waiter").write_bytes(b"\xff{")
    (folder / "abce.waiter").write_text('{"uid": "x"}')
    (folder / "abcf.waiter").mkdir()
    desk.join(os.geteuid(), "x", "x", Need(1), None)  # looks again
    desk._forget()
    assert [one.name for one in desk.waiters()] == ["resnet"]


class OtherAgent(ThisHost):
    """The same machine, as another process of it sees it."""

    def __init__(self, alive=True):
        super().__init__()
        self.alive = alive

    def this_process(self):
        return Process(os.getpid(), 1, self.namespace)

    def lives(self, process):
        return self.alive


class Survivor(ThisHost):
    """A process that sees those of before it gone, and itself alive."""

    def lives(self, process):
        return process == self.this_process()


def test_a_paper_of_exactly_a_page_is_written_and_heard_and_a_larger_one_is_not_written(tmp_path):
    papers = Papers(LeaseFolders((tmp_path / "leases",)), ".note", str)
    papers.write("aaaa", "x" * 4094)  # and two quotation marks
    assert [paper.content for paper in papers.own()] == ["x" * 4094]
    with pytest.raises(ValueError, match="xxx"):
        papers.write("bbbb", "x" * 4095)
    assert [paper.id for paper in papers.own()] == ["aaaa"]
