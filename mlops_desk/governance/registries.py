"""Registries as cards and policies need them: which is meant, its versions as they are now, and their tags."""

from collections.abc import Mapping
from dataclasses import replace
from shlex import quote

from mlops_desk.kit.base.errors import Hint, NotFound
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.registry.service import RegistryCore


class GovernedRegistries:
    """Implements ``governance.cards.ports.CardRegistries`` and ``governance.policies.service.PolicyRegistries``."""

    def __init__(self, core: RegistryCore) -> None:
        self._core = core

    def where(self, uri: str | None) -> tuple[str | None, str]:
        """Return the tracking URI that is meant (None: the desk's own), and one word for it."""
        with self._core.default.chosen(uri) as chosen:
            return chosen, self._core.registries.identity(chosen)

    def find(self, model: str, number: str, uri: str | None) -> ModelVersion:
        """Return a version as it is now, by its number or @ALIAS. Raises NotFound, Unavailable."""
        self._core.registries.look_again(uri)
        client = self._core.registries.read(uri)
        if number.startswith("@"):
            named = number
            number = client.model(model).aliases.get(named[1:], "")
            if not number:
                raise NotFound(f"Model {plain(model)} has no alias {plain(named[1:])}.", _versions(model))
        for version in client.versions(model):
            if version.version == number:
                return replace(version, registry=uri)
        raise NotFound(f"Model {plain(model)} has no version {plain(number)}.", _versions(model))

    def tag(self, model: str, version: str, tags: Mapping[str, str | None], uri: str | None) -> None:
        """Write tags of a version in their order; None takes one away. Raises DeskErrors."""
        client = self._core.registries.open(uri)
        for key, value in tags.items():
            client.tag_model(model, version, key, value)
        self._core.changed(uri)

    def check_model(self, model: str, uri: str | None) -> None:
        """Raise NotFound where there is no such model, Unavailable where nobody can tell."""
        self._core.registries.read(uri).model(model)


def _versions(model: str) -> Hint:
    return Hint(f"mlops-desk models versions {quote(plain(model))}", after=" lists them.")
