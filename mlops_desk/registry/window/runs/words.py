"""Conditions of a filter that the window writes for a person: as MLflow reads them, which has no way to mask a quote.

No Qt here.
"""

from collections.abc import Sequence

from mlops_desk.registry.window.runs.names import ATTRIBUTES, PARAMS, ColumnName
from mlops_desk.registry.window.runs.queries import LONGEST

_BEGINNING = 200  # letters, chosen: of a text that is too long, so many tell it from others


def _quoted(key: str) -> str:
    return "`" + key + "`"


def named(column: ColumnName) -> str:
    """Return a column as a filter names it."""
    return column.key if column.kind == ATTRIBUTES else f"{column.kind}.{_quoted(column.key)}"


def equals(column: ColumnName, value: str | None, *, negated: bool = False) -> str:
    """Return the condition that a text is this one, or that it is another; None: that there is none."""
    if value is None:
        return f"{named(column)} IS {'NOT ' if negated else ''}NULL"
    if len(value) >= LONGEST:
        # What begins so: the rest was cut, or has no room in a filter. Underscores stand for any letter, quotes too.
        begins = value[:_BEGINNING].replace("'", "_").replace("%", "_")
        return f"{named(column)} IS NOT NULL" if negated else f"{named(column)} LIKE '{begins}%'"
    if "'" in value and '"' in value:
        # In quotes of neither kind: one letter stands for any. MLflow knows no NOT LIKE.
        pattern = value.replace("'", "_")
        return f"{named(column)} IS NOT NULL" if negated else f"{named(column)} LIKE '{pattern}'"
    quote = '"' if "'" in value else "'"
    return f"{named(column)} {'!=' if negated else '='} {quote}{value}{quote}"


def between(column: ColumnName, low: float, high: float) -> str:
    """Return the condition that a number lies between two; MLflow compares no parameters so, the short form does."""
    name = _quoted(column.key) if column.kind == PARAMS else named(column)
    return f"{name} >= {low:.6g} and {name} <= {high:.6g}"


def one_of(column: ColumnName, kept: Sequence[str], others: Sequence[str]) -> str:
    """Return the condition that a text is one of ``kept``, of all that there are: MLflow knows no OR of texts."""
    if len(kept) == 1:
        return equals(column, kept[0])
    return " and ".join(equals(column, text, negated=True) for text in others) or equals(column, None, negated=True)
