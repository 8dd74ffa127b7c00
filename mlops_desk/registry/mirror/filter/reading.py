"""A filter as it was typed, in either form."""

import re

from mlops_desk.base.errors import Invalid
from mlops_desk.registry.mirror.filter.grammar import KINDS, parse_filter
from mlops_desk.registry.mirror.filter.short import parse_short
from mlops_desk.registry.mirror.filter.tree import Filter

_MLFLOWS = re.compile(rf"\b({'|'.join(KINDS)})\s*\.")


def read_filter(text: str, now: float | None = None) -> Filter:
    """Read a filter: what MLflow takes is meant as MLflow means it, all else is the short form. Raises Invalid."""
    if not text.strip():
        return ()
    try:
        return parse_filter(text)
    except Invalid as as_mlflow:
        try:
            return parse_short(text, now)
        except Invalid as as_short:
            raise (as_mlflow if _MLFLOWS.search(text) else as_short) from None
