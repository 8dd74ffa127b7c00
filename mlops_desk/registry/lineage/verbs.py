"""The verbs about lineage, which the service of models has beside its others."""

import time
from typing import Protocol

from mlops_desk.records.registry.lineage import Lineage, OpenLineage
from mlops_desk.registry.lineage.gathering import LineageDesk
from mlops_desk.registry.lineage.openlineage import open_lineage


class LineageAccess(Protocol):
    """What the verbs need of the registry's core."""

    @property
    def lineage(self) -> LineageDesk: ...


class LineageVerb:
    """A part of the service of models."""

    _core: LineageAccess

    def lineage(self, model: str, version: str | None = None, uri: str | None = None) -> Lineage:
        return self._core.lineage.of_model(model, version, uri)

    def open_lineage(self, model: str, version: str | None = None, uri: str | None = None) -> OpenLineage:
        return open_lineage(self._core.lineage.of_model(model, version, uri), time.time())
