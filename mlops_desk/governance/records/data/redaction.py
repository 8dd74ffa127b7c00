"""What is taken out of requests before they are logged, and of what is logged already."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mlops_desk.kit.records.owner import Owner


class RedactionWay(StrEnum):
    """``DROP``: the column is not logged. ``MASK``: that there was a value is all that is.

    ``HASH``: the same value becomes the same word, which only the key of this endpoint's log makes of it.
    """

    DROP = "drop"
    MASK = "mask"
    HASH = "hash"


@dataclass(frozen=True, slots=True)
class KeptRedaction:
    """The rules of an endpoint's log, by column; kept by the endpoint's name, also while there is none of it."""

    endpoint: str
    columns: Mapping[str, RedactionWay]
    updated_at: float


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is taken out of an endpoint's log, since the Unix time ``since``; rows before are as they were logged.

    ``is_in_force``: the gateway goes by it since it was changed; None: nothing was changed now, or none runs, and the
    next one will. ``watched_by`` are monitors of the endpoint: they see what is logged.
    """

    endpoint: str
    columns: Mapping[str, RedactionWay] = field(default_factory=dict)
    since: float | None = None
    is_in_force: bool | None = None
    watched_by: tuple[str, ...] = ()
    created_by: int | None = None

    @property
    def owner(self) -> Owner:
        return Owner(self.created_by)


@dataclass(frozen=True, slots=True)
class RedactionHint:
    """A column that may hold data of persons, ``found_by`` its name or so many of the values that were looked at."""

    column: str
    what: str
    found_by: str
    way: RedactionWay
    is_covered: bool = False


@dataclass(frozen=True, slots=True)
class RedactedValue:
    """One value of a logged row as it is, and as it would be logged; None: not at all. Both are cut."""

    request_id: str
    row: int
    column: str
    before: str
    after: str | None


@dataclass(frozen=True, slots=True)
class RedactionPreview:
    """What rules would make of the newest rows, and which columns more rules may be wanted for; nothing is changed.

    ``untouched`` are columns of the rules that none of these rows has.
    """

    endpoint: str
    rows: int
    columns: Mapping[str, RedactionWay] = field(default_factory=dict)
    values: tuple[RedactedValue, ...] = ()
    hints: tuple[RedactionHint, ...] = ()
    untouched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RewritePlan:
    """What of a log was written before its rules: ``token`` is of exactly these files. ``values`` counts by column.

    ``sketches`` are monitors whose windows were made of such rows: they keep counts and common values of them.
    """

    endpoint: str
    token: str
    files: int
    rows: int
    size_bytes: int
    values: Mapping[str, int] = field(default_factory=dict)
    sketches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RewriteDone:
    """What was rewritten; ``left`` names files that could not be, with the reason."""

    endpoint: str
    files: int
    rows: int
    left: tuple[str, ...] = ()
