"""The features of the window, in the order of the sidebar; the last one stands apart at the bottom.

One line here and a package with a ``feature.py`` that has a ``FEATURE`` are a feature of the window. It is loaded when
it is first asked for something.
"""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from mlops_desk.kit.window.feature import Feature, PageSpec
from mlops_desk.kit.window.widgets.states import NUMBERS

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.store import Loaded, Store
    from mlops_desk.machine.records.event import Notice

PAGES: tuple[PageSpec, ...] = (
    PageSpec("overview", "Overview", "M3 3h6v6H3zM11 3h6v6h-6zM3 11h6v6H3zM11 11h6v6h-6z",
             "mlops_desk.desk.window.overview", awaits=NUMBERS, moves=True),
    PageSpec("gpus", "GPUs", "M3 5h14v8H3zM6 16v-3M10 16v-3M14 16v-3M8 9a2 2 0 1 0 4 0a2 2 0 1 0-4 0",
             "mlops_desk.gpus.window", awaits=NUMBERS,
             curves=True, document="telemetry.md"),
    PageSpec("host", "Host", "M3 4h14v9H3zM7 17h6M10 13v4M6 7h5M6 10h3",
             "mlops_desk.machine.window.host", awaits=NUMBERS, curves=True,
             document="telemetry.md"),
    PageSpec("storage", "Storage & network",
             "M4 5a6 2 0 1 0 12 0a6 2 0 1 0-12 0v10a6 2 0 0 0 12 0v-10M4 10a6 2 0 0 0 12 0",
             "mlops_desk.machine.window.storage", "Storage & net", awaits=NUMBERS, curves=True,
             document="telemetry.md"),
    PageSpec("jobs", "Jobs", "M3 5h2M8 5h9M3 10h2M8 10h9M3 15h2M8 15h9",
             "mlops_desk.jobs.window", document="jobs.md"),
    PageSpec("images", "Images", "M10 2.500l7 3.500l-7 3.500l-7-3.500zM3 10l7 3.500l7-3.500M3 13.800l7 3.500l7-3.500",
             "mlops_desk.engines.window", document="jobs.md#image"),
    PageSpec("endpoints", "Endpoints",
             "M10 3v5M10 8L4 13M10 8l6 5M2.5 13h3v3h-3zM14.500 13h3v3h-3zM8.500 13h3v3h-3zM10 8v5",
             "mlops_desk.serving.window", curves=True,
             moves=True, is_now=True, document="endpoints.md"),
    PageSpec("models", "Models",
             "M10 2.500l7 3.800v7.400l-7 3.800l-7-3.800V6.300zM3 6.300l7 3.800l7-3.800M10 10.100v7.400",
             "mlops_desk.registry.window.models", document="registry.md"),
    PageSpec("runs", "Runs", "M3 15l4-6l3 3l4-7l3 2M3 17h14M7 9v0M10 12v0M14 5v0",
             "mlops_desk.registry.window.runs", document="registry.md"),
    PageSpec("drift", "Drift", "M2 15c3 0 3-9 6-9s3 9 6 9M8 15c2.500 0 2.500-6 5-6s2.500 6 5 6",
             "mlops_desk.drift.window", awaits="Monitors",
             curves=True, shows_all=True, is_now=True, document="drift.md"),
    PageSpec("automations", "Automations",
             "M3 6a3 3 0 1 0 6 0a3 3 0 1 0-6 0M11 14a3 3 0 1 0 6 0a3 3 0 1 0-6 0M9 6h5v5M11 14H6V9",
             "mlops_desk.automation.window", "Automate", awaits="Rules", is_now=True, key="Ctrl+Shift+A",
             document="automation.md"),
    PageSpec("governance", "Governance", "M10 2.500l7 3v4.500c0 4-3 6.500-7 8c-4-1.500-7-4-7-8V5.500zM7 10l2 2l4-4",
             "mlops_desk.governance.window", is_now=True, key="Ctrl+Shift+G", document="governance.md"),
    PageSpec("events", "Events",
             "M4 14h12l-1.500-2.500V9a4.500 4.500 0 0 0-9 0v2.500zM8.500 16.500a1.600 1.600 0 0 0 3 0",
             "mlops_desk.machine.window.events", is_now=True,
             document="telemetry.md#events"),
    PageSpec("settings", "Settings", "M4 4v12M10 4v12M16 4v12M2 7h4M8 12h4M14 6h4",
             "mlops_desk.desk.window.settings", key="Ctrl+,",
             document="reference/settings.md"),
)  # fmt: skip


@cache
def feature(page: str) -> Feature:
    """Return what a page's package declares.

    Raises KeyError for a page that does not exist, TypeError for a package that declares no feature.
    """
    package = {spec.id: spec.package for spec in PAGES}[page]
    declared = import_module(f"{package}.feature").FEATURE
    if not isinstance(declared, Feature):
        raise TypeError(page)
    return declared


def features() -> Iterator[tuple[str, Feature]]:
    """Yield each page's id and its feature, in the order of the sidebar."""
    for spec in PAGES:
        yield spec.id, feature(spec.id)


def loaded() -> Iterator["Loaded"]:
    """Yield what is loaded by asking, of all features."""
    for _page, each in features():
        yield from each.loads


def place_of(store: "Store", notice: "Notice") -> tuple[str, str | None] | None:
    """Return where a notice leads: a page and the key of a thing on it, or None for the page as a whole.

    The page of its source is asked first, then whoever shows such things. None where no page shows it.
    """
    every = [*features()]
    own = [(page, each) for page, each in every if notice.source in each.sources]
    if notice.about is not None:
        kind, key = notice.about
        for page, each in own + every:
            thing = each.shows[kind](store, key) if kind in each.shows else None
            if thing is not None:
                return page, thing
    return (own[0][0], None) if own else None


def act(name: str, *things: object) -> None:
    """Do what a feature declares by a name, as "endpoints.deploy". Raises KeyError for one that nobody declares."""
    feature(name.partition(".")[0]).acts[name](*things)
