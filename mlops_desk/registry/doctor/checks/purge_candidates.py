"""What was deleted and still lies there: what ``mlflow gc`` would take, what must not go, and whose names are taken.

MLflow looks neither at versions nor at aliases when it purges a run: the files of a version that was registered from it
go with it. Those runs are told, and the desk's own purge leaves them.
"""

from dataclasses import dataclass

from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.doctor.checks.findings import advice, fine, trouble
from mlops_desk.registry.doctor.database import Rows
from mlops_desk.registry.records.doctor import StoreFinding

CHECK, EXPERIMENTS = "deleted_runs", "deleted_experiments"
FIX = "purge"
_TITLE = "Deleted runs"
_NAMED = 5  # chosen: as many as stand in a sentence


@dataclass(frozen=True, slots=True)
class Purgeable:
    """Deleted runs: those that may be purged, those whose files versions use, those that gc never finds."""

    free: tuple[str, ...]
    used: tuple[tuple[str, str], ...]
    n_undated: int


def gathered(store: Rows) -> Purgeable:
    """Gather the deleted runs of a store."""
    query = "SELECT run_uuid, artifact_uri, deleted_time FROM runs WHERE lifecycle_stage = 'deleted'"
    deleted = {str(run): str(place or "") for run, place, _ in store.rows(query)}
    query = "SELECT count(*) FROM runs WHERE lifecycle_stage = 'deleted' AND deleted_time IS NULL"
    n_undated = int(store.value(query)) if deleted else 0
    users: dict[str, str] = {}
    for version, run, place in _versions(store) if deleted else []:
        if run in deleted and lies_in(place, run, deleted[run]):
            users.setdefault(run, version)
    return Purgeable(tuple(run for run in deleted if run not in users), tuple(users.items()), n_undated)


def _versions(store: Rows) -> list[tuple[str, str, str]]:
    """Return each version with its run, and where its files lie."""
    place = "coalesce(storage_location, source)" if store.has("model_versions", "storage_location") else "source"
    query = f"SELECT name, version, run_id, {place} FROM model_versions WHERE run_id IS NOT NULL"  # noqa: S608 - our own words
    return [(f"{name}/{version}", str(run), str(place or "")) for name, version, run, place in store.rows(query)]


def lies_in(place: str, run_id: str, artifact_uri: str) -> bool:
    """Tell whether files lie among those of a run: a model that was logged by itself lies beside them and stays.

    Of a place that is not known it is taken that they do.
    """
    if not place or not artifact_uri:
        return True
    return place.startswith((f"runs:/{run_id}", f"{artifact_uri.rstrip('/')}/")) or place == artifact_uri


def look(store: Rows, shown_uri: str, *, is_ours: bool) -> list[StoreFinding]:
    """Tell what a purge would take, and what stands in its way."""
    return [_runs(gathered(store), shown_uri, is_ours=is_ours), _experiments(store)]


def _runs(found: Purgeable, shown_uri: str, *, is_ours: bool) -> StoreFinding:
    n_runs = len(found.free) + len(found.used)
    if not n_runs:
        return fine(CHECK, _TITLE, "No deleted run waits to be purged.")
    text = f"{n_runs:,} deleted runs still take room; they can be restored until they are purged."
    if found.used:
        some = ", ".join(f"{run[:8]} ({plain(version)})" for run, version in found.used[:_NAMED])
        text += f" Versions use the files of {len(found.used):,}, which mlflow gc would remove all the same: {some}."
    if found.n_undated:
        text += f" mlflow gc never finds {found.n_undated:,} of them: they have no time of deletion."
    say = trouble if found.used and not is_ours else advice
    if is_ours:
        effect = f"Removes {len(found.free):,} runs for good, with their files, by MLflow's own means, after a copy of "
        effect += "the database. Runs whose files a version uses stay. It can't be undone: the copy has no files."
        return say(CHECK, _TITLE, text, fix=FIX if found.free else None, effect=effect, n=n_runs)
    command = gc_command(shown_uri, found)
    before = "mlflow gc takes deleted experiments along, with all their runs. Whoever runs the store can purge: "
    hint = Hint(command, before=before) if command else "None can be purged."
    return say(CHECK, _TITLE, f"{text} {hint}", n=n_runs)


def gc_command(shown_uri: str, found: Purgeable) -> str:
    """Return the command that purges what may go; with versions that use others, by the ids, and not all at once."""
    if not found.free:
        return ""
    some = f" --run-ids {','.join(found.free[:_NAMED])}" if found.used or found.n_undated else ""
    return f"mlflow gc --backend-store-uri '{shown_uri}'{some}"


def _experiments(store: Rows) -> StoreFinding:
    title = "Deleted experiments"
    rows = store.rows("SELECT name FROM experiments WHERE lifecycle_stage = 'deleted' ORDER BY name")
    if not rows:
        return fine(EXPERIMENTS, title, "No name is taken by a deleted experiment.")
    some = ", ".join(plain(str(name), 60) for (name,) in rows[:_NAMED])
    text = f"{len(rows):,} deleted experiments keep their names: {some}. An experiment of such a name can't be made "
    text += "before the old one is restored (mlflow experiments restore) or purged (mlflow gc --experiment-ids)."
    return advice(EXPERIMENTS, title, text, n=len(rows))
