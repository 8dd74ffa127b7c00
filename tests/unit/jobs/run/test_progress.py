"""What is seen of a running job: told as it moves, never written down, gone with its end."""

import pytest

from mlops_desk.engines.fake import ScriptedProgram
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.job_activity import LiveUse
from mlops_desk.jobs.records.spec import JobKind
from mlops_desk.jobs.repository import JobBook
from mlops_desk.jobs.run.progress import Moving
from mlops_desk.jobs.runtimes.runtime import Glance, SeenPiece
from mlops_desk.kit.base.errors import TimedOut

BEGUN = 1_700_000_000.0
LIVE = LiveUse(BEGUN, 3.5, 12 << 30, 64 << 30, 9)


class Listener:
    """A runtime of which a test says what it has heard; of a flood it knows the last pieces only."""

    def __init__(self, kept=8):
        self.pieces: list[SeenPiece] = []
        self.kept = kept
        self.taking = LIVE
        self.asked = 0
        self.away = False

    def write(self, text, at=0.0):
        self.pieces.append(SeenPiece(len(self.pieces), BEGUN + at, text.encode()))

    def glance(self, _attempt):
        if self.away:
            raise TimedOut("It does not answer.")
        return Glance(0, pieces=tuple(self.pieces[-self.kept :]))

    def live(self, _attempt):
        self.asked += 1
        return self.taking


@pytest.fixture
def running(world):
    """Return a running job of the world, what listens to it, and a look at it."""
    world.engine.programs["train"] = ScriptedProgram(seconds=1e9)
    job_id = world.submit("train", "--epochs", "4")
    world.tick(3)
    assert world.job(job_id).state is JobState.RUNNING
    listener, told = Listener(), []
    world.book._moved = told.append
    moving = Moving(world.book, listener)
    return job_id, listener, told, lambda: moving.look(world.book.active())


def test_how_far_a_job_is_and_what_it_takes_is_told_once_for_each_change(world, running):
    job_id, listener, told, look = running
    listener.write("Epoch 2: 50%|# | 5/10 [00:05<00:05, 1.0it/s, v_num=0]\r")
    look()
    look()
    assert [(one.progress.text, one.progress.ratio, one.live) for one in told] == [("epoch 3/4", 0.625, LIVE)]
    assert world.job(job_id).progress is told[0].progress
    assert listener.asked == 1  # what it takes is looked at every few seconds only
    listener.write("\rEpoch 2: 60%|# | 6/10 [00:05<00:05, 1.0it/s, v_num=0]\r", at=1.0)
    look()
    assert told[-1].progress.step == 6


def test_nothing_of_it_is_written_and_a_change_of_the_job_keeps_it(world, running):
    job_id, listener, _, look = running
    listener.write("step 5/10 loss: 0.5\n")
    look()
    world.book.change(job_id, lambda job: job.__class__(**{**fields_of(job), "priority": 7}))
    assert world.job(job_id).progress.ratio == 0.5
    stored = world.book._table.get(job_id)
    assert (stored.priority, stored.progress, stored.live, stored.stuck) == (7, None, None, None)
    assert JobBook(world.book._table, lambda _job: None).get(job_id).progress is None


def test_with_its_end_it_is_gone(world, running):
    job_id, listener, told, look = running
    listener.write("step 5/10\n")
    look()
    world.runner.cancel(job_id)
    world.tick(4)
    over = world.job(job_id)
    assert over.state is JobState.CANCELLED
    assert (over.progress, over.live) == (None, None)
    listener.write("step 6/10\n")
    before = len(told)
    look()
    world.book.move(job_id, lambda job: job)
    assert len(told) == before


def test_what_is_missed_of_a_flood_joins_no_two_lines(world, running):
    _, listener, told, look = running
    listener.write("step 1")
    look()
    for text in (*["noise\n"] * 20, "0/90\n", *["noise\n"] * (listener.kept - 1)):
        listener.write(text)
    look()
    assert [one.progress for one in told] == [None]


def test_a_runtime_that_does_not_answer_leaves_what_was_told(world, running):
    job_id, listener, _, look = running
    listener.write("step 5/10\n")
    look()
    listener.away = True
    look()
    assert world.job(job_id).progress.step == 5


def test_a_batch_job_predicts_and_a_training_does_not(world):
    for kind, ratio in ((JobKind.BATCH, 0.4), (JobKind.TRAINING, None)):
        job_id = world.submit("forever", kind=kind)
        world.tick(3)
        listener = Listener()
        listener.write("Predicting: 40%|# | 4/10 [00:04<00:06, 1.0it/s]\r")
        Moving(world.book, listener).look([world.job(job_id)])
        assert world.job(job_id).progress.ratio == ratio


def fields_of(job):
    return {name: getattr(job, name) for name in job.__dataclass_fields__}
