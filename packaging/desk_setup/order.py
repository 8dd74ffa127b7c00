"""A plugin for pytest (`-p desk_setup.order`): the files that take longest begin first.

Left alone, xdist begins with the files that hold most tests. The longest ones, a retraining in three tests, then come
last, two or three behind each other in one process while the others have nothing left to do. With the slow ones first,
what is short fills the gaps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

SLOWEST = (
    "end2end/test_loop",
    "end2end/test_serving_sleep",
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
    "end2end/test_main_job",
    "journeys/test_window_journeys",
    "end2end/test_main_path",
    "journeys/test_first_model",
    "journeys/test_capsules",
    "journeys/test_lost_gpu",
    "journeys/test_gpu_jobs",
    "journeys/test_evidence",
)
"""By the time they took in a whole run, as its report told (`build/test-report.xml`)."""
LAST = ("ui/", "shape/", "packaging/")
"""Folders of tests that take seconds a file at most, but for one that is named above."""


def rank(path: str) -> tuple[int, int]:
    """Where the tests of a file belong, below tests/ and without ending: the smallest first."""
    if path in SLOWEST:
        return 0, SLOWEST.index(path)
    return (2, 0) if path.startswith(LAST) else (1, 0)


def named(test: str) -> str:
    """The file of a test, below tests/ and without ending."""
    return test.partition("::")[0].removeprefix("tests/").removesuffix(".py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: rank(named(item.nodeid)))
