"""The way to MLflow's own page, as text."""

from collections.abc import Callable
from typing import Any

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import moment
from mlops_desk.registry.records.page import PageVisit


def visit(item: PageVisit) -> str:
    """Return the address, which is good once, and until when."""
    lines = [item.address, f"It opens once, within a minute, in a browser of yours here; until {moment(item.ends_at)}."]
    return "\n".join([*lines, *([plain(item.text, 400)] if item.text else [])])


FORMS: dict[type, Callable[[Any], str]] = {PageVisit: visit}
