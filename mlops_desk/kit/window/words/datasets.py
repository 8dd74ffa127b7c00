"""Where a dataset that a run was given lies. No Qt here."""

import json

from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model import DatasetInput

_TEXT = 200  # chosen: characters of a tool tip


def place(one: DatasetInput) -> str:
    """Return the address that MLflow's source of a dataset names, or all of it where it names none."""
    try:
        told = json.loads(one.source)
    except ValueError:
        return plain(one.source, _TEXT)
    return plain(str(told.get("uri", one.source) if isinstance(told, dict) else one.source), _TEXT)
