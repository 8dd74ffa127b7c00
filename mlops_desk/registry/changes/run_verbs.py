"""The verbs that change runs: tags, descriptions, deleting and restoring. A part of their service."""

from builtins import list as list_of
from collections.abc import Callable
from dataclasses import replace

from mlops_desk.base.errors import DeskError, Invalid
from mlops_desk.base.text import plain
from mlops_desk.records.registry.labels import Labels, RunStage
from mlops_desk.records.registry.undo import Undo
from mlops_desk.registry.access import RegistryAccess
from mlops_desk.registry.changes import labels as label
from mlops_desk.registry.changes.doubt import carried_out
from mlops_desk.registry.changes.undoing import undo
from mlops_desk.registry.protocol import RegistryClient

MOST_RUNS = 1000  # chosen: each is asked for by itself, at some 10 ms


class RunChangeVerbs:
    """A part of the service of runs."""

    _core: RegistryAccess

    def labels(self, run_id: str, uri: str | None = None) -> Labels:
        with self._core.default.chosen(uri) as chosen:
            return label.of_run(self._core.registries.read(chosen).run(run_id))

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
        label.check_tag(key, value)
        with self._core.default.chosen(uri) as chosen:
            client = self._core.registries.open(chosen)
            was = label.of_run(client.run(run_id))
            label.check_expected(f"The tag {plain(key)}", was.tags.get(key), expected)
            if was.tags.get(key) == value:
                return was
            now = carried_out(
                lambda: client.tag_run(run_id, key, value),
                lambda: label.of_run(client.run(run_id)),
                lambda seen: seen.tags.get(key) == value,
                f"the tag {plain(key)} of run {plain(run_id)} was written",
            )
            self._core.changed(chosen)
            return replace(now, undo=label.undo_tag(was, "runs", key, value, uri))

    def describe(self, run_id: str, text: str, uri: str | None = None, expected: str | None = None) -> Labels:
        label.check_text(text)
        with self._core.default.chosen(uri) as chosen:
            client = self._core.registries.open(chosen)
            was = label.of_run(client.run(run_id))
            label.check_expected(f"The description of run {plain(run_id)}", was.description, expected)
            if (was.description or "") == text:
                return was
            now = carried_out(
                lambda: client.tag_run(run_id, label.DESCRIPTION_TAG, text or None),
                lambda: label.of_run(client.run(run_id)),
                lambda seen: (seen.description or "") == text,
                f"the description of run {plain(run_id)} was written",
            )
            self._core.changed(chosen)
            return replace(now, undo=label.undo_text(was, "runs", text, uri))

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
