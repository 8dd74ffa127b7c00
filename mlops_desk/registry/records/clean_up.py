"""What a clean-up would take away, and what it did take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CleanUpItem:
    """``kind``: run or version. ``why`` it goes; ``kept_by``: what keeps it though the rule would take it (None)."""

    kind: str
    name: str
    title: str
    why: str
    size_bytes: int | None = None
    kept_by: str | None = None


@dataclass(frozen=True, slots=True)
class CleanUpPreview:
    """``token`` is handed back with the act, which is refused if what it would take has changed meanwhile.

    ``size_bytes``: what a purge would free at least, None where no size is known.
    """

    token: str
    going: tuple[CleanUpItem, ...]
    kept: tuple[CleanUpItem, ...] = ()
    size_bytes: int | None = None
    n_unknown_sizes: int = 0


@dataclass(frozen=True, slots=True)
class CleanUpDone:
    """``undo`` is the word for ``runs restore`` (None: it can't be undone: versions, a purge).

    ``undo_commands`` are the same to paste, on the registry that was meant: each of as many runs as one takes.
    """

    n_runs: int
    n_versions: int
    undo: str | None = None
    failed: tuple[CleanUpItem, ...] = ()
    undo_commands: tuple[str, ...] = ()
