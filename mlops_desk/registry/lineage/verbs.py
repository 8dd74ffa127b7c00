"""The verb about lineage, which the service of models has beside its others."""

from typing import Protocol

from mlops_desk.records.registry.lineage import Lineage
from mlops_desk.registry.lineage.gathering import LineageDesk


class LineageAccess(Protocol):
    """What the verb needs of the registry's core."""

    @property
    def lineage(self) -> LineageDesk: ...


class LineageVerb:
    """A part of the service of models."""

    _core: LineageAccess

    def lineage(self, model: str, version: str | None = None, uri: str | None = None) -> Lineage:
        return self._core.lineage.of_model(model, version, uri)
