"""What is changed in a registry beside aliases: tags, descriptions, runs, versions; and how each is taken back.

How something is taken back, as data for the window and as a command to paste. Pure.

Tags and descriptions as they stand, and what takes a change of them back. Pure.

A write whose answer did not come: it is looked at what became of it, and said where nobody can tell.

The verbs that change runs: tags, descriptions, deleting and restoring. A part of their service.
"""

import shlex
from builtins import list as list_of
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol, TypeVar

from mlops_desk.kit.base.errors import DeskError, Invalid, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.address import parse_address
from mlops_desk.registry.default_registry import Default
from mlops_desk.registry.protocol import RegistryClient
from mlops_desk.registry.records.labels import Labels, RunStage
from mlops_desk.registry.records.model import Model, ModelVersion, Run
from mlops_desk.registry.records.undo import Undo
from mlops_desk.registry.registries import Registries

# What the verbs' parts need of the core that they share. Declared apart, so that the core may import the parts.


class RegistryAccess(Protocol):
    """The registries, which one is meant, and who is told of changes."""

    default: Default
    registries: Registries

    def asked(self, uri: str | None = None) -> None:
        """Note that somebody looks at a registry (None: the desk's own)."""
        ...

    def changed(self, uri: str | None = None) -> None:
        """Tell that something on ``uri`` has changed."""
        ...


_PLACES = {
    "models.promote": ("model",),
    "models.rollback": ("model",),
    "models.remove_alias": ("model",),
    "models.tag": ("model", "key"),
    "models.describe": ("model", "text"),
    "models.delete": ("model",),
    "runs.tag": ("run_id", "key"),
    "runs.describe": ("run_id", "text"),
    "runs.delete": ("run_ids",),
    "runs.restore": ("run_ids",),
}
"""Which arguments stand in their place on the command line; the others are options."""
Value = str | tuple[str, ...] | None


def undo(verb: str, arguments: Mapping[str, Value], uri: str | None) -> Undo:
    """Return an undo by ``verb`` with these arguments (None: not given), on the registry that was named."""
    shown = None if uri is None else shown_uri(uri)
    given = {name: value for name, value in {**arguments, "uri": shown}.items() if value is not None}
    return Undo(verb, given, command_line(verb, given))


def shown_uri(uri: str) -> str:
    """Return an address as it may be shown: without a password. The name of a registry stays as it is."""
    try:
        return parse_address(uri).shown
    except Invalid:
        return uri


def command_line(verb: str, given: Mapping[str, Value]) -> str:
    """Return the command that asks for a verb, each word quoted for a shell."""
    service, _, name = verb.partition(".")
    words = ["mlops-desk", service, name.replace("_", "-")]
    dashed = False
    options: list[str] = []
    for key, value in given.items():
        values = [value] if isinstance(value, str) else list(value or ())
        if key in _PLACES[verb]:
            dashed = dashed or any(one.startswith("-") for one in values)
        else:
            options += [part for one in values for part in _option(key, one)]
    places = [one for key in _PLACES[verb] for one in _listed(given.get(key))]
    return shlex.join([*words, *options, "--", *places] if dashed else [*words, *places, *options])


def _option(key: str, value: str) -> list[str]:
    name = f"--{key.replace('_', '-')}"
    return [f"{name}={value}"] if value.startswith("-") else [name, value]


def _listed(value: Value) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


DESCRIPTION_TAG = "mlflow.note.content"
"""In which MLflow keeps a run's description."""
_OWN_TAGS = "mlflow."
_MOST_KEY = 250  # MLflow's own limit
_MOST_VALUE = 5000  # MLflow's own limit for tags of models; runs take 8,000
_MOST_TEXT = 5000  # MLflow's own limit for descriptions


def of_model(model: Model) -> Labels:
    return Labels(model.name, None, model.description, dict(model.tags))


def of_version(version: ModelVersion) -> Labels:
    return Labels(version.name, version.version, version.description, dict(version.tags))


def of_run(run: Run) -> Labels:
    tags = {key: value for key, value in run.tags.items() if not key.startswith(_OWN_TAGS)}
    return Labels(run.run_id, None, run.tags.get(DESCRIPTION_TAG) or None, tags)


def check_tag(key: str, value: str | None) -> None:
    """Refuse what MLflow would refuse, or read itself. Raises Invalid."""
    if not key.strip() or len(key) > _MOST_KEY:
        raise Invalid(f"A tag's name has 1 to {_MOST_KEY} characters, not {len(key)}.")
    if key.startswith(_OWN_TAGS):
        raise Invalid(f"The tag {plain(key)} is MLflow's own.", "Its tags begin with mlflow.; choose another name.")
    if value is not None and len(value) > _MOST_VALUE:
        raise Invalid(f"A tag's value has at most {_MOST_VALUE:,} characters, not {len(value):,}.")


def check_text(text: str) -> None:
    """Refuse a description that is too long for MLflow. Raises Invalid."""
    if len(text) > _MOST_TEXT:
        raise Invalid(f"A description has at most {_MOST_TEXT:,} characters, not {len(text):,}.")


def check_expected(what: str, now: str | None, expected: str | None) -> None:
    """Refuse where something does not read as it was seen (None: nobody says; empty: nothing). Raises Refused."""
    if expected is not None and (now or "") != expected:
        told = f"reads {plain(now)!r}" if now else "is empty"
        text = f"{what} {told} by now, not as when you looked. It was not changed."
        raise Refused(text, "Look again, and decide anew.")


def undo_tag(was: Labels, service: str, key: str, value: str | None, uri: str | None) -> Undo | None:
    """Return what puts a tag back; None where it was so before."""
    before = was.tags.get(key)
    if before == value:
        return None
    named: dict[str, str | None] = {"version": was.version, "key": key, "value": before, "expected": value or ""}
    return undo(f"{service}.tag", {_NAMES[service]: was.name, **named}, uri)


def undo_text(was: Labels, service: str, text: str, uri: str | None) -> Undo | None:
    """Return what puts a description back; None where it was so before."""
    before = was.description or ""
    if before == text:
        return None
    named = {"version": was.version, "text": before, "expected": text}
    return undo(f"{service}.describe", {_NAMES[service]: was.name, **named}, uri)


_NAMES = {"models": "model", "runs": "run_id"}


T = TypeVar("T")


def carried_out(write: Callable[[], object], look: Callable[[], T], done: Callable[[T], bool], what: str) -> T:
    """Write, and return how it stands then.

    Raises TimedOut where it is not known whether ``what`` (… was written), what the write raised where it was not, and
    Unavailable, which says that it was, where the look alone failed.
    """
    try:
        write()
    except Unavailable as error:
        return _looked(error, look, done, what)
    try:
        return look()
    except DeskError as error:  # whoever reads of a failure alone would write once more
        text = f"It is done: {what}. Only how it stands now can't be told: {error.message}"
        raise Unavailable(text, "Look again; there is nothing to be written once more.") from error


def _looked(error: Unavailable, look: Callable[[], T], done: Callable[[T], bool], what: str) -> T:
    try:
        now = look()
    except DeskError as second:
        text = f"Whether {what} is not known: {error.message} Looking again failed too: {second.message}"
        raise TimedOut(text, "Look again before anything else.") from error
    if done(now):
        return now
    if isinstance(error, TimedOut):
        text = f"{error.message} As it stands, it is not so that {what}; the server may still do it."
        raise TimedOut(text, "Look again before anything else.") from error
    raise error


MOST_RUNS = 1000  # chosen: each is asked for by itself, at some 10 ms


class RunChangeVerbs:
    """A part of the service of runs."""

    _core: RegistryAccess

    def labels(self, run_id: str, uri: str | None = None) -> Labels:
        with self._core.default.chosen(uri) as chosen:
            return of_run(self._core.registries.read(chosen).run(run_id))

    def stages(self, run_ids: list_of[str], uri: str | None = None) -> list_of[RunStage]:
        asked = check_runs(run_ids)
        with self._core.default.chosen(uri) as chosen:
            client = self._core.registries.read(chosen)
            return [client.run_stage(run_id) for run_id in asked]

    def delete(self, run_ids: list_of[str], uri: str | None = None) -> list_of[RunStage]:
        return self._each(run_ids, uri, "runs.restore", lambda client, run_id: _staged(client, run_id, gone=True))

    def restore(self, run_ids: list_of[str], uri: str | None = None) -> list_of[RunStage]:
        return self._each(run_ids, uri, "runs.delete", lambda client, run_id: _staged(client, run_id, gone=False))

    def tag(
        self, run_id: str, key: str, value: str | None = None, uri: str | None = None, expected: str | None = None
    ) -> Labels:
        check_tag(key, value)
        with self._core.default.chosen(uri) as chosen:
            client = self._core.registries.open(chosen)
            was = of_run(client.run(run_id))
            check_expected(f"The tag {plain(key)}", was.tags.get(key), expected)
            if was.tags.get(key) == value:
                return was
            now = carried_out(
                lambda: client.tag_run(run_id, key, value),
                lambda: of_run(client.run(run_id)),
                lambda seen: seen.tags.get(key) == value,
                f"the tag {plain(key)} of run {plain(run_id)} was written",
            )
            self._core.changed(chosen)
            return replace(now, undo=undo_tag(was, "runs", key, value, uri))

    def describe(self, run_id: str, text: str, uri: str | None = None, expected: str | None = None) -> Labels:
        check_text(text)
        with self._core.default.chosen(uri) as chosen:
            client = self._core.registries.open(chosen)
            was = of_run(client.run(run_id))
            check_expected(f"The description of run {plain(run_id)}", was.description, expected)
            if (was.description or "") == text:
                return was
            now = carried_out(
                lambda: client.tag_run(run_id, DESCRIPTION_TAG, text or None),
                lambda: of_run(client.run(run_id)),
                lambda seen: (seen.description or "") == text,
                f"the description of run {plain(run_id)} was written",
            )
            self._core.changed(chosen)
            return replace(now, undo=undo_text(was, "runs", text, uri))

    def _each(
        self, run_ids: list_of[str], uri: str | None, back: str, act: Callable[[RegistryClient, str], RunStage]
    ) -> list_of[RunStage]:
        """Do the same to some runs; one that fails says why, and the others go on. The undo is of those done."""
        asked = check_runs(run_ids)
        with self._core.default.chosen(uri) as chosen:
            client = self._core.registries.open(chosen)
            found = [_tried(client, run_id, act) for run_id in asked]
            if len(found) == 1 and isinstance(found[0], DeskError):
                raise found[0]
            done = tuple(one.run_id for one in found if isinstance(one, RunStage) and one.changed)
            if done:
                self._core.changed(chosen)
        taken_back = undo(back, {"run_ids": done}, uri) if done else None
        return [_told(run_id, one, taken_back) for run_id, one in zip(asked, found, strict=True)]


def _tried(client: RegistryClient, run_id: str, act: Callable[[RegistryClient, str], RunStage]) -> RunStage | DeskError:
    try:
        return act(client, run_id)
    except DeskError as error:
        return error


def _told(run_id: str, found: RunStage | DeskError, undo_all: Undo | None) -> RunStage:
    if isinstance(found, DeskError):
        return RunStage(run_id, None, None, problem=found.message)
    return replace(found, undo=undo_all) if found.changed else found


def _staged(client: RegistryClient, run_id: str, *, gone: bool) -> RunStage:
    """Delete a run, or bring it back; nothing where it is so already. Raises DeskErrors."""
    was = client.run_stage(run_id)
    if was.is_deleted == gone:
        return was
    act = client.delete_run if gone else client.restore_run
    now = carried_out(
        lambda: act(run_id),
        lambda: client.run_stage(run_id),
        lambda seen: seen.is_deleted == gone,
        f"run {plain(run_id)} was {'deleted' if gone else 'restored'}",
    )
    return replace(now, changed=True)


def check_runs(run_ids: list_of[str], least: int = 1, most: int = MOST_RUNS) -> list_of[str]:
    """Return the runs that are named, each once. Raises Invalid."""
    named = list(dict.fromkeys(run_ids))
    if not least <= len(named) <= most or not all(named):
        raise Invalid(f"Name {least} to {most:,} runs by their ids, not {len(named):,}.")
    return named
