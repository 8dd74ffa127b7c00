"""The verbs that change models and versions: tags, descriptions, deleting, registering. A part of their service."""

from dataclasses import replace
from shlex import quote

from mlops_desk.base.errors import DeskError, Hint, Invalid, Refused, TimedOut, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.records.model import Model, ModelVersion
from mlops_desk.records.registry.labels import Labels
from mlops_desk.registry.access import RegistryAccess
from mlops_desk.registry.changes import labels as label
from mlops_desk.registry.changes.doubt import carried_out
from mlops_desk.registry.changes.undoing import command_line
from mlops_desk.registry.protocol import RegistryClient


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
