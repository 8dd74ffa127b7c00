"""How far a job is, read from real output: kept in ``logs`` as the libraries wrote it to a pipe."""

import math
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.jobs.progress.reader import ProgressReader

LOGS = Path(__file__).with_name("logs")
BEGUN = 1_700_000_000.0
PIECES = re.compile(rb"[^\r\n]*[\r\n]+|[^\r\n]+$")


def played(log, seconds=1.0, **asked):
    """Read a log of which each state came so many seconds after the one before; return all that was told."""
    data = (LOGS / f"{log}.log").read_bytes() if isinstance(log, str) else log
    reader, told = ProgressReader(**asked), []
    for number, piece in enumerate(PIECES.findall(data)):
        reader.feed(piece, BEGUN + number * seconds)
        told.append(reader.progress())
    return [one for one in told if one is not None]


def ratios(told):
    return [one.ratio for one in told if one.ratio is not None]


ENDS = [
    ("tqdm_plain", {"ratio": 1.0, "step": 60, "total": 60, "source": "tqdm", "left_seconds": 0.0}),
    ("tqdm_nested", {"ratio": 1.0, "epoch": 4, "epochs": 4, "text": "epoch 4/4"}),
    ("tqdm_desc", {"ratio": 1.0, "epoch": 3, "epochs": 3, "step": 30, "total": 30}),
    ("tqdm_nototal", {"ratio": None, "step": 40, "total": None, "unit": "img", "left_seconds": None}),
    ("tqdm_scale", {"ratio": 1.0, "step": 3e6, "unit": "tok", "text": "tok 3,000,000/3,000,000"}),
    ("tqdm_slow", {"ratio": 1.0, "step": 5, "total": 5}),
    ("tqdm_resumed", {"ratio": 1.0, "step": 100}),
    ("tqdm_repeated", {"ratio": None, "step": 20, "total": 20, "left_seconds": None}),
    ("transformers", {"ratio": 1.0, "epoch": 3, "epochs": 3, "step": 90, "source": "transformers", "loss": 0.4}),
    ("keras_1", {"ratio": 1.0, "epoch": 3, "epochs": 3, "step": 16, "source": "keras"}),
    ("keras_2", {"ratio": 1.0, "epoch": 3, "epochs": 3, "source": "keras"}),
    ("lightning_rich", {"epoch": 3, "epochs": 3, "source": "lightning", "loss": 0.231}),
    ("xgboost", {"ratio": None, "step": 29, "unit": "round", "source": "boosting"}),
    ("lightgbm", {"ratio": None, "step": 30, "unit": "round", "source": "boosting"}),
]


@pytest.mark.parametrize(("log", "end"), ENDS)
def test_what_is_told_at_the_end_of_real_output(log, end):
    last = played(log)[-1]
    assert {name: getattr(last, name) for name in end} == end


@pytest.mark.parametrize("log", [log for log, end in ENDS if log != "tqdm_repeated"])
def test_the_whole_never_jumps_back(log):
    told = ratios(played(log))
    assert told == sorted(told)


@pytest.mark.parametrize("log", [log for log, _ in ENDS])
def test_what_is_left_is_never_negative_and_known_in_time(log):
    told = played(log, seconds=10.0)
    left = [one.left_seconds for one in told if one.left_seconds is not None]
    assert all(0 <= seconds < math.inf for seconds in left)


def test_a_validation_between_two_epochs_moves_nothing():
    told = played("tqdm_nested")
    before = [one.ratio for one in told if one.text == "epoch 1/4"]
    assert before[-1] == pytest.approx(0.2)  # 80 % of the training's batches, though the validation ran through
    evaluated = [one for one in played("transformers") if one.epoch == 2]
    assert {one.total for one in evaluated} == {90}


def test_of_two_bars_in_an_epoch_the_one_that_is_furthest_tells():
    bars = b"\rfit: 80%|# | 8/10 [00:08<00:02, 1.0it/s]\r\rcritic: 5%|# | 1/20 [00:01<00:19, 1.0it/s]\r"
    told = played(b"Epoch 1/4\n" + bars)
    assert ratios(told)[-2:] == [0.2, 0.2]


def test_a_resumed_job_starts_at_its_step():
    told = played("tqdm_resumed", seconds=10.0)
    assert told[0].ratio == 0.6
    assert told[5].left_seconds == pytest.approx(30.0, rel=0.2)  # by its own steps, not by those of earlier days


def test_each_epochs_bar_alone_does_not_tell_how_many_follow():
    told = played("tqdm_repeated")
    assert ratios(told)[-1] == 1.0
    assert told[-1].ratio is None
    lines = b"".join(b"\rEpoch %d: %d%%|# | %d/4 [00:01<00:01, 1.0it/s, v_num=0]" % (epoch, 25 * step, step)
                     for epoch in range(3) for step in range(5))  # fmt: skip
    last = played(lines + b"\n")[-1]
    assert (last.ratio, last.epoch, last.step) == (None, 3, 4)


def test_how_many_epochs_are_asked_for_makes_a_whole_of_them():
    lines = b"".join(b"\rEpoch %d: %d%%|# | %d/4 [00:01<00:01, 1.0it/s, v_num=0]" % (epoch, 25 * step, step)
                     for epoch in range(3) for step in range(5))  # fmt: skip
    told = played(lines + b"\n", epochs=6.0)
    assert told[-1].ratio == pytest.approx(0.5)
    assert told[-1].text == "epoch 3/6"
    assert ratios(told) == sorted(ratios(told))


def test_a_second_training_in_one_job_makes_the_whole_unknown():
    once = b"".join(b"Epoch %d/3\nloss: 0.5\n" % number for number in (1, 2, 3))
    assert played(once)[-1].ratio == pytest.approx(2 / 3)
    again = played(once + once)[-1]
    assert (again.ratio, again.epoch, again.epochs) == (None, 3, 3)


def test_epochs_that_are_counted_from_zero():
    told = played(b"".join(b"Epoch %d/24\n----------\n" % number for number in range(25)))
    assert told[0].epoch == 1
    assert told[-1].ratio < 1
    assert (told[-1].epoch, told[-1].epochs) == (25, 25)  # the last one is 24/24, and it is under way


def test_a_download_before_the_training_is_told_and_moves_nothing():
    before = b"\rmodel.safetensors: 100%|#| 1.2G/1.2G [00:10<00:00, 120MB/s]\n\rMap: 50%|# | 5/10 [00:01<00:01, 5.0 examples/s]\r"
    told = played(before)
    assert ratios(told) == []
    assert told[-1].text == "Map 5/10"
    after = played(before + b"\r 10%|# | 10/100 [00:01<00:09, 10.0it/s]\r")
    assert after[-1].ratio == pytest.approx(0.1)


def test_what_predicts_is_the_work_of_a_batch_job():
    line = b"\rPredicting:  40%|#### | 4/10 [00:04<00:06, 1.0it/s]\r"
    assert played(line)[-1].ratio is None
    assert played(line, all_counts=True)[-1].ratio == 0.4


def test_ranks_that_tell_of_the_same_loop_do_not_begin_it_anew():
    lines = b"".join(
        b"[rank%d]: step %d/100 loss: 0.5\n" % (rank, step + (rank % 2)) for step in range(1, 100) for rank in (1, 0)
    )
    told = played(lines)
    assert (told[-1].step, told[-1].ratio) == (100, 1.0)  # the last word is of the rank that is at 99
    assert ratios(told) == sorted(ratios(told))


def test_a_program_that_starts_again_from_its_beginning_is_told_as_such():
    once = b"".join(b"step %d/100\n" % step for step in range(1, 61))
    told = played(once + once)
    assert ratios(told)[59:61] == [0.6, 0.01]
    assert told[-1].ratio == 0.6  # it was broken off before: it is the same work once more


def test_a_loss_that_is_no_number_is_told_until_one_is_again():
    told = played(b"step 1/9 loss: 0.5\nstep 2/9 loss: nan\nstep 3/9 loss: inf\n")
    assert (told[-1].loss, told[-1].loss_broken) == (0.5, "inf")
    assert played(b"step 1/9 loss: nan\nstep 2/9 loss: 0.4\n")[-1].loss_broken is None


def test_what_catboost_reckons_is_believed():
    told = played(b"9:\tlearn: 0.5\ttotal: 1s\tremaining: 1m 39s\n10:\tlearn: 0.5\ttotal: 1.1s\tremaining: 1m 30s\n")
    assert told[-1].ratio == pytest.approx(11 / 911, rel=0.02)
    assert told[0].left_seconds == 99.0


# -- whatever comes, and however it is cut -----------------------------------------------------


@given(st.sampled_from([log for log, _ in ENDS]), st.lists(st.integers(1, 400), min_size=1, max_size=40))
@settings(max_examples=60)
@example("keras_1", [1])
@example("transformers", [7, 1, 300])
@example("tqdm_repeated", [100_000])
def test_however_a_log_is_cut_it_says_the_same(log, sizes):
    data = (LOGS / f"{log}.log").read_bytes()
    whole, cut = ProgressReader(), ProgressReader()
    for piece in PIECES.findall(data):
        whole.feed(piece, BEGUN)
    at = number = 0
    while at < len(data):
        size = sizes[number % len(sizes)]
        cut.feed(data[at : at + size], BEGUN)
        at, number = at + size, number + 1
    told, expected = cut.progress(), whole.progress()
    assert (told.ratio, told.text, told.step, told.epoch) == (
        expected.ratio, expected.text, expected.step, expected.epoch,
    )  # fmt: skip


PARTS = st.sampled_from(
    [b"\r", b"\n", b"\x1b[A", b"\x08" * 9, b"100%|", b"| 5/10 [00:01<00:02, 1.0it/s]", b"Epoch ", b"3/10", b"999999999999",
     b"9" * 400, b"loss: ", b"nan", b"\xff\xfe", b"\xe2\x96\x88", b"{'loss': ", b"'epoch': ", b"step 0/0", b"1/0", b"-1",
     b"e999", b"\x00", b"[" * 50, b"\xe2\x94\x81" * 5, b" ", b":", b"eta 99:99:99", b"5it [00:00, ?it/s]"]
)  # fmt: skip


@given(st.lists(st.one_of(PARTS, st.binary(max_size=12)), max_size=60), st.floats(-1e9, 1e9))
@settings(max_examples=300)
@example([b"Epoch 0/0\n", b"step 1/0\n", b"\r0%|| 0/0 [00:00<00:00, 0it/s]\n"], 0.0)
@example([b"\r100%|| 5/5 [00:00<?, 0.00s/it]\n"], 0.0)
def test_nothing_that_is_written_breaks_it(parts, jump):
    reader = ProgressReader()
    for number, part in enumerate(parts):
        reader.feed(part, BEGUN + number * jump)
    told = reader.progress()
    if told is not None:
        assert told.ratio is None or 0 <= told.ratio <= 1
        assert told.left_seconds is None or 0 <= told.left_seconds < math.inf
        assert told.epoch is None or told.epoch >= 0
        assert len(told.text) < 200


def test_bars_whose_names_change_take_no_more_memory():
    reader = ProgressReader()
    for number in range(500):
        name = "".join(chr(97 + int(digit)) for digit in str(number))
        reader.feed(b"\r%s: 10%%|# | 1/%d [00:01<00:09, 1.0it/s]\r" % (name.encode(), number + 10), BEGUN + number)
    assert len(list(reader._loops.all())) <= 16
    reader.feed(b"x" * 1_000_000, BEGUN)
    assert len(reader._segments._pending) <= 4096
