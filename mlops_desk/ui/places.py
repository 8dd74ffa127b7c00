"""Where a notice leads: the page of its source, and the thing on it that its words name. No Qt here."""

import re
from collections.abc import Iterable

from mlops_desk.records.event import Notice
from mlops_desk.ui.live.store import Store
from mlops_desk.ui.words import alerts

_PAGE_OF_SOURCE = {
    "jobs": "jobs", "serving": "endpoints", "endpoints": "endpoints", "registry": "models", "models": "models",
    "drift": "drift", "rules": "drift", "telemetry": "gpus", "settings": "settings", "metrics": "settings",
    "alerts": "events",
}  # fmt: skip


def place_of(store: Store, notice: Notice) -> tuple[str, str | None] | None:
    """Return the page and the key of the thing (None: the page as a whole); None where there is no such page."""
    page = _PAGE_OF_SOURCE.get(notice.source)
    if page is None:
        return None
    said = f"{notice.text} {notice.hint or ''}"
    return page, next((key for word, key in _known(store, page) if word and _names(said, word)), None)


def _names(said: str, word: str) -> bool:
    """Tell whether ``word`` stands in ``said`` as a word of its own ("GPU 1" is not in "GPU 12")."""
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", said) is not None


def _known(store: Store, page: str) -> Iterable[tuple[str, str]]:
    """Yield what can be named in words on a page, and its key; the most exact first."""
    if page == "drift":
        yield from ((one.id, f"retraining:{one.id}") for one in (store.retrainings.value or {}).values())
        yield from ((one.id, one.endpoint) for one in (store.reports.value or {}).values() if one.id and one.endpoint)
    if page in {"drift", "endpoints"}:
        yield from ((name, name) for name in store.endpoints.value or {})
    elif page == "jobs":
        jobs = (store.jobs.value or {}).values()
        yield from ((job.id, job.id) for job in jobs)
        yield from ((job.name, job.id) for job in jobs)
    elif page == "models":
        yield from ((name, name) for name in store.models.value or {})
    elif page == "gpus" and store.status is not None:
        yield from ((f"GPU {gpu.index}", gpu.uuid) for gpu in store.status.gpus)
    elif page == "events":
        firing = alerts.firing((store.alerts.value or {}).values())
        yield from ((f"{alert.device_title}: {alert.title}", f"alert:{alert.id}") for alert in firing)
