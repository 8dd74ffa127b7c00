"""Which GPUs a job gets among those that it may have."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.gpus.records.gpu_request import Need
from mlops_desk.jobs.queue.placement import distance, fits, place
from mlops_desk.jobs.queue.queue_status import Board, topology
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec
from tests.unit.jobs.queue.views import GIB, NOW, card, cards, running, view, wish


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


def test_what_an_endpoint_lends_is_taken_last():
    lent = [replace(card(index), lent_by="front") for index in (0, 1)]
    assert place(Need(1), [*lent, card(4, gib=90)]) == ("GPU-4",)
    assert place(Need(2), [*lent, card(4), card(7)]) == ("GPU-4", "GPU-7")
    assert place(Need(3), [*lent, card(4), card(7)]) == ("GPU-0", "GPU-4", "GPU-7")
    assert place(Need(2), lent) == ("GPU-0", "GPU-1")
    many = [replace(card(index), lent_by="front" if index < 4 else None) for index in range(20)]
    assert not {"GPU-0", "GPU-1", "GPU-2", "GPU-3"} & {*place(Need(9), many)}


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


def machine(*nodes, links=(), switches=()):
    """Cards on NUMA nodes; pairs of ``links`` are joined by NVLink, pairs of ``switches`` by one PCIe switch."""

    def path(one, other):
        pair = {one, other}
        if any(pair == set(link) for link in links):
            return 0
        if any(pair == set(switch) for switch in switches):
            return 1
        return 4 if nodes[one] == nodes[other] else 5

    return [
        card(
            one,
            numa_node=nodes[one],
            peers={f"GPU-{other}": path(one, other) for other in range(len(nodes)) if other != one},
        )
        for one in range(len(nodes))
    ]


def test_three_on_one_node_go_before_two_on_a_switch_and_one_across():
    assert place(Need(3), machine(0, 0, 0, 1, 1, switches=[(3, 4)])) == ("GPU-0", "GPU-1", "GPU-2")
    shortest_sum = machine(0, 0, 1, 1, 1, switches=[(0, 1)])
    assert place(Need(3), shortest_sum) == ("GPU-2", "GPU-3", "GPU-4")


def test_what_is_all_joined_by_nvlink_goes_first_wherever_it_hangs():
    ring = [(0, 3), (3, 5), (0, 5)]
    assert place(Need(3), machine(0, 0, 0, 1, 1, 1, links=ring)) == ("GPU-0", "GPU-3", "GPU-5")
    half = [(0, 3)]
    assert place(Need(3), machine(0, 0, 0, 1, 1, links=half)) == ("GPU-0", "GPU-1", "GPU-2")


def test_on_one_node_those_behind_one_switch_go_first():
    assert place(Need(2), machine(0, 0, 0, 0, switches=[(1, 3)])) == ("GPU-1", "GPU-3")


@given(
    st.lists(st.integers(0, 1), min_size=2, max_size=8),
    st.integers(2, 4),
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=6),
)
def test_no_set_across_nodes_is_chosen_where_one_node_would_do(nodes, count, links):
    free = machine(*nodes, links=links)
    gpus = place(Need(count), free)
    if gpus is None:
        assert count > len(free)
        return
    chosen = [one for one in free if one.uuid in gpus]
    linked = all(distance(one, other) == 0 for one in chosen for other in chosen if one is not other)
    if len({one.numa_node for one in chosen}) > 1 and not linked:
        assert max(nodes.count(0), nodes.count(1)) < count


@pytest.mark.parametrize(
    ("cards", "said"),
    [
        (machine(0, 0, links=[(0, 1)]), "on NUMA node 0, NVLink all to all"),
        (
            machine(0, 0, 0, links=[(0, 1)]),
            "on NUMA node 0, NVLink between 1 of 3 pairs, the others over the PCIe host bridges of one NUMA node",
        ),
        (machine(1, 1, switches=[(0, 1)]), "on NUMA node 1, behind one PCIe switch"),
        (machine(0, 1), "across NUMA nodes 0 and 1, over the link between NUMA nodes"),
        ([card(0, peers={}), card(1, peers={})], "by paths that the driver does not name"),
        (machine(0), ""),
    ],
)
def test_it_is_said_how_gpus_are_joined(cards, said):
    assert topology(cards) == said


def test_an_explanation_says_how_the_gpus_are_joined_that_a_job_gets_or_has():
    pair = machine(0, 0, links=[(0, 1)])
    waits = Job("a", "a", JobState.QUEUED, JobSpec("a", "img"), NOW, 1, "me")
    assert Board(view([wish("a", 2)], pair)).explain(waits).topology == "on NUMA node 0, NVLink all to all"
    has = replace(waits, state=JobState.RUNNING)
    runs = [running("a", 0, 1)]
    assert Board(view([], pair, runs=runs)).explain(has).topology == "on NUMA node 0, NVLink all to all"
    assert Board(view([wish("a", 2), wish("b", 1, -1)], pair)).explain(waits).topology == ""
