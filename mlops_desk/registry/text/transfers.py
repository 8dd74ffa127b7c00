"""What went from one registry to another, what was lost on the way, and which files are not what they were."""

from collections.abc import Callable, Sequence
from typing import Any

from mlops_desk.kit.base.text import plain, size_text
from mlops_desk.kit.text.cells import moment, table
from mlops_desk.registry.records.transfer import ImportedRuns, Loss, MigratedFolder, Transferred, Verified

_SHOWN = 40  # chosen: a screen; --json has all
_HASH = 16  # chosen: enough to tell two hashes apart by eye


def losses(items: Sequence[Loss]) -> list[str]:
    """Return a line for each thing that did not come along."""
    return [f"Lost: {plain(loss.what, 300)}. {plain(loss.why, 300)}" for loss in items]


def imported(item: ImportedRuns) -> str:
    """Return the runs by the ids that they have here, and what was lost."""
    made = [f"{here}  from {there}" for there, here in item.runs]
    count = f"{len(item.runs):,} run{'' if len(item.runs) == 1 else 's'} imported."
    return "\n".join([*made, *losses(item.losses), count])


def migrated(item: MigratedFolder) -> str:
    """Return the new store, what is in it, and that the folder is needed on."""
    runs = f"{item.n_runs:,} run{'' if item.n_runs == 1 else 's'}"
    models = f"{item.n_models:,} model{'' if item.n_models == 1 else 's'}"
    names = f"\n{', '.join(item.names)} in the list of registries is this store now." if item.names else ""
    folder = f"Files of runs stay in {plain(item.folder, 400)}: keep that folder. Log to the store from now on."
    head = f"{plain(item.file, 400)}: {runs} and {models}.{names}"
    return "\n".join([*losses(item.losses), head, folder])


def transferred(item: Transferred) -> str:
    where = plain(item.path or item.reference or "", 400)
    return "\n".join([f"{where}: {item.n_files:,} files, {size_text(item.size_bytes)}", *losses(item.losses)])


def verified(item: Verified) -> str:
    """Return which files are not what they were, or can't be compared; where nothing was recorded, that it is now."""
    name = f"{plain(item.name)}/{plain(item.version)}"
    why = "" if item.problem is None else f"\n{plain(item.problem, 400)}"
    if item.recorded_at is None:
        now = "It is now." if item.problem is None else "What could be read is now."
        return f"{name}: nothing was recorded of its {len(item.files):,} files before. {now}{why}"
    odd = [file for file in item.files if file.state != "same"]
    if not odd:
        return f"{name}: all {len(item.files):,} files are what they were on {moment(item.recorded_at)}."
    rows = [
        [file.state.upper(), (file.recorded_sha256 or "–")[:_HASH], (file.found_sha256 or "–")[:_HASH], file.path]
        for file in odd[:_SHOWN]
    ]
    more = f"\n… and {len(odd) - _SHOWN:,} more" if len(odd) > _SHOWN else ""
    unknown = sum(file.state == "unknown" for file in odd)
    told = [f"{unknown:,} of {len(item.files):,} files can't be compared"] if unknown else []
    if other := len(odd) - unknown:
        told.insert(0, f"{other:,} of {len(item.files):,} files are not what they were on {moment(item.recorded_at)}")
    head = f"{name}: {', and '.join(told)}."
    return f"{head}{why}\n\n{table(['STATE', 'WAS', 'IS', 'FILE'], rows)}{more}"


FORMS: dict[type, Callable[[Any], str]] = {
    ImportedRuns: imported,
    MigratedFolder: migrated,
    Transferred: transferred,
    Verified: verified,
}
