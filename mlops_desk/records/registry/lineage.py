"""Where a model comes from and what stands on it, as a graph."""

from dataclasses import dataclass
from enum import StrEnum


class LineageKind(StrEnum):
    """In the order from left to right."""

    DATASET = "dataset"
    JOB = "job"
    RUN = "run"
    LOGGED_MODEL = "logged_model"
    VERSION = "version"
    ALIAS = "alias"
    ENDPOINT = "endpoint"
    DRIFT = "drift"
    RULE = "rule"


@dataclass(frozen=True, slots=True)
class LineageNode:
    """``thing`` is what the page of its kind calls it (a run's id, NAME/VERSION, NAME@ALIAS, an endpoint's name)."""

    node_id: str
    kind: LineageKind
    title: str
    text: str = ""
    thing: str | None = None
    state: str | None = None


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
