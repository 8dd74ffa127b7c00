"""The verbs about models: lists and searches of them, their versions, aliases, and the desk's own server.

The verb that compares versions of models: a part of their service.

The verbs about aliases: a part of the service of models.

The verbs that change models and versions: tags, descriptions, deleting, registering. A part of their service.
"""

from builtins import list as list_of
from collections.abc import Iterable, Sequence
from dataclasses import replace
from shlex import quote
from typing import Protocol

from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.declaration import check_limit
from mlops_desk.registry import changes as label
from mlops_desk.registry.aliases.alias_operations import AskedAliases, check_alias
from mlops_desk.registry.artifacts.artifact_worker import ModelFileVerbs
from mlops_desk.registry.changes import RegistryAccess, carried_out, command_line
from mlops_desk.registry.comparison.fact_sources import MOST_COMPARED, compared_versions, named_version
from mlops_desk.registry.comparison.run_verbs import ComparedAccess
from mlops_desk.registry.lineage.ports import KnownDrift, KnownEndpoint
from mlops_desk.registry.lineage.verbs import LineageVerb
from mlops_desk.registry.model_files.glances import PATIENCE_SECONDS
from mlops_desk.registry.protocol import RegistryClient
from mlops_desk.registry.records.alias_move import AliasMove, AliasPreview
from mlops_desk.registry.records.comparison import ComparedValue
from mlops_desk.registry.records.labels import Labels
from mlops_desk.registry.records.model import Model, ModelVersion, Registry
from mlops_desk.registry.records.version_hit import ModelCard, VersionHit, VersionsFound
from mlops_desk.registry.service import RegistryCore


class ModelChangeVerbs:
    """A part of the service of models. What MLflow can't take back needs the thing's name a second time."""

    _core: RegistryAccess

    def labels(self, model: str, version: str | None = None, uri: str | None = None) -> Labels:
        with self._core.default.chosen(uri) as chosen:
            self._core.asked(chosen)
            return _labels(self._core.registries.read(chosen), model, version)

    def tag(
        self,
        model: str,
        key: str,
        value: str | None = None,
        version: str | None = None,
        uri: str | None = None,
        expected: str | None = None,
    ) -> Labels:
        label.check_tag(key, value)
        with self._core.default.chosen(uri) as chosen:
            client = self._core.registries.open(chosen)
            was = _labels(client, model, version)
            label.check_expected(f"The tag {plain(key)}", was.tags.get(key), expected)
            if was.tags.get(key) == value:
                return was
            now = carried_out(
                lambda: client.tag_model(model, version, key, value),
                lambda: _labels(client, model, version),
                lambda seen: seen.tags.get(key) == value,
                f"the tag {plain(key)} of {_named(model, version)} was written",
            )
            self._core.changed(chosen)
            return replace(now, undo=label.undo_tag(was, "models", key, value, uri))

    def describe(
        self, model: str, text: str, version: str | None = None, uri: str | None = None, expected: str | None = None
    ) -> Labels:
        label.check_text(text)
        with self._core.default.chosen(uri) as chosen:
            client = self._core.registries.open(chosen)
            was = _labels(client, model, version)
            label.check_expected(f"The description of {_named(model, version)}", was.description, expected)
            if (was.description or "") == text:
                return was
            now = carried_out(
                lambda: client.describe_model(model, version, text),
                lambda: _labels(client, model, version),
                lambda seen: (seen.description or "") == text,
                f"the description of {_named(model, version)} was written",
            )
            self._core.changed(chosen)
            return replace(now, undo=label.undo_text(was, "models", text, uri))

    def delete(self, model: str, confirm: str, version: str | None = None, uri: str | None = None) -> Model:
        with self._core.default.chosen(uri) as chosen:
            client = self._core.registries.open(chosen)
            was = client.model(model)
            _check_typed(model, version, confirm)
            _check_unused(was, version)
            carried_out(
                lambda: client.delete_model(model, version),
                lambda: _is_there(client, model, version),
                lambda there: not there,
                f"{_named(model, version)} was deleted",
            )
            self._core.changed(chosen)
            return client.model(model) if version is not None else Model(model, None)

    def register(self, name: str, run_id: str, path: str = "model", uri: str | None = None) -> ModelVersion:
        if not name.strip() or "/" in name or ":" in name:
            raise Invalid(f"{plain(name)!r} can't be a model's name.", "It is not empty and has neither / nor :.")
        if ".." in path.split("/"):
            raise Invalid(f"{plain(path)!r} is no folder of a run's files.")
        with self._core.default.chosen(uri) as chosen:
            client = self._core.registries.open(chosen)
            known = {one.version for one in _versions(client, run_id, name)}
            try:
                made = client.register(name, run_id, path.strip("/"))
            except Unavailable as error:
                made = _registered(client, run_id, name, known, error)
            self._core.changed(chosen)
            return made


def _labels(client: RegistryClient, model: str, version: str | None) -> Labels:
    return label.of_model(client.model(model)) if version is None else label.of_version(client.version(model, version))


def _named(model: str, version: str | None) -> str:
    return plain(model) if version is None else f"{plain(model)} version {plain(version)}"


def _check_typed(model: str, version: str | None, confirm: str) -> None:
    """Refuse to delete for good what was not named twice. Raises Refused."""
    typed = model if version is None else f"{model}/{version}"
    if confirm != typed:
        what = "a model and all its versions" if version is None else "a version"
        text = f"MLflow deletes {what} for good, and {plain(confirm)!r} is not the name of what is to go."
        raise Refused(text, f"Confirm it by its name: --confirm {plain(typed)}")


def _check_unused(model: Model, version: str | None) -> None:
    """Refuse to delete what an alias points at: whoever asks for the alias would find nothing. Raises Refused."""
    held = sorted(alias for alias, at in model.aliases.items() if version in {None, at})
    if held:
        command = command_line("models.remove_alias", {"model": model.name, "alias": held[0]})
        text = f"{_named(model.name, version)} still has {'aliases' if len(held) > 1 else 'an alias'}: "
        hint = Hint(command, before="Take it away first: ")
        raise Refused(f"{text}{', '.join(map(plain, held))}. Nothing was deleted.", hint)


def _is_there(client: RegistryClient, model: str, version: str | None) -> bool:
    found = {one.name for one in client.models()} if version is None else {v.version for v in client.versions(model)}
    return (model if version is None else version) in found


def _versions(client: RegistryClient, run_id: str, name: str) -> list[ModelVersion]:
    return [one for one in client.versions_of_run(run_id) if one.name == name]


def _registered(client: RegistryClient, run_id: str, name: str, known: set[str], error: Unavailable) -> ModelVersion:
    """Look for the version that a broken-off registering may have made. Raises a DeskError where none is seen."""
    try:
        new = [one for one in _versions(client, run_id, name) if one.version not in known]
    except DeskError as second:
        text = f"Whether {plain(name)} got a new version is not known: {error.message} {second.message}"
        hint = Hint(f"mlops-desk models versions {quote(plain(name))}", before="Look again: ")
        raise TimedOut(text, hint) from error
    if not new:
        raise error
    return new[-1]


class _AliasAccess(RegistryAccess, Protocol):
    aliases: AskedAliases


class AliasVerbs:
    """A part of the service of models. Each change is announced, whoever asked."""

    _core: _AliasAccess

    def history(self, model: str, uri: str | None = None, alias: str = "", at: float | None = None) -> list[AliasMove]:
        with self._core.default.chosen(uri) as chosen:
            self._core.asked(chosen)
            return self._core.aliases.history(model, alias, at, chosen)

    def preview(self, model: str, alias: str, version: str, uri: str | None = None) -> AliasPreview:
        with self._core.default.chosen(uri) as chosen:
            self._core.asked(chosen)
            return self._core.aliases.preview(model, check_alias(alias), version, chosen)

    def promote(
        self, model: str, alias: str, version: str, uri: str | None = None, expected: str | None = None
    ) -> Model:
        with self._core.default.chosen(uri) as chosen:
            moved = self._core.aliases.move(model, check_alias(alias), version, chosen, expected)
            self._core.changed(chosen)
            return moved

    def rollback(
        self,
        model: str,
        alias: str,
        uri: str | None = None,
        expected: str | None = None,
        version: str | None = None,
    ) -> Model:
        with self._core.default.chosen(uri) as chosen:
            moved = self._core.aliases.back(model, check_alias(alias), chosen, expected, version)
            self._core.changed(chosen)
            return moved

    def remove_alias(self, model: str, alias: str, uri: str | None = None, expected: str | None = None) -> Model:
        with self._core.default.chosen(uri) as chosen:
            moved = self._core.aliases.remove(model, check_alias(alias), chosen, expected)
            self._core.changed(chosen)
            return moved


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


# What stands on each model of a registry: endpoints that serve it, and the gravest of what they see drift. Pure.
_GRAVEST = ("critical", "drift", "warning", "insufficient_data", "ok")
_ENDED = frozenset({"failed", "stopped"})
"""States of an endpoint (``EndpointState``) in which no version of it answers, or will without being asked to."""


def standing(
    cards: Iterable[ModelCard], endpoints: Sequence[KnownEndpoint], drift: Sequence[KnownDrift]
) -> list[ModelCard]:
    """Return the cards with what stands on their models; ``drift`` has the newest report of each endpoint."""
    serving: dict[str, dict[str, str]] = {}
    for one in endpoints:
        if one.state not in _ENDED:
            serving.setdefault(one.model, {})[one.name] = one.version
    verdicts = {one.endpoint: one.verdict for one in drift}
    return [
        replace(card, endpoints=served, drift=gravest(verdicts[name] for name in served if name in verdicts))
        if (served := serving.get(card.name))
        else card
        for card in cards
    ]


def gravest(verdicts: Iterable[str]) -> str | None:
    """Return the gravest of some verdicts, None for none; one that nobody knows counts less than any known."""
    return min(verdicts, key=lambda one: _GRAVEST.index(one) if one in _GRAVEST else len(_GRAVEST), default=None)


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
