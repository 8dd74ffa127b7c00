"""Eight registries that are looked at at once: together their processes keep to the budget, and each answers again."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlops_desk.registry.mirror.client import ChildMirror
from mlops_desk.registry.mirror.mirrors import Mirrors
from mlops_desk.registry.mirror.protocol import WindowAsked
from tests.mirror_world import nobody
from tests.registry_reading import sqlite_source
from tests.registry_stores import runs_of_store_a, store_c

pytestmark = [pytest.mark.end2end]

BUDGET_BYTES = 1 << 30
RUNS_OF_C, RUNS_OF_A = 98_000, 19_600  # a fiftieth of them is deleted


class Lookers:
    """Eight pages, each on a registry of its own: five of 100,000 runs and three of 20,000."""

    def __init__(self, folder: Path) -> None:
        self.mirrors = Mirrors()
        self.peak_bytes = 0
        self._ending = threading.Event()
        self.clients: list[ChildMirror] = []
        self.sources = []
        for number in range(8):
            path = folder / f"store-{number}.db"
            path.symlink_to(store_c() if number < 5 else runs_of_store_a())
            self.sources.append(sqlite_source(path))
            self.clients.append(ChildMirror(self.mirrors, self.sources[-1], nobody))
        self._threads = [
            threading.Thread(target=self.mirrors.watch, args=(self._ending,)),
            threading.Thread(target=self._measure),
        ]
        for thread in self._threads:
            thread.start()

    def resident_bytes(self) -> int:
        with self.mirrors._lock:
            return sum(link.resident_bytes for _, link in self.mirrors._links.values())

    def _measure(self) -> None:
        while not self._ending.wait(0.02):
            self.peak_bytes = max(self.peak_bytes, self.resident_bytes())

    def read(self) -> list[bool]:
        return [self.mirrors.is_read(source) for source in self.sources]

    def stop(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(10)
        self.mirrors.stop()


@pytest.fixture
def lookers(tmp_path: Path) -> Iterator[Lookers]:
    made = Lookers(tmp_path)
    yield made
    made.stop()


def until_whole(client: ChildMirror) -> int:
    """Look again and again, as a page does, until all runs were read; return how many there are."""
    for _ in range(1200):
        shown = client.window(WindowAsked(limit=5))
        if not shown.is_loading:
            return shown.n_runs
        time.sleep(0.1)
    pytest.fail("it was never read whole")


def test_eight_that_are_looked_at_keep_to_the_budget_and_each_answers_when_it_is_asked_again(lookers: Lookers) -> None:
    with ThreadPoolExecutor(8) as pages:
        first = list(pages.map(lambda client: len(client.window(WindowAsked(limit=5)).rows), lookers.clients))
    assert first == [5] * 8
    told = [until_whole(client) for client in lookers.clients]
    assert told == [RUNS_OF_C] * 5 + [RUNS_OF_A] * 3
    assert lookers.peak_bytes < BUDGET_BYTES, f"{lookers.peak_bytes >> 20} MiB"
    assert lookers.peak_bytes > BUDGET_BYTES // 2, "they were too small to come near it"

    assert not all(lookers.read()), "all of them together are more than the budget"
    assert lookers.read()[-1], "the one that was asked last stays"
    gone = lookers.read().index(False)
    assert until_whole(lookers.clients[gone]) == told[gone]
    assert (lookers.read()[gone], lookers.read()[-1]) == (True, True)
    assert lookers.peak_bytes < BUDGET_BYTES, f"{lookers.peak_bytes >> 20} MiB"
