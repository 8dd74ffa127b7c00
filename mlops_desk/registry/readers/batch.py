"""Runs as columns: what a reader gives and a mirror keeps. Text that repeats is coded by who keeps it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlops_desk.registry.records.model import ModelVersion

NO_TIME = np.iinfo(np.int64).min
"""Stands for "none" in a column of times."""


@dataclass(frozen=True, slots=True)
class MetricCells:
    """The last values of one metric: ``rows`` (int32) are places in the batch, ``values`` float64 (NaN is a value)."""

    rows: NDArray[np.int32]
    values: NDArray[np.float64]
    steps: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TextCells:
    """The values of one parameter or tag, one for each of ``rows`` (int32, places in the batch)."""

    rows: NDArray[np.int32]
    values: Sequence[str]


@dataclass(frozen=True, slots=True)
class RunBatch:
    """Some runs of a source, all columns of one length; deleted runs are in it and say so.

    Times are int64 Unix milliseconds, NO_TIME for none. What a run has no value of has no row in the cells.
    """

    run_ids: Sequence[str]
    experiment_ids: Sequence[str]
    names: Sequence[str | None]
    statuses: Sequence[str]
    users: Sequence[str | None]
    artifact_uris: Sequence[str | None]
    start_times: NDArray[np.int64]
    end_times: NDArray[np.int64]
    is_deleted: NDArray[np.bool_]
    metrics: Mapping[str, MetricCells] = field(default_factory=dict)
    params: Mapping[str, TextCells] = field(default_factory=dict)
    tags: Mapping[str, TextCells] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunChanges:
    """What happened since a mark: whole runs that are new or differ in anything, and ids that are gone for good.

    ``mark`` is where the next look begins. ``everything``: so much changed that the whole is to be read anew.
    """

    mark: str
    batches: tuple[RunBatch, ...] = ()
    gone: tuple[str, ...] = ()
    models_changed: bool = False
    everything: bool = False


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version with what its own row has, and the logged model that it was made from (None: none is named)."""

    version: ModelVersion
    author: str | None = None
    model_id: str | None = None
