"""A plugin for pytest (`-p desk_setup.order`): which files begin first, and which no longer when the time is up.

Left alone, xdist begins with the files that hold most tests. The longest ones, a retraining in three tests, then come
last, two or three behind each other in one process while the others have nothing left to do, and the tests of pages,
which only compute, all stand beside each other at the start. With the slow ones first, what is short fills the gaps.

A run may have an end (`--begin-until`, seconds since 1970). Then `MAIN` and all that is not end-to-end runs whatever
the time, and of the other end-to-end tests those that begin before it; what did not begin is skipped with `TIME_IS_UP`,
and so told. Each day begins the others at another place, so that each is run every few days also where the machine
is slow.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

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
"""After so many days each place in the list has been the first: in 40 minutes at least a third of them begin, also on a
machine so slow that half of the time is gone before."""
TIME_IS_UP = "not begun: the time of this run was up"


def rank(path: str) -> tuple[int, int]:
    """Where the tests of a file belong, below tests/ and without ending: the smallest first."""
    if path in SLOWEST:
        return 0, SLOWEST.index(path)
    return (2, 0) if path.startswith(LAST) else (1, 0)


def may_wait(path: str) -> bool:
    """Whether a run that has an end may leave the tests of this file to a later one."""
    return path not in MAIN and not path.startswith(LAST)


def before_an_end(files: list[str], day: int) -> Callable[[str], int]:
    """The order in a run that has an end: what may not wait, then the others, from another one of them on each day.

    The whole loop begins first all the same: it takes longest, and of all that may wait it shows most.
    """
    others = [name for name in files if may_wait(name) and name != SLOWEST[0]]
    first = len(others) * (day % DAYS) // DAYS
    others = others[first:] + others[:first]
    must = [name for name in files if not may_wait(name)]
    must.sort(key=lambda name: (MAIN.index(name) if name in MAIN else len(MAIN), rank(name)))
    places = {name: place for place, name in enumerate([SLOWEST[0], *must, *others])}
    return lambda name: places[name]


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0].removeprefix("tests/").removesuffix(".py")


class End:
    """Skips what may wait and begins after the end."""

    def __init__(self, until: float) -> None:
        self._until = until

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Called before pytest's own, which makes fixtures: of several the one that was registered last comes first."""
        import pytest  # noqa: PLC0415 - the set-up reads the words above where there is no pytest yet

        if may_wait(_file(item)) and time.time() > self._until:
            pytest.skip(TIME_IS_UP)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--begin-until", type=float, help="seconds since 1970: what may wait begins before or not at all")


def pytest_configure(config: pytest.Config) -> None:
    until: float | None = config.getoption("--begin-until")
    if until is not None:
        config.pluginmanager.register(End(until), "desk-end")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    until: float | None = config.getoption("--begin-until")
    if until is None:
        items.sort(key=lambda item: rank(_file(item)))
        return
    # By the end and not by now: all processes of a run have to agree, also around midnight.
    day = datetime.fromtimestamp(until, UTC).toordinal()
    place = before_an_end(list(dict.fromkeys(_file(item) for item in items)), day)
    items.sort(key=lambda item: place(_file(item)))
