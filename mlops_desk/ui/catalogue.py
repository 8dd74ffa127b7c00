"""The pages, in the order of the sidebar; the last one stands apart at the bottom. Each is loaded when first shown."""

from importlib import import_module
from typing import TYPE_CHECKING

from mlops_desk.ui.feature import NUMBERS, PageSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_desk.ui.live.context import Context
    from mlops_desk.ui.parts.page import Page


def _late(module: str, name: str) -> "Callable[[Context], Page]":
    def make(context: "Context") -> "Page":
        from mlops_desk.ui.parts.page import Page  # noqa: PLC0415 - after the first paint

        page = getattr(import_module(f"mlops_desk.ui.{module}.page"), name)(context)
        if not isinstance(page, Page):
            raise TypeError(name)
        return page

    return make


PAGES: tuple[PageSpec, ...] = (
    PageSpec("overview", "Overview", "overview", _late("overview", "OverviewPage"), awaits=NUMBERS),
    PageSpec("gpus", "GPUs", "gpus", _late("gpus", "GpusPage"), awaits=NUMBERS, curves=True),
    PageSpec("host", "Host", "host", _late("host", "HostPage"), awaits=NUMBERS, curves=True),
    PageSpec(
        "storage",
        "Storage & network",
        "storage",
        _late("storage", "StoragePage"),
        "Storage & net",
        awaits=NUMBERS,
        curves=True,
    ),
    PageSpec("jobs", "Jobs", "jobs", _late("jobs", "JobsPage")),
    PageSpec("endpoints", "Endpoints", "endpoints", _late("endpoints", "EndpointsPage")),
    PageSpec("models", "Models", "models", _late("models", "ModelsPage")),
    PageSpec("drift", "Drift", "drift", _late("drift", "DriftPage"), awaits="Drift reports"),
    PageSpec("events", "Events", "events", _late("events", "EventsPage")),
    PageSpec("settings", "Settings", "settings", _late("settings", "SettingsPage")),
)
