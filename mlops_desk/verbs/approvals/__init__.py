"""Verbs about what waits for a person's word."""

from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.verbs.declaration import Option, changes, reads

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.records.rules.approval import Approval

EXPECTED = Option("VERSION", "refuse if another version than this one is champion by now")
_ASKED = "whoever shares the machine may be asked, and is named with what they said; a retraining is its owner's"


class Approvals(Protocol):
    """What waits for a person's word: challengers that are to be champions, and what rules ask before they go on."""

    @reads
    def list(self) -> "list_of[Approval]":
        """List what waits, the oldest first."""
        ...

    @reads
    def show(self, approval_id: str) -> "Approval":
        """Show what waits, by its id or the beginning of it."""
        ...

    @changes(before="show", why=_ASKED)
    def approve(self, approval_id: str, expected: Annotated[str | None, EXPECTED] = None) -> "Approval":
        """Agree. With ``expected``, a challenger takes the place only of the champion that was seen."""
        ...

    @changes(before="show", why=_ASKED)
    def reject(self, approval_id: str) -> "Approval":
        """Leave things as they are."""
        ...
