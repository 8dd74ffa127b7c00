"""Logged requests that wait for a person who knows what would have been right."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mlops_desk.kit.records.owner import Owner


class LabelChoice(StrEnum):
    """Which requests are asked for first.

    ``SAMPLED``: a fair sample of all. ``UNCERTAIN``: where the model gave its likeliest class the least probability.
    ``DRIFTED``: of the windows in which a monitor alarms. ``NEWEST``: as they came.
    """

    SAMPLED = "sampled"
    UNCERTAIN = "uncertain"
    DRIFTED = "drifted"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class LabelTask:
    """One row that wants a label: what was asked, what was answered, and how sure the model was (0 to 1, or unknown).

    ``received_at`` is Unix seconds.
    """

    request_id: str
    row: int
    received_at: float
    revision: int
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class LabelQueue:
    """How many of an endpoint's newest answered rows have labels. ``columns`` are those that labels came by.

    ``looked_at`` rows were looked at; ``is_more``: there are older ones. ``uncertain`` tells of how many it is known
    how sure the model was, ``drifted`` how many lie in windows that alarm.
    """

    endpoint: str
    looked_at: int
    labelled: int
    unlabelled: int
    uncertain: int
    drifted: int
    columns: tuple[str, ...] = ()
    is_more: bool = False
    created_by: int | None = None

    @property
    def owner(self) -> Owner:
        return Owner(self.created_by)
