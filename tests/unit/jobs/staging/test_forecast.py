"""What would be done about data before a job is submitted: how much, whether it fits, how long by what was measured."""

import os
import time
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.jobs.records.staging import DataStanding, StagingForecast
from mlops_desk.jobs.staging import copy_task, forecast
from mlops_desk.jobs.staging.copies import CopyFacts
from mlops_desk.jobs.staging.forecast import Foretelling, Pace, forecast_text, pace_of
from mlops_desk.jobs.staging.worker import Given
from tests.unit.jobs.staging.conftest import ME, MIB


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """The processes that look begin late on a busy machine, and nobody waits for a preview here."""
    monkeypatch.setattr(forecast, "LOOK_SECONDS", 60.0)


def asked(cache, *sources, told=None):
    mounts = tuple(Mount(str(source), f"/in{number}", stage=True) for number, source in enumerate(sources))
    return (told or Foretelling(cache.shelf)).of(JobSpec("a", "img", mounts=mounts), ME, cache.book.active())


def test_data_that_are_not_here_are_told_with_their_size_and_nothing_is_kept(cache):
    data = cache.data(a=b"x" * 5000, b__c="1234")
    (told,) = asked(cache, data)
    assert (told.target, told.source, told.standing) == ("/in0", str(data), DataStanding.COPIED)
    assert (told.files, told.size_bytes, told.copy_bytes, told.seconds) == (2, 5004, 5004, None)
    assert cache.shelf.copies.all() == {}
    assert [path for path in (cache.root / "cache").rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_a_copy_that_is_here_is_told_until_its_source_changes(cache):
    data = cache.data(a=b"x" * 20_000, b="1")
    cache.submit("j", data)
    cache.stage("j")
    before = cache.shelf.copies.all()
    assert asked(cache, data)[0].standing is DataStanding.THERE
    assert cache.shelf.copies.all() == before
    (data / "b").write_text("another")
    (told,) = asked(cache, data)
    assert (told.standing, told.size_bytes, told.copy_bytes) == (DataStanding.COPIED, 20_007, 0)
    (data / "new").write_bytes(b"y" * 50_000)
    assert asked(cache, data)[0].copy_bytes == 70_007 - 20_480


def test_what_does_not_fit_is_told_with_what_is_missing_and_the_setting(cache):
    cache.budget_bytes = MIB
    (told,) = asked(cache, cache.data(a=b"x" * 3 * MIB))
    assert (told.standing, told.missing_bytes) == (DataStanding.NO_ROOM, 2 * MIB)
    assert "its budget is 1 MiB" in told.text
    assert "jobs.staging_mebibytes" in told.hint


def test_two_mounts_have_to_fit_together(cache):
    cache.budget_bytes = 5 * MIB
    one, two = cache.data("one", a=b"x" * 3 * MIB), cache.data("two", a=b"x" * 3 * MIB)
    assert [told.standing for told in asked(cache, one, two)] == [DataStanding.COPIED, DataStanding.NO_ROOM]


@pytest.mark.slow
def test_copies_that_make_room_are_counted_and_those_of_jobs_before_it_are_waited_for(cache):
    cache.budget_bytes = 4 * MIB
    old, new = cache.data("old", a=b"x" * 3 * MIB), cache.data("new", a=b"y" * 3 * MIB)
    cache.submit("j", old)
    cache.stage("j")
    (told,) = asked(cache, new)
    assert (told.standing, told.missing_bytes) == (DataStanding.LATER, 2 * MIB)
    cache.book.change("j", lambda job: replace(job, capsule=None))
    (told,) = asked(cache, new)
    assert (told.standing, told.evicted_bytes) == (DataStanding.COPIED, 3 * MIB)


def test_what_is_not_there_or_may_not_be_read_is_told(cache):
    assert asked(cache, cache.share / "none")[0].standing is DataStanding.UNREADABLE
    data = cache.data(a="1")
    os.mkfifo(data / "pipe")
    (told,) = asked(cache, data)
    assert told.standing is DataStanding.UNREADABLE
    assert "is a pipe" in told.text


@pytest.mark.slow
def test_what_takes_longer_is_told_as_not_known_with_how_many_were_seen(cache, monkeypatch):
    def slow(_request, _given, _uid, told, given_up):
        begun = time.monotonic()
        told(1234, 0)
        while not given_up():
            assert time.monotonic() - begun < 20
            time.sleep(0.01)
        raise Given

    monkeypatch.setattr(copy_task, "run_copier", slow)
    monkeypatch.setattr(forecast, "LOOK_SECONDS", 1.5)
    (told,) = asked(cache, cache.data(a="1"))
    assert (told.standing, told.files, told.size_bytes) == (DataStanding.UNKNOWN, 1234, None)
    assert "More than 1,234 files were seen." in forecast_text(told)


def test_the_same_source_is_looked_through_once_in_a_while_and_only_a_few_at_once(cache, monkeypatch):
    told, looks = Foretelling(cache.shelf), []
    real = copy_task.run_copier

    def counted(*words, **more):
        looks.append(1)
        return real(*words, **more)

    monkeypatch.setattr(copy_task, "run_copier", counted)
    data = cache.data(a="1")
    assert asked(cache, data, told=told) == asked(cache, data, told=told)
    assert len(looks) == 1
    told._looking.acquire()
    told._looking.acquire()
    assert asked(cache, cache.data("b", a="1"), told=told)[0].standing is DataStanding.UNKNOWN
    assert len(looks) == 1


def facts(source="/s", files=10, size_bytes=1000, seconds=1.0):
    return CopyFacts(source, 1, files, size_bytes, size_bytes, 1.0, 1.0, 1.0, copied_files=files,
                     copied_bytes=size_bytes, copy_seconds=seconds)  # fmt: skip


def test_the_pace_is_that_of_the_same_source_or_the_best_of_others():
    assert pace_of([], "/s") is None
    assert pace_of([facts(seconds=0.4)], "/s") is None
    others = [facts("/a", 1, 4000, 2.0), facts("/b", 100, 100, 2.0)]
    assert pace_of(others, "/s") == Pace(2000.0, 50.0)
    assert pace_of([*others, facts("/s", 10, 1000, 10.0)], "/s") == Pace(100.0, 1.0)
    assert Pace(100.0, 2.0).seconds(10, 100) == 5.0
    assert Pace(100.0, 2.0).seconds(1, 1000) == 10.0


@given(
    st.lists(
        st.builds(
            facts, st.sampled_from(["/s", "/t"]), st.integers(0, 10**6), st.integers(0, 10**12), st.floats(0, 1e6)
        )
    )
)
@example([facts(files=0, size_bytes=0, seconds=5.0)])
@example([facts(files=3, size_bytes=0, seconds=5.0)])
def test_what_was_copied_before_is_expected_to_take_as_long_again(copies):
    same = [one for one in copies if one.copied_files and one.copy_seconds >= 0.5 and one.source == "/s"]
    pace = pace_of(copies, "/s")
    for one in same:
        assert 0 <= pace.seconds(one.copied_files, one.copied_bytes) <= one.copy_seconds * 1.000001
    if len(same) == 1:
        assert pace.seconds(same[0].copied_files, same[0].copied_bytes) == pytest.approx(same[0].copy_seconds)


def test_how_long_is_told_by_what_was_measured_at_an_earlier_copy(cache):
    first = cache.data("first", a=b"x" * MIB)
    cache.submit("j", first)
    cache.stage("j")
    ((copy, known),) = cache.shelf.copies.all().items()
    assert (known.copied_files, known.copied_bytes) == (1, MIB)
    assert known.copy_seconds > 0
    cache.shelf.copies.put(copy, replace(known, copy_seconds=2.0))
    (told,) = asked(cache, cache.data("second", a=b"y" * 3 * MIB))
    assert (told.seconds, told.bytes_per_second) == (6.0, MIB / 2)


@pytest.mark.slow
def test_a_copy_that_has_most_from_another_counts_only_what_it_has_read(cache):
    data = cache.data(a=b"x" * MIB, b="1")
    cache.submit("j", data)
    cache.stage("j")
    (data / "b").write_text("22")
    cache.submit("k", data, at=4e9)
    cache.stage("k")
    newest = cache.shelf.copies.get(cache.book.get("k").capsule.staged[0].copy)
    assert (newest.copied_files, newest.copied_bytes) == (1, 2)


TOLD = StagingForecast("/data", "/s", DataStanding.COPIED, 1, 2048, 2048)
GIB = 1 << 30


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (TOLD, "2,048 bytes in 1 file are copied to the local disk first; how fast that goes is not known yet."),
        (
            replace(TOLD, size_bytes=20 * GIB, copy_bytes=2 * GIB, files=1200, seconds=90.0, bytes_per_second=2e7),
            "2.0 GiB of 20.0 GiB in 1,200 files are copied to the local disk first, about 90 s at 19 MiB a second as measured before.",
        ),
        (
            replace(TOLD, evicted_bytes=3 * GIB),
            "2,048 bytes in 1 file are copied to the local disk first; how fast that goes is not known yet; 3.0 GiB of copies that no job before it uses make room.",
        ),
        (
            replace(TOLD, standing=DataStanding.THERE),
            "a copy of its 2,048 bytes in 1 file is on the local disk already.",
        ),
        (replace(TOLD, standing=DataStanding.NO_ROOM, text="No\x1b[2J\nroom."), None),
    ],
)  # fmt: skip
def test_it_is_a_sentence(told, words):
    found = forecast_text(told)
    assert "\x1b" not in found
    assert words is None or found == words
