"""Which GPUs a job gets among those that it may have."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.jobs.queue.placement import fits, place
from mlops_desk.records.jobs.need import Need
from tests.unit.jobs.queue.views import GIB, card, cards


@given(st.sets(st.integers(0, 7)), st.integers(1, 8))
def test_as_many_as_asked_for_or_none_and_only_of_those_that_are_free(indexes, count):
    free = [card(index) for index in indexes]
    gpus = place(Need(count), free)
    if count > len(free):
        assert gpus is None
    else:
        assert len(set(gpus)) == count
        assert set(gpus) <= {one.uuid for one in free}


def test_a_pair_gets_two_that_are_joined():
    assert place(Need(2), [card(1), card(2), card(3), card(4)]) == ("GPU-2", "GPU-3")


def test_one_gpu_is_taken_from_a_pair_that_is_broken_already():
    assert place(Need(1), [card(0), card(1), card(3)]) == ("GPU-3",)


def test_one_gpu_is_the_smallest_that_is_large_enough():
    free = [card(0, gib=80), card(1, gib=24), card(2, gib=40)]
    assert place(Need(1, memory_bytes=30 * GIB), [one for one in free if fits(Need(1, 30 * GIB), one)]) == ("GPU-2",)


def test_three_gpus_leave_the_other_pair_whole():
    assert place(Need(3), [card(0), card(1), card(2), card(3), card(5)]) == ("GPU-0", "GPU-1", "GPU-5")


def test_on_a_machine_of_many_cards_the_neighbours_are_found_as_well():
    def near(index):
        return {f"GPU-{other}": 0 if other // 8 == index // 8 else 5 for other in range(16) if other != index}

    free = [card(index, peers=near(index)) for index in range(4, 16)]
    assert place(Need(6), free) == tuple(f"GPU-{index}" for index in range(8, 14))


def test_a_slice_goes_to_those_who_ask_for_its_size_or_kind():
    piece = replace(card(0, gib=10), uuid="MIG-1", parent="GPU-0", profile="1g.10gb", name="A100 MIG 1g.10gb")
    assert not fits(Need(1), piece)
    assert fits(Need(1), piece, only_slices=True)
    assert fits(Need(1, memory_bytes=8 * GIB), piece)
    assert not fits(Need(1, memory_bytes=11 * GIB), piece)
    assert fits(Need(1, model="1g.*"), piece)
    assert not fits(Need(2, memory_bytes=8 * GIB), piece)
    assert fits(Need(1, uuids=("MIG-1",)), piece)


@pytest.mark.parametrize(
    ("pattern", "is_meant"),
    [
        ("*a100*", True),
        ("A100*", True),
        ("nvidia a100", True),
        ("100", False),
        ("H100*", False),
        ("", False),
        ("[", False),
    ],
)
def test_models_are_matched_as_shells_match_from_any_word_on_whatever_the_case(pattern, is_meant):
    assert fits(Need(1, model=pattern), card(0)) is is_meant


@given(st.text(max_size=8))
def test_no_pattern_breaks_anything(pattern):
    assert fits(Need(1, model=pattern), card(0)) in {True, False}


def test_a_card_of_unknown_size_is_taken_last():
    free = [card(0, memory_bytes=None), *cards(2)[1:]]
    assert place(Need(1), free) == ("GPU-1",)
