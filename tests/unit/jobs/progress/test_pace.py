"""How long the rest takes: by how it went lately."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.jobs.progress.reader import Pace

BEGUN = 1_700_000_000.0


def paced(samples, **told):
    pace = Pace()
    for at, done in samples:
        pace.add(BEGUN + at, done)
    return pace.left_seconds(**told)


def test_too_little_tells_nothing():
    assert paced([]) is None
    assert paced([(0, 0.0), (60, 0.1)]) is None
    assert paced([(0, 0.0), (1, 0.1), (2, 0.2)]) is None  # of two seconds nobody can tell


def test_a_slow_start_is_forgotten():
    compiled = [(0, 0.0), (300, 0.01), *((300 + 10 * step, 0.01 + step / 100) for step in range(1, 50))]
    assert paced(compiled) == pytest.approx(500, rel=0.05)


def test_a_slow_first_step_is_left_out_from_the_start():
    compiled = [(0, 0.0), (300, 0.01), (310, 0.02), (320, 0.03)]
    assert paced(compiled, epoch_share=0.1) == pytest.approx(970)


def test_what_became_slower_takes_longer():
    slower = [(step, step / 1000) for step in range(100)] + [
        (100 + 10 * step, 0.1 + step / 1000) for step in range(200)
    ]
    assert paced(slower) == pytest.approx(7000, rel=0.1)


def test_validations_that_come_again_are_in_it():
    at, samples = 0.0, []
    for epoch in range(4):
        for step in range(100):
            samples.append((at, (epoch + step / 100) / 10))
            at += 1.0
        at += 100.0  # a validation as long as the training
    samples.append((at, 0.4))
    assert paced(samples, epoch_share=0.1) == pytest.approx(1200, rel=0.15)


def test_the_clock_set_back_and_ranks_that_tell_late_change_nothing():
    steady = [(10 * step, step / 100) for step in range(50)]
    assert paced([*steady, (100, 0.2), (495, 0.1)]) == paced(steady)


@given(st.floats(0.001, 1000), st.integers(10, 3000))
@example(0.01, 3000)
def test_a_steady_pace_is_met_however_long_it_is_watched(seconds, steps):
    left = paced([(step * seconds, step / (2 * steps)) for step in range(steps + 1)])
    assert left is None or left == pytest.approx(steps * seconds, rel=0.05)
