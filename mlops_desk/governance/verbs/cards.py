"""Verbs about cards of model versions."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.kit.verbs.declaration import Option, Pairs, changes, reads

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.governance.records.card import CardBrief, CardExport, CardOfVersion

URI = Option(
    "URI", "tracking URI, or a name of registry list; without it the setting registry.uri, else the desk's own"
)
Uri = Annotated[str | None, URI]
WHY = Option("TEXT", "why, for whoever reads its history")
EXPECTED = Option("SHA256", "refuse if the card says something else by now (sha256 of cards show)")
CLEAR = Option("NAME", "take back what people wrote under this name; several with commas")
_TEAMS = "a card belongs to whoever works with the model; its history and the audit have who said and agreed to what"


class Cards(Protocol):
    """What is told of a version beside its files: by the desk from lineage, and by people in their words.

    A version is named MODEL/VERSION or MODEL@ALIAS. A card goes from draft over in review to approved, and is archived
    in the end; it lies with its version in the registry, so that other desks find it.
    """

    @reads
    def list(self, model: str | None = None) -> "list_of[CardBrief]":
        """List the cards that were written on this desk, newest first."""
        ...

    @reads
    def show(self, version: str, uri: Uri = None) -> "CardOfVersion":
        """Show a version's card with its history; where nobody has written one, what it would begin with."""
        ...

    @changes(before="show", why=_TEAMS)
    def refresh(self, version: str, uri: Uri = None) -> "CardOfVersion":
        """Ask again for what the desk fills in; what people wrote stays. An approved card that changes is a draft."""
        ...

    @changes(before="show", why=_TEAMS)
    def edit(
        self,
        version: str,
        texts: Annotated[Mapping[str, str] | None, Pairs("NAME=TEXT", word="set")] = None,
        clear: Annotated[str, CLEAR] = "",
        uri: Uri = None,
        why: Annotated[str, WHY] = "",
        expected: Annotated[str | None, EXPECTED] = None,
    ) -> "CardOfVersion":
        """Write what only people know: --set intended_use=…, limits, licence, owner, out_of_scope, risks, notes.

        An approved card that is edited is a new revision and a draft again.
        """
        ...

    @changes(before="show", why=_TEAMS)
    def submit(self, version: str, uri: Uri = None, why: Annotated[str, WHY] = "") -> "CardOfVersion":
        """Hand a draft in for review."""
        ...

    @changes(before="show", why=_TEAMS)
    def send_back(self, version: str, uri: Uri = None, why: Annotated[str, WHY] = "") -> "CardOfVersion":
        """Give a card in review back to who writes it, and say why."""
        ...

    @changes(before="show", why=_TEAMS)
    def approve(
        self,
        version: str,
        uri: Uri = None,
        why: Annotated[str, WHY] = "",
        expected: Annotated[str | None, EXPECTED] = None,
    ) -> "CardOfVersion":
        """Agree to a card in review. With ``expected``, only if it still says what was seen."""
        ...

    @changes(before="show", why=_TEAMS)
    def archive(self, version: str, uri: Uri = None, why: Annotated[str, WHY] = "") -> "CardOfVersion":
        """Put a card away: its version is used no more."""
        ...

    @changes(before="show", why=_TEAMS)
    def publish(self, version: str, uri: Uri = None, *, over: bool = False) -> "CardOfVersion":
        """Write a card to its registry now; --over puts it in the place of one that another desk has left there."""
        ...

    @reads
    def export(
        self,
        version: str,
        form: Annotated[str, Option("FORM", "markdown, html or pdf")] = "markdown",
        uri: Uri = None,
    ) -> "CardExport":
        """Return a card as a file that needs nothing else: Markdown, HTML or PDF."""
        ...
