"""The watch over mirrors' processes: it hears news, drops who has died, and reads no pipe that is somebody else's."""

import os
import resource
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.registry.mirror import mirrors as budget
from mlops_desk.registry.mirror.mirrors import Mirrors
from mlops_desk.registry.mirror.process_handle import Broken, HasEnded, MirrorLink
from mlops_desk.registry.mirror.protocol import WindowAsked
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import TrackerKind
from tests.registry_stores import small_store


def until(done: Callable[[], Any], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def source(tmp_path: Path) -> RegistrySource:
    path = small_store(tmp_path / "store.db", 5, 1)
    return RegistrySource(TrackerKind.SQLITE, f"sqlite:///{path}", str(path), path)


@pytest.fixture
def link() -> Iterator[MirrorLink]:
    made = MirrorLink()
    yield made
    made.end()


class Watched:
    """Mirrors with their watch, which counts how often it listens."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.n_heard, self.told = 0, threading.Event()
        self.mirrors = Mirrors(lambda _source: self.told.set())
        self._ending = threading.Event()
        real = MirrorLink.take_news

        def counted(link: MirrorLink) -> bool:
            self.n_heard += 1
            return real(link)

        monkeypatch.setattr(MirrorLink, "take_news", counted)
        self._thread = threading.Thread(target=self.mirrors.watch, args=(self._ending,))
        self._thread.start()

    def rests(self) -> bool:
        """Tell whether the watch waits for news, having none to hear again and again."""
        before = self.n_heard
        time.sleep(0.05)
        return self.n_heard - before <= 2

    def link(self) -> MirrorLink:
        ((_, link),) = self.mirrors._links.values()
        return link

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(5)
        self.mirrors.stop()


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    made = Watched(monkeypatch)
    yield made
    made.stop()


def kill(link: MirrorLink) -> None:
    os.kill(link._process.pid, signal.SIGKILL)
    link._process.wait(10)


def test_news_are_taken_once_and_the_end_is_told(link: MirrorLink, monkeypatch: pytest.MonkeyPatch) -> None:
    assert link.take_news() is False
    ends = os.pipe()
    os.set_blocking(ends[0], False)
    with monkeypatch.context() as patched:
        patched.setattr(link, "news", ends[0])
        os.write(ends[1], b"...")
        assert (link.take_news(), link.take_news(), link.is_silent) == (True, False, False)
        os.close(ends[1])
        with pytest.raises(HasEnded):
            link.take_news()
    os.close(ends[0])
    assert link.is_silent


def test_a_pipe_that_was_closed_is_read_no_more_though_its_number_is_taken_again(link: MirrorLink) -> None:
    link.end()
    ours, theirs = os.pipe()
    os.write(theirs, b"somebody else's")
    os.close(theirs)
    if ours != link.news:
        os.dup2(ours, link.news)
        os.close(ours)
    try:
        assert link.take_news() is False
        assert os.read(link.news, 100) == b"somebody else's"
    finally:
        os.close(link.news)


@pytest.mark.slow
def test_one_that_has_died_is_dropped_without_a_question_and_the_watch_rests(
    watched: Watched, source: RegistrySource
) -> None:
    watched.mirrors.ask(source, "experiments", [])
    dead = watched.link()
    kill(dead)
    until(lambda: not watched.mirrors.is_read(source))
    until(lambda: dead._is_closed)
    assert watched.rests()
    assert watched.mirrors.ask(source, "experiments", [])


@pytest.mark.slow
def test_one_that_dies_while_somebody_waits_is_left_to_them_with_its_last_words(
    watched: Watched, source: RegistrySource
) -> None:
    watched.mirrors.ask(source, "experiments", [])
    link = watched.link()
    link._errors.write(b"out of luck")
    with link._asking:  # as who waits for an answer
        kill(link)
        until(lambda: link.is_silent)
        assert watched.rests()
        watched.mirrors.sweep()
        assert not link._is_closed
        ended = link._ending()
        assert isinstance(ended, Broken)
        assert "out of luck" in ended.error.message
    watched.mirrors.sweep()
    assert (link._is_closed, watched.mirrors.is_read(source)) == (True, False)


def test_who_waits_for_one_that_was_closed_meanwhile_is_told_so(link: MirrorLink) -> None:
    kill(link)
    link.end()
    ended = link._ending()
    assert isinstance(ended, Broken)
    assert isinstance(ended.error, Unavailable)
    assert "It last wrote: nothing" in ended.error.message


def test_one_that_was_ready_for_long_is_not_taken_for_unused_before_it_was_asked(source: RegistrySource) -> None:
    mirrors = Mirrors()
    try:
        mirrors.prepare()
        assert mirrors._spare is not None
        mirrors._spare.used_at -= 500
        mirrors._spare.opened_at -= 500
        link = mirrors._link(source)
        mirrors.sweep()
        assert mirrors.is_read(source)
        assert link.opened_at == link.used_at > time.monotonic() - 60
        link.used_at -= 500
        assert mirrors._link(source) is link
        mirrors.sweep()
        assert mirrors.is_read(source), "who found it is about to ask"
    finally:
        mirrors.stop()


@pytest.mark.slow
@pytest.mark.parametrize("look", ["sweep", "opening"])
def test_those_beyond_the_budget_are_ended_and_answer_again_when_they_are_asked(
    source: RegistrySource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: str
) -> None:
    path = small_store(tmp_path / "other.db", 5, 1)
    other = RegistrySource(TrackerKind.SQLITE, f"sqlite:///{path}", str(path), path)
    mirrors = Mirrors()
    try:
        mirrors.ask(source, "experiments", [])
        ((_, first),) = mirrors._links.values()
        if look == "sweep":
            assert mirrors.ask(other, "experiments", [])
            assert mirrors.is_read(source)
        monkeypatch.setattr(budget, "_MARGIN_BYTES", budget.BUDGET_BYTES)  # no room at all
        mirrors.sweep()
        assert mirrors.ask(other, "experiments", [])
        assert (mirrors.is_read(source), mirrors.is_read(other), first._is_closed) == (False, True, True)
        assert mirrors.ask(source, "experiments", [])
    finally:
        mirrors.stop()


def test_one_that_others_may_find_has_been_told_its_source(
    source: RegistrySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrors, found = Mirrors(), []
    real = MirrorLink.open

    def noted(link: MirrorLink, named: RegistrySource) -> None:
        found.extend(mirrors._links)
        real(link, named)

    monkeypatch.setattr(MirrorLink, "open", noted)
    try:
        assert mirrors.ask(source, "experiments", [])
        assert found == [], "a question of another thread would have been taken for the source"
    finally:
        mirrors.stop()


@pytest.mark.slow
def test_descriptors_beyond_those_that_select_takes_are_watched(watched: Watched, source: RegistrySource) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 1200:
        if hard != resource.RLIM_INFINITY and hard < 1200:
            pytest.skip("this system lets a process have too few files")
        resource.setrlimit(resource.RLIMIT_NOFILE, (1200, hard))
    held: list[int] = []
    try:
        while not held or held[-1] < 1030:
            held.append(os.open(os.devnull, os.O_RDONLY))
        watched.mirrors.ask(source, "experiments", [])
        assert watched.link().news > 1023
        until(lambda: not watched.mirrors.ask(source, "window", [WindowAsked()]).is_loading)
        time.sleep(0.6)  # what it told of its own reading
        watched.told.clear()
        assert source.path is not None
        with closing(sqlite3.connect(source.path, timeout=20)) as connection, connection:
            connection.execute("UPDATE runs SET name = 'renamed'")
        assert watched.told.wait(20)
    finally:
        for one in held:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
