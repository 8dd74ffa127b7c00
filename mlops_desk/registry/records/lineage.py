"""Where a model comes from and what stands on it, as a graph."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class LineageKind(StrEnum):
    """In the order from left to right."""

    DATASET = "dataset"
    JOB = "job"
    RUN = "run"
    LOGGED_MODEL = "logged_model"
    VERSION = "version"
    ALIAS = "alias"
    REVISION = "revision"
    ENDPOINT = "endpoint"
    DRIFT = "drift"
    MONITOR = "monitor"
    RULE = "rule"


@dataclass(frozen=True, slots=True)
class LineageNode:
    """``thing`` is what the page of its kind calls it (a run's id, NAME/VERSION, NAME@ALIAS, an endpoint's name).

    ``at`` is the Unix time at which it ended or was made, None where that is not known.
    """

    node_id: str
    kind: LineageKind
    title: str
    text: str = ""
    thing: str | None = None
    state: str | None = None
    at: float | None = None


@dataclass(frozen=True, slots=True)
class LineageEdge:
    """``text``: as what (training, evaluation, registered …)."""

    source: str
    target: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Lineage:
    """``n_left_out`` nodes more than can be looked at."""

    nodes: tuple[LineageNode, ...]
    edges: tuple[LineageEdge, ...]
    n_left_out: int = 0


@dataclass(frozen=True, slots=True)
class OpenLineage:
    """A lineage in the words of OpenLineage 2-0-2: ``events`` are its run and job events, oldest first."""

    events: tuple[Mapping[str, Any], ...]
