"""The verb that compares versions of models: a part of their service."""

from mlops_desk.records.registry.comparison import ComparedValue
from mlops_desk.registry.comparing.gathering import compared_versions
from mlops_desk.registry.comparing.run_verbs import ComparedAccess


class VersionCompareVerbs:
    """A part of the service of models."""

    _core: ComparedAccess

    def compare(
        self, model: str, a: str, b: str, uri: str | None = None, other: str | None = None
    ) -> list[ComparedValue]:
        with self._core.default.chosen(uri) as chosen:
            self._core.asked(chosen)
            mirror = self._core.registries.mirror(chosen)
            return compared_versions(mirror, [(model, a), (other or model, b)], chosen, self._core.outside)
