"""What happened while curves were drawn: who had a GPU, in as few rows as can be, and flags for what went on."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.jobs.records.brief import JobRun
from mlops_desk.jobs.records.job import JobState
from mlops_desk.kit.records.agent import AuditEntry, AuditState
from mlops_desk.kit.window.curves import event_marks
from mlops_desk.kit.window.curves.event_marks import Occupant
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.machine.records.history import ProcessMemory
from mlops_desk.machine.records.incident import Incident

NOW = 10_000.0
SPAN = Span(0.0, NOW)


def process(pid=1, gpu="GPU-1", first=100.0, last=200.0, **more):
    held = {"user": "bo", "command": "/usr/bin/python train.py", "container": None, "peak_bytes": 5.0, **more}
    return ProcessMemory(f"{gpu}/pid-{pid}", gpu, pid, first_at=first, last_at=last, **held)


def run(name="resnet", gpus=("GPU-1",), start=50.0, end=300.0, state=JobState.SUCCEEDED, container="c1"):
    return JobRun(f"id-{name}", name, "ana", state, gpus, container, start, end)


def told(found):
    return [(one.title, one.start, one.end, one.job, one.pid) for one in found]


def test_a_job_is_one_bar_and_its_own_processes_are_none():
    found = event_marks.occupants(
        [process(1, container="c1"), process(2, first=400.0, last=500.0)], [run()], "GPU-1", NOW
    )
    assert told(found) == [
        ("resnet · ana", 50.0, 300.0, "id-resnet", None),
        ("python · bo", 400.0, 500.0, None, 2),
    ]


def test_processes_of_one_container_are_one_and_of_the_largest():
    found = event_marks.occupants(
        [
            process(1, container="vllm", first=10.0, last=20.0),
            process(2, container="vllm", first=15.0, last=90.0, peak_bytes=9.0, user="cy"),
        ],
        [],
        "GPU-1",
        NOW,
    )
    assert told(found) == [("vllm · cy", 10.0, 90.0, None, 2)]


def test_others_gpus_are_others_and_of_the_host_all_are_told_once():
    processes = [process(1, "GPU-1"), process(1, "GPU-2"), process(3, "GPU-3", first=300.0, last=310.0)]
    runs = [run("a", ("GPU-1", "GPU-2")), run("b", ()), run("c", ("GPU-9",), container="c2")]
    assert told(event_marks.occupants(processes, runs, "GPU-3", NOW)) == [("python · bo", 300.0, 310.0, None, 3)]
    found = event_marks.occupants(processes, runs, None, NOW)
    assert [one.title for one in found] == ["a · ana", "c · ana", "python · bo", "python · bo"]
    assert found[2].gpus == ("GPU-1", "GPU-2")


@pytest.mark.parametrize(("last", "goes_on"), [(NOW, True), (NOW - 40.0, True), (NOW - 41.0, False)])
def test_who_was_seen_just_now_is_still_there(last, goes_on):
    (one,) = event_marks.occupants([process(last=last)], [], "GPU-1", NOW)
    assert (one.end is None) is goes_on
    assert ("still runs" in one.told(NOW)) is goes_on


@pytest.mark.parametrize(
    ("given_", "title"),
    [
        ({"container": "vllm"}, "vllm · bo"),
        ({"command": None, "user": None}, "pid 1"),
        ({"command": "a\u202eb x"}, "a\\u202eb · bo"),
    ],
)
def test_a_process_is_called_as_people_know_it(given_, title):
    (one,) = event_marks.occupants([process(**given_)], [], "GPU-1", NOW)
    assert one.title == title


STAYS = st.lists(st.tuples(st.integers(0, 100), st.one_of(st.none(), st.integers(1, 40))), max_size=30)


@given(STAYS)
@example([(0, 10), (10, 5), (5, 10)])
@example([(0, None), (1, None)])
@example([(0, 0), (0, 0)])
def test_bars_of_a_row_never_overlap_and_there_are_as_few_rows_as_can_be(stays):
    now = 200.0
    found = [
        Occupant(float(start), None if length is None else float(start + length), str(number), None, ())
        for number, (start, length) in enumerate(stays)
    ]
    rows = event_marks.lanes(found, now)
    assert sorted((one for row in rows for one in row), key=id) == sorted(found, key=id)
    for row in rows:
        for earlier, later in itertools.pairwise(row):
            assert earlier.ended_by(now) <= later.start
    at_once = max((sum(one.start <= other.start < one.ended_by(now) for one in found) for other in found), default=0)
    assert len(rows) <= max(at_once, 1 if found else 0)


def incident(**more):
    return Incident(
        **{"id": "i1", "at": 1000.0, "kind": "xid", "level": "alert", "title": "XID 79", "device": "GPU-1"} | more
    )


def flags(*incidents, runs=(), asked=(), device="GPU-1", span=SPAN):
    return [
        (flag.at, flag.mark.token, flag.title, flag.page, flag.thing)
        for flag in event_marks.flags(incidents, runs, asked, device, span)
    ]


def test_an_event_is_a_flag_of_its_device_alone():
    assert flags(incident()) == [(1000.0, "alert", "XID 79", "events", "i1")]
    assert flags(incident(), device="GPU-2") == flags(incident(), span=Span(2000.0, 3000.0)) == []
    assert flags(incident(device="GPU-1/link-3")) == flags(incident())
    assert flags(incident(device=None), device="host") == flags(incident())
    assert flags(incident(device=None), device=None) == []


def test_a_repeated_event_is_marked_where_it_began_and_where_it_was_last():
    assert [flag[:3] for flag in flags(incident(count=4, last_at=1500.0))] == [
        (1000.0, "alert", "XID 79"), (1500.0, "alert", "XID 79 (4 times)")
    ]  # fmt: skip


def test_a_state_is_marked_where_it_began_and_where_it_was_over():
    lasting = incident(lasting=True, count=2, last_at=1200.0)
    assert [flag[0] for flag in flags(lasting)] == [1000.0]
    over = incident(lasting=True, ended_at=1600.0)
    assert [flag[:3] for flag in flags(over)] == [(1000.0, "alert", "XID 79"), (1600.0, "ok", "Over: XID 79")]


def test_jobs_that_ended_deployments_and_moved_aliases_are_marked():
    asked = [
        AuditEntry(500.0, 1, "ana", "endpoints.deploy", "churn@champion"),
        AuditEntry(600.0, 1, "bo", "models.alias", "churn champion 4"),
        AuditEntry(700.0, 1, "bo", "models.alias", "churn champion 5", error="refused"),
        AuditEntry(800.0, 1, "bo", "settings.set", "x"),
        AuditEntry(810.0, 1, "bo", "models.alias", "churn champion 6", state=AuditState.BEGAN),
        AuditEntry(820.0, 1, "bo", "models.alias", "churn champion 7", state=AuditState.UNKNOWN),
    ]
    runs = [run(end=900.0, state=JobState.FAILED), run("on", end=None), run("other", ("GPU-2",))]
    assert flags(runs=runs, asked=asked) == [
        (500.0, "info", "deployed: churn@champion (ana)", "endpoints", None),
        (600.0, "info", "alias moved: churn champion 4 (bo)", "models", None),
        (820.0, "warning", "not known whether alias moved: churn champion 7 (bo)", "models", None),
        (900.0, "alert", "Job resnet failed", "jobs", "id-resnet"),
    ]
    assert [flag[4] for flag in flags(runs=runs, device="host")] == ["id-other", "id-resnet"]


@given(st.lists(st.floats(0, NOW), max_size=30), st.floats(1, 500))
@example([0.0, 10.0, 20.0], 10.0)
def test_flags_that_would_lie_over_one_another_stand_together(times, apart):
    found = event_marks.flags([incident(id=str(n), at=at) for n, at in enumerate(times)], [], [], "GPU-1", SPAN)
    groups = event_marks.clusters(found, apart)
    assert [flag for group in groups for flag in group] == found
    begins = [group[0].at for group in groups]
    assert all(later - earlier >= apart for earlier, later in itertools.pairwise(begins))
    assert all(group[-1].at - group[0].at < apart for group in groups)


def test_for_several_stands_the_gravest_and_of_those_the_last():
    found = event_marks.flags(
        [incident(id="a"), incident(id="b", at=1001.0), incident(id="c", at=1002.0, level="info")],
        [],
        [],
        "GPU-1",
        SPAN,
    )
    assert event_marks.gravest(found).thing == "b"


def test_who_was_there_at_a_time():
    found = event_marks.occupants([process(2, first=400.0, last=500.0)], [run()], "GPU-1", NOW)
    assert [one.title for one in event_marks.at_cursor(found, 60.0, NOW)] == ["resnet · ana"]
    assert [one.title for one in event_marks.at_cursor(found, 500.0, NOW)] == ["python · bo"]
    assert event_marks.at_cursor(found, 350.0, NOW) == []
