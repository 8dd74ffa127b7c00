"""The verb that compares versions of models: a part of their service."""

from mlops_desk.base.errors import Invalid
from mlops_desk.records.registry.comparison import ComparedValue
from mlops_desk.registry.comparing.gathering import MOST_COMPARED, compared_versions, named_version
from mlops_desk.registry.comparing.run_verbs import ComparedAccess


class VersionCompareVerbs:
    """A part of the service of models."""

    _core: ComparedAccess

    def compare(
        self,
        model: str,
        a: str,
        b: str,
        uri: str | None = None,
        other: str | None = None,
        more: list[str] | None = None,
    ) -> list[ComparedValue]:
        asked = [(model, a), (other or model, b), *(named_version(model, one) for one in more or ())]
        if len(asked) > MOST_COMPARED:
            raise Invalid(f"At most {MOST_COMPARED} versions are compared at once, not {len(asked)}.")
        with self._core.default.chosen(uri) as chosen:
            self._core.asked(chosen)
            mirror = self._core.registries.mirror(chosen)
            return compared_versions(mirror, asked, chosen, self._core.outside)
