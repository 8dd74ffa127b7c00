"""A part of a table of runs: just the rows and columns that are on screen, out of however many there are.

A column is named as it is sorted by: ``run_name``, ``start_time``, ``duration`` (s), ``metrics.auc``, ``params.lr``,
``tags.team``; ``metrics.auc:min``, ``:max``, ``:first`` and ``:step=100`` are other values of a metric than its last.
"""

from dataclasses import dataclass, field

RunValue = float | str | None
"""A number (NaN and infinities among them), a text (cut), or None: this run has none."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """``values`` stand in the order of the window's columns. Times are Unix milliseconds, as MLflow's."""

    run_id: str
    name: str | None
    status: str
    start_time: int | None
    experiment_id: str
    parent_run_id: str | None = None
    values: tuple[RunValue, ...] = ()


@dataclass(frozen=True, slots=True)
class RunWindow:
    """Rows ``offset`` … of the ``n_matching`` runs that pass the filter, of ``n_runs`` in the chosen experiments.

    ``revision`` changes with whatever the registry's runs do: a window of another one may have other rows.
    ``is_loading``: more are being read, and both counts still grow. ``problem``: the registry can't be read at the
    moment, and this is how it was at ``read_at`` (Unix seconds).
    """

    columns: tuple[str, ...]
    rows: tuple[RunRow, ...]
    offset: int
    n_matching: int
    n_runs: int
    revision: int
    read_at: float
    is_loading: bool = False
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class RunColumn:
    """A column that can be shown. ``n_runs`` have a value, ``n_values`` different ones (None: too many to count).

    ``is_number``: all its values read as numbers, so that it can be an axis. ``least`` and ``largest`` are finite.
    """

    name: str
    n_runs: int
    n_values: int | None = None
    is_number: bool = False
    least: float | None = None
    largest: float | None = None


@dataclass(frozen=True, slots=True)
class MetricSpread:
    """How a metric's finite values (the last ones, or as ``auc:max`` says) lie in a group; ``n_runs`` have one.

    The deviation is the sample's (n - 1).
    """

    name: str
    n_runs: int
    mean: float | None = None
    least: float | None = None
    largest: float | None = None
    deviation: float | None = None


@dataclass(frozen=True, slots=True)
class RunGroup:
    """The runs that share these values (None: have none) of what is grouped by."""

    values: tuple[str | None, ...]
    n_runs: int
    run_ids: tuple[str, ...] = ()
    metrics: tuple[MetricSpread, ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Importance:
    """How much a parameter has to do with a metric among these runs: 0 … 1 each; None: it can't be told.

    ``correlation`` is Spearman's rank correlation (-1 … 1), for parameters that are numbers. ``importance`` is the
    permutation importance of a forest of trees, scaled so that all parameters' sum is 1.
    """

    name: str
    importance: float | None
    correlation: float | None
    n_runs: int
