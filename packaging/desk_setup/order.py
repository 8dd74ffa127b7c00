"""A plugin for pytest (`-p desk_setup.order`): which files begin first, and which no longer when the time is up.

Left alone, xdist begins with the files that hold most tests. The longest ones, a retraining in three tests, then come
last, two or three behind each other in one process while the others have nothing left to do, and the tests of pages,
which only compute, all stand beside each other at the start. With the slow ones first, what is short fills the gaps.

A run may have an end (`--begin-until`, seconds since 1970). Then `MAIN` and all that is not end-to-end runs whatever
the time, and with `--landing FILE` the third whose turn it is (`landing.py`), which has `DUE_SECONDS` more. Next come
the files of the rooms that the change touches, which have `TOUCHED_SECONDS` more, and then the others, at another place
on each day; what did not begin is skipped with `TIME_IS_UP` or `TOO_SLOW`, and so told.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from desk_setup.landing import Landing

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

SLOWEST = (
    "end2end/test_loop",
    "end2end/test_serving_offline",
    "ui/look/test_text",
    "end2end/test_truce",
    "end2end/test_no_unpickling",
    "end2end/test_registry_supervision",
    "end2end/test_ci",
    "end2end/test_images",
    "end2end/test_made_rows",
    "end2end/test_serving_contract",
    "end2end/test_audit_kills",
    "end2end/test_agent",
    "end2end/test_podman",
    "end2end/test_serving_kills",
    "end2end/test_governance",
    "end2end/test_way_out",
    "end2end/test_registry_walls",
    "end2end/test_drift_alarm",
    "end2end/test_drift_weighing",
    "end2end/test_registry_sources",
)
"""By the time they took in a whole run, 660 s to 150 s, as its report told (`build/test-report.xml`)."""
MAIN = (
    "end2end/test_agent",
    "end2end/test_governance",
    "end2end/test_jobs",
    "end2end/test_main_path",
    "end2end/test_serving_engine",
    "end2end/test_registry_server",
    "end2end/test_drift_alarm",
    "end2end/test_serving_rollouts",
    "end2end/test_rules_kept",
    "end2end/test_serving_gateway",
    "end2end/test_leases",
    "end2end/telemetry/test_nvml",
    "end2end/telemetry/test_faults",
)
"""One way at least through each room with real processes: what no change may break for a day. The slow ones first."""
LAST = ("ui/", "shape/", "bench/", "packaging/")
"""Folders of tests that take seconds a file at most, but for one that is named above."""
DAYS = 3
"""After so many days each place in the list of those that are not owed has been the first."""
TIME_IS_UP = "not begun: the time of this run was up"
TOUCHED_SECONDS = 15 * 60
"""So much longer begin files of rooms that the change touches. A change of every room would else run for two hours on a
machine half as fast, and a landing ends after one and a half."""
DUE_SECONDS = 20 * 60
"""So much longer begin those whose turn it is: without any end nothing would land from a machine half as fast."""
TOO_SLOW = "not begun at its turn: the machine was too slow"


@dataclass(frozen=True)
class Owed:
    """Of the end-to-end files: whose turn it is at this landing, and which the change touches."""

    due: frozenset[str] = field(default_factory=frozenset)
    touched: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def at(cls, landing: Path | None, files: list[str]) -> Owed:
        if landing is None:
            return cls()
        of_rooms = [name for name in files if name.startswith("end2end/")]
        this = Landing.read(landing)
        return cls(frozenset(this.due(of_rooms)), frozenset(this.touched(of_rooms, landing.parent.parent)))


def rank(path: str) -> tuple[int, int]:
    """Where the tests of a file belong, below tests/ and without ending: the smallest first."""
    if path in SLOWEST:
        return 0, SLOWEST.index(path)
    return (2, 0) if path.startswith(LAST) else (1, 0)


def may_wait(path: str) -> bool:
    """Whether a run that has an end may leave the tests of this file to a later one."""
    return path not in MAIN and not path.startswith(LAST)


def before_an_end(files: list[str], day: int, owed: Owed = Owed()) -> Callable[[str], int]:
    """The order in a run that has an end: what may not wait, what is owed, the others from another one on each day.

    The whole loop begins first all the same: it takes longest, and of all that may wait it shows most.
    """
    others = [name for name in files if may_wait(name) and name != SLOWEST[0]]
    first = len(others) * (day % DAYS) // DAYS
    others = others[first:] + others[:first]
    others.sort(
        key=lambda name: (name not in owed.due, name not in owed.touched, rank(name)[0] if name in owed.due else 0)
    )
    must = [name for name in files if not may_wait(name)]
    must.sort(key=lambda name: (MAIN.index(name) if name in MAIN else len(MAIN), rank(name)))
    places = {name: place for place, name in enumerate([SLOWEST[0], *must, *others])}
    return lambda name: places[name]


def named(test: str) -> str:
    """The file of a test, below tests/ and without ending, as all lists here have it."""
    return test.partition("::")[0].removeprefix("tests/").removesuffix(".py")


def _file(item: pytest.Item) -> str:
    return named(item.nodeid)


class End:
    """Skips what may wait and begins after the end, or a while after it where it is due at this landing or touched."""

    def __init__(self, until: float, landing: Path | None) -> None:
        self._until = until
        self._landing = landing
        self._owed = Owed()

    @property
    def until(self) -> float:
        return self._until

    def knows(self, files: list[str]) -> Owed:
        self._owed = Owed.at(self._landing, files)
        return self._owed

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Called before pytest's own, which makes fixtures: of several the one that was registered last comes first."""
        import pytest  # noqa: PLC0415 - the set-up reads the words above where there is no pytest yet

        file = _file(item)
        is_due = file in self._owed.due
        more = DUE_SECONDS if is_due else TOUCHED_SECONDS if file in self._owed.touched else 0
        if may_wait(file) and time.time() > self._until + more:
            pytest.skip(TOO_SLOW if is_due else TIME_IS_UP)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--begin-until", type=float, help="seconds since 1970: what may wait begins before or not at all")
    parser.addoption("--landing", type=Path, help="the file that tells which landing this is: what is due waits last")


def pytest_configure(config: pytest.Config) -> None:
    until: float | None = config.getoption("--begin-until")
    if until is not None:
        config.pluginmanager.register(End(until, config.getoption("--landing")), "desk-end")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    end: End | None = config.pluginmanager.get_plugin("desk-end")
    if end is None:
        items.sort(key=lambda item: rank(_file(item)))
        return
    # By the end and not by now: all processes of a run have to agree, also around midnight.
    day = datetime.fromtimestamp(end.until, UTC).toordinal()
    files = list(dict.fromkeys(_file(item) for item in items))
    place = before_an_end(files, day, end.knows(files))
    items.sort(key=lambda item: place(_file(item)))
