"""The way to MLflow's own page, for a browser on this machine."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageVisit:
    """``address`` opens the page once, until ``opens_until``; the browser is let in until ``ends_at`` (Unix seconds).

    ``has_page``: MLflow's page is installed; where it is not, the address says so, and ``text`` does.
    """

    address: str
    opens_until: float
    ends_at: float
    has_page: bool
    text: str | None = None
