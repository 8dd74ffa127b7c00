"""What went from one registry to another, and what was lost on the way."""

from collections.abc import Callable, Sequence
from typing import Any

from mlops_desk.base.text import plain
from mlops_desk.records.registry.transfer import ImportedRuns, Loss


def losses(items: Sequence[Loss]) -> list[str]:
    """Return a line for each thing that did not come along."""
    return [f"Lost: {plain(loss.what, 300)}. {plain(loss.why, 300)}" for loss in items]


def imported(item: ImportedRuns) -> str:
    """Return the runs by the ids that they have here, and what was lost."""
    made = [f"{here}  from {there}" for there, here in item.runs]
    count = f"{len(item.runs):,} run{'' if len(item.runs) == 1 else 's'} imported."
    return "\n".join([*made, *losses(item.losses), count])


FORMS: dict[type, Callable[[Any], str]] = {ImportedRuns: imported}
