"""The forms of this folder, together: a row of each module."""

from collections.abc import Callable, Sequence
from typing import Any

from mlops_desk.registry.text import changes, cleanup, comparison, doctor, files, page, runs, trackers, transfers

FORMS: dict[type, Callable[[Any], str]] = {
    **changes.FORMS,
    **cleanup.FORMS,
    **comparison.FORMS,
    **doctor.FORMS,
    **files.FORMS,
    **page.FORMS,
    **runs.FORMS,
    **trackers.FORMS,
    **transfers.FORMS,
}
TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    **changes.TABLES,
    **comparison.TABLES,
    **runs.TABLES,
    **trackers.TABLES,
}
MORE: dict[type, Callable[[Sequence[Any]], str]] = {**trackers.MORE}
