"""One line above a page's numbers that says that they are not true now, and of when they are."""

from mlops_desk.ui.live.store import Store
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.words import numbers


class StaleLine(Label):
    """Hidden while the agent is heard. ``what`` is what of the page is not true now, with its verb."""

    def __init__(self, what: str = "These numbers are") -> None:
        super().__init__(bold=True, tone="warning")
        self._what = what
        self.hide()

    def refresh(self, store: Store) -> None:
        """Say what holds now."""
        self.setVisible(not store.is_true_now)
        if not store.is_true_now:
            at = store.status.sampled_at if store.status is not None else None
            of = f"{self._what} of {numbers.day_and_clock(at)}: " if at is not None else ""
            since = numbers.clock(store.connection.stale_since or store.connection.since)
            self.show_text(f"{numbers.WARNING} {of}no news from the agent since {since}.")
            self.setAccessibleName(self.whole)
