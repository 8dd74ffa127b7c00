"""Verbs about evidence of how a model came about and what it did."""

from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.kit.verbs.declaration import Ticket, Word, reads

if TYPE_CHECKING:
    from mlops_desk.registry.records.evidence import EvidencePack


class EvidencePacks(Protocol):
    """One file with everything about one model version, for who has to believe it: made, signed and looked at."""

    @reads
    def build(
        self,
        version: Annotated[str, Word("MODEL/VERSION", "MODEL/VERSION or MODEL@ALIAS")],
        ticket: Annotated[str | None, Ticket()] = None,
    ) -> "EvidencePack":
        """Make a signed pack of a version: its facts, run, lineage, endpoints, drift, decisions, audit and packages.

        What can't be told at the moment is named as not known, with the reason.
        By the ``ticket`` endpoints.progress tells how far it is.
        """
        ...
