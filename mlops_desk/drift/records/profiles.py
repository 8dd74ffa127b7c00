"""What is known of a model version's reference: its profile, as it lies among the files of the version's run."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ProfiledColumn:
    """One column of a reference. ``missing_ratio`` is None where its profile has no rows.

    ``least``, ``median`` and ``most`` are those of numbers, of moments in Unix seconds, of texts' lengths in
    characters; None where there are none, or they lie beyond a double. ``labels`` are the most frequent, with their
    share of all rows.
    """

    name: str
    kind: str
    role: str
    missing_ratio: float | None = None
    least: float | None = None
    median: float | None = None
    most: float | None = None
    labels: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReferenceProfile:
    """One profile of a version's data. ``model`` is NAME/VERSION, ``registry`` None for the desk's own.

    ``path`` is where it lies among the run's files; None: it is kept by this desk alone, and ``problem`` says why.
    A ``problem`` beside a path: it is there and can't be used. ``dataset`` is the data set that it was made of, None
    where the run has none like it any more. ``monitors`` are those of this desk whose windows are held against it.
    """

    model: str
    run_id: str
    registry: str | None = None
    path: str | None = None
    dataset: str | None = None
    size_bytes: int | None = None
    digest: str | None = None
    n_rows: int | None = None
    columns: tuple[ProfiledColumn, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    monitors: tuple[str, ...] = ()
    problem: str | None = None
