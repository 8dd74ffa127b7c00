"""What cards ask of registries and of the rest of the house. Everything may raise DeskError, and keeps a deadline."""

from collections.abc import Mapping
from typing import Protocol

from mlops_desk.records.governance.card import CardFacts
from mlops_desk.records.model import ModelVersion


class CardRegistries(Protocol):
    """Registries as cards need them; ``uri`` is as a person gave it, None where nobody named one."""

    def where(self, uri: str | None) -> tuple[str | None, str]:
        """Return the tracking URI that is meant (None: the desk's own), and one word for it."""
        ...

    def find(self, model: str, number: str, uri: str | None) -> ModelVersion:
        """Return a version as it is now, by its number or @ALIAS. Raises NotFound."""
        ...

    def tag(self, model: str, version: str, tags: Mapping[str, str | None], uri: str | None) -> None:
        """Write tags of a version in their order; None takes one away."""
        ...


class CardSources(Protocol):
    """What the rest of the house knows of a version."""

    def facts(self, version: ModelVersion, uri: str | None) -> tuple[CardFacts, Mapping[str, str]]:
        """Return the facts, and the texts that the desk can fill in; what can't be told is named as a gap."""
        ...
