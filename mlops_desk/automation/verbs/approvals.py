"""Verbs about what waits for a person's word."""

from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.governance.verbs.cards import WHY, Uri
from mlops_desk.kit.verbs.declaration import Option, changes, reads

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.automation.records.approval import Approval

EXPECTED = Option("VERSION", "refuse if another version than this one is champion by now")
ALIAS = Option("ALIAS", "name of the alias, such as champion")
_ASKING = "nothing moves by it until those have agreed whom the alias's policy names; it says who asks"
_ASKED = "whoever shares the machine may be asked, and is named with what they said; a retraining is its owner's"


class Approvals(Protocol):
    """What waits for a person's word: challengers that are to be champions, moves of aliases, and what rules ask."""

    @reads
    def list(self) -> "list_of[Approval]":
        """List what waits, the oldest first."""
        ...

    @reads
    def show(self, approval_id: str) -> "Approval":
        """Show what waits, by its id or the beginning of it."""
        ...

    @changes(why=_ASKING)
    def ask(
        self,
        version: str,
        alias: Annotated[str, ALIAS] = "champion",
        uri: Uri = None,
        why: Annotated[str, WHY] = "",
    ) -> "Approval":
        """Ask that an alias move to a version: it moves once those have agreed whom its policy wants."""
        ...

    @changes(before="show", why=_ASKED)
    def approve(
        self, approval_id: str, expected: Annotated[str | None, EXPECTED] = None, why: Annotated[str, WHY] = ""
    ) -> "Approval":
        """Agree. With ``expected``, a challenger takes the place only of the champion that was seen."""
        ...

    @changes(before="show", why=_ASKED)
    def reject(self, approval_id: str, why: Annotated[str, WHY] = "") -> "Approval":
        """Leave things as they are."""
        ...
