"""What a clean-up would take and what it took, with the commands that do it and take it back."""

from collections.abc import Callable, Sequence
from typing import Any

from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import plain, size_text
from mlops_desk.kit.text.cells import table
from mlops_desk.registry.records.clean_up import CleanUpDone, CleanUpItem, CleanUpPreview

_SHOWN = 30  # chosen: a screen; --json has all


def preview(item: CleanUpPreview) -> str:
    """Return what would go, what stays, how much room it takes, and the command."""
    if not item.going:
        return "\n\n".join(["Nothing would go.", *_kept(item.kept)])
    rows = [[one.kind, one.name, one.title, _size(one.size_bytes), one.why] for one in item.going[:_SHOWN]]
    parts = [table(["KIND", "WHAT", "NAME", "SIZE", "WHY IT GOES"], rows) + _more(item.going), *_kept(item.kept)]
    parts.append(f"{len(item.going):,} would go, {_room(item)}: {Hint(f'mlops-desk registry clean {item.token}')}")
    return "\n\n".join(parts)


def _room(item: CleanUpPreview) -> str:
    if item.size_bytes is None:
        return "of unknown size"
    unknown = f", and {item.n_unknown_sizes:,} of unknown size" if item.n_unknown_sizes else ""
    return f"{size_text(item.size_bytes)} once purged{unknown}"


def _kept(items: Sequence[CleanUpItem]) -> list[str]:
    if not items:
        return []
    rows = [[one.kind, one.name, one.title, one.kept_by or "–"] for one in items[:_SHOWN]]
    return [table(["STAYS", "WHAT", "NAME", "WHY"], rows) + _more(items)]


def _more(items: Sequence[CleanUpItem]) -> str:
    return f"\n… and {len(items) - _SHOWN:,} more" if len(items) > _SHOWN else ""


def _size(size_bytes: int | None) -> str:
    return "–" if size_bytes is None else size_text(size_bytes)


def done(item: CleanUpDone) -> str:
    lines = [f"{item.n_runs:,} runs and {item.n_versions:,} versions were deleted."]
    before = "Until they are purged, this brings them back: "
    lines += [Hint(command, before=before) for command in item.undo_commands]
    lines += [f"{plain(one.name, 100)} stays: {plain(one.kept_by or '', 400)}" for one in item.failed]
    return "\n".join(lines)


FORMS: dict[type, Callable[[Any], str]] = {CleanUpPreview: preview, CleanUpDone: done}
