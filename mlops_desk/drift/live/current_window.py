"""The sliding "now": the newest rows of a monitor, the window that still grows among them, added up from parts."""

from mlops_desk.drift.store.windows import NewestRows, WindowHead, WindowStore


def newest_rows(store: WindowStore, monitor_id: str, n_rows: int) -> NewestRows | None:
    """Return the newest rows, at least ``n_rows`` where there are so many: whole windows. None without any."""
    return store.newest_profile(monitor_id, lambda _, n: n >= n_rows)


def newest_seconds(store: WindowStore, monitor_id: str, seconds: float, now: float) -> NewestRows | None:
    """Return the windows that ended in the last ``seconds`` before ``now`` (Unix time). None without any row."""

    def is_older(head: WindowHead, _: int) -> bool:
        return head.end < now - seconds

    return store.newest_profile(monitor_id, is_older)
