"""The verbs about models: lists and searches of them, their versions, aliases, and the desk's own server."""

from builtins import list as list_of

from mlops_desk.base.errors import Invalid
from mlops_desk.records.model import Model, ModelVersion, Registry
from mlops_desk.records.registry.version_hit import ModelCard, VersionHit, VersionsFound
from mlops_desk.registry.aliases.verbs import AliasVerbs
from mlops_desk.registry.artifacts.verbs import ModelFileVerbs
from mlops_desk.registry.changes.model_verbs import ModelChangeVerbs
from mlops_desk.registry.comparing.version_verbs import VersionCompareVerbs
from mlops_desk.registry.lineage.verbs import LineageVerb
from mlops_desk.registry.modelfiles.glances import PATIENCE_SECONDS
from mlops_desk.registry.service import RegistryCore
from mlops_desk.registry.standing import standing
from mlops_desk.verbs.declaration import check_limit


class ModelsService(AliasVerbs, ModelChangeVerbs, VersionCompareVerbs, ModelFileVerbs, LineageVerb):
    """The verbs of verbs.Models."""

    _core: RegistryCore

    def __init__(self, core: RegistryCore) -> None:
        self._core = core

    def list(self, uri: str | None = None) -> list_of[Model]:
        with self._core.default.chosen(uri) as chosen:
            self._core.asked(chosen)
            if chosen is None and self._core.registries.own_is_empty:
                return []
            return self._core.registries.read(chosen).models()

    def versions(self, model: str, uri: str | None = None) -> list_of[ModelVersion]:
        with self._core.default.chosen(uri) as chosen:
            self._core.asked(chosen)
            return self._core.registries.read(chosen).versions(model)

    def show(self, model: str, uri: str | None = None) -> Model:
        with self._core.default.chosen(uri) as chosen:
            self._core.asked(chosen)
            return self._core.registries.read(chosen).model(model)

    def search(self, query: str, uri: str | None = None, limit: int = 200) -> list_of[VersionHit]:
        return list(self.find(query, uri, limit).hits)

    def find(
        self, query: str, uri: str | None = None, limit: int = 200, wait: float = PATIENCE_SECONDS
    ) -> VersionsFound:
        check_limit(limit)
        if not 0 <= wait <= PATIENCE_SECONDS:
            raise Invalid(f"A search waits 0 to {PATIENCE_SECONDS:g} s, not {wait:g}.", "Give --wait another number.")
        with self._core.default.chosen(uri) as chosen:
            self._core.asked(chosen)
            if chosen is None and self._core.registries.own_is_empty:
                return VersionsFound((), 0)
            self._core.glances.prepare(chosen, query, wait)
            return self._core.registries.mirror(chosen).search(query, limit)

    def cards(self, uri: str | None = None) -> list_of[ModelCard]:
        with self._core.default.chosen(uri) as chosen:
            self._core.asked(chosen)
            if chosen is None and self._core.registries.own_is_empty:
                return []
            house = self._core.lineage.outside
            endpoints = [one for one in house.endpoints() if self._core.is_same(one.registry, chosen)]
            found = self._core.registries.mirror(chosen).cards()
            return standing(found, endpoints, house.drift([one.name for one in endpoints]))

    def alias(self, model: str, alias: str, version: str, uri: str | None = None, expected: str | None = None) -> Model:
        with self._core.default.chosen(uri) as chosen:
            return self._core.set_alias(model, alias, version, chosen, expected)

    def start(self) -> Registry:
        self._core.asked()
        return self._core.told(self._core.server.start())

    def server(self) -> Registry:
        return self._core.told(self._core.server.look())
