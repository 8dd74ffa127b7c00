"""The pages, in the order of the sidebar; the last one stands apart at the bottom."""

from mlops_desk.ui.context import Context
from mlops_desk.ui.page import Page, PageSpec


def _overview(context: Context) -> Page:
    from mlops_desk.ui.pages.overview import OverviewPage  # noqa: PLC0415 - a page is loaded when it is first shown

    return OverviewPage(context)


PAGES: tuple[PageSpec, ...] = (PageSpec("overview", "Overview", "overview", _overview),)
