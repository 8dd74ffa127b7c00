"""Which jobs are stuck: hardly a healthy one of four hundred is told, and every sick one is."""

import random
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.jobs.stall_detection.watchdog import JobLook, StuckWatch
from tests.unit.jobs.stall_detection.timelines import BEGUN, FLAT, HUNG, KINDS, SICK, Phase, healthy, looks

LEAST = 900.0
"""The setting's own default: 15 minutes."""


def judged(phases, gpus, seed=0, least=LEAST):
    """Return what is told at each minute."""
    watch = StuckWatch(0.0)
    return [watch.judge(look, least) for look in looks(phases, random.Random(seed), gpus)]


@pytest.mark.slow
def test_at_most_one_of_a_hundred_healthy_jobs_is_told():
    told = {}
    for number in range(420):
        name, phases, gpus = healthy(number)
        found = [stuck for stuck in judged(phases, gpus, number) if stuck is not None]
        if found:
            told[number] = name, [sign.kind for sign in found[0].signs]
    assert len(KINDS) >= 20
    assert len(told) <= 4, told


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SICK)
def test_every_sick_job_is_told(name, seed):
    phases, gpus = SICK[name]
    found = judged(phases, gpus, seed)
    assert found[-1] is not None
    assert found[-1].signs
    before = sum(phase.minutes for phase in phases[:-1])
    assert not any(found[:before])  # and not before it was


def test_the_evidence_says_what_was_seen_and_what_was_usual():
    stuck = judged([Phase(60), HUNG], 2)[-1]
    kinds = [sign.kind for sign in stuck.signs]
    assert kinds == ["silent", "progress", "gpu_flat", "cpu_flat"]
    silent, halted, gpus, cpus = stuck.signs
    assert silent.value == 90 * 60.0
    assert silent.usual == 60.0
    assert silent.text == "It has written nothing for 90 min, and never paused for more than 60 s before."
    assert halted.quote == "epoch 3/10"
    assert (gpus.value < 0.01, gpus.usual > 0.9) == (True, True)
    assert cpus.unit == "cores"
    assert stuck.since == BEGUN + 59 * 60.0
    assert stuck.seen_at == BEGUN + 149 * 60.0


def test_a_broken_loss_quotes_its_first_line():
    watch = StuckWatch(0.0)
    look = JobLook(0.0, BEGUN, losses_broken=30, loss_word="inf", loss_quote="step 7 loss: inf")
    assert watch.judge(look, LEAST) is None  # a burst of one moment may be over with the next line
    stuck = watch.judge(replace(look, now=60.0, at=BEGUN + 60, losses_broken=60), LEAST)
    assert stuck.signs[0].quote == "step 7 loss: inf"
    assert "60 losses that it told were inf" in stuck.signs[0].text
    assert watch.judge(replace(look, now=120.0, losses_broken=0), LEAST) is None


def test_it_is_over_when_it_moves_again_and_told_anew_when_it_stands_again():
    found = judged([Phase(60), HUNG, Phase(10), replace(HUNG, minutes=300)], 2)
    assert found[149] is not None
    assert found[150:160] == [None] * 10
    again = next(stuck for stuck in found[160:] if stuck is not None)
    assert again.since > found[149].since
    assert found.index(again) >= 160 + 29  # by its log not yet: that paused for an hour and a half before
    assert {sign.kind for sign in again.signs} == {"gpu_flat", "cpu_flat"}


def test_the_setting_says_how_long_every_sign_lasts_at_least():
    for least in (300.0, 900.0, 3600.0):
        found = judged([Phase(60), HUNG], 2, least=least)
        first = next(at for at, stuck in enumerate(found) if stuck is not None)
        assert first - 59 == least / 60


def test_with_busy_gpus_nobody_is_stuck_for_silence():
    assert not any(judged([Phase(60), replace(HUNG, minutes=600, gpu=0.3, watts=500.0)], 2))


def test_a_job_that_never_prints_is_not_stuck_for_its_silence():
    quiet = Phase(60, prints=0.0, moves=0.0)
    found = judged([quiet, HUNG], 2)
    assert not any(found[: 60 + 30])  # twice as long as the setting: only the machine speaks against it
    assert {sign.kind for sign in found[-1].signs} == {"gpu_flat", "cpu_flat"}


def test_gpus_that_never_did_anything_are_not_missed():
    assert not any(judged([Phase(60, prints=0.0, moves=0.0, **FLAT), HUNG], 2))


def test_after_a_restart_of_the_agent_it_is_found_by_what_the_log_tells():
    hung = list(looks([replace(HUNG, minutes=30)], random.Random(0), 2))
    blind, knowing = StuckWatch(0.0), StuckWatch(0.0)
    knowing.recall([BEGUN - 600.0 + 30.0 * number for number in range(20)], 0.8)
    assert not any(blind.judge(look, LEAST) for look in hung)
    found = [knowing.judge(look, LEAST) for look in hung]
    assert found[-1] is not None
    assert found.index(next(filter(None, found))) >= 15  # not for what lies before its own time


def test_what_it_can_say_only_after_a_while():
    watch = StuckWatch(100.0)
    assert not watch.knows(999.0, LEAST)
    assert watch.knows(1000.0, LEAST)


@given(
    st.lists(
        st.builds(
            Phase,
            minutes=st.integers(1, 60),
            prints=st.sampled_from([0.0, 0.1, 1.0]),
            moves=st.sampled_from([0.0, 0.1, 1.0]),
            gpu=st.sampled_from([None, 0.0, 0.5, 1.0]),
            watts=st.sampled_from([None, 60.0, 700.0]),
            cpus=st.sampled_from([None, 0.0, 4.0]),
        ),
        max_size=6,
    ),
    st.integers(0, 8),
)
@settings(max_examples=150)
@example([Phase(60), HUNG], 2)
def test_whatever_is_seen_each_sign_lasts_and_is_older_than_it_is_told(phases, gpus):
    for minute, stuck in enumerate(judged(phases, gpus)):
        if stuck is not None:
            assert minute >= 15
            assert stuck.since <= stuck.seen_at
            for sign in stuck.signs:
                assert sign.since <= stuck.seen_at
                assert sign.text
            assert {"cpu_flat", "gpu_flat", "gpu_spin", "loss"} & {sign.kind for sign in stuck.signs}
