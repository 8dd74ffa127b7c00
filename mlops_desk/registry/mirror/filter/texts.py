"""What a text has to be, by a comparison of a filter."""

from collections.abc import Callable

from mlops_desk.registry.mirror.filter.patterns import pattern_test
from mlops_desk.registry.mirror.filter.tree import HAS, Value


def text_test(comparator: str, wanted: Value) -> Callable[[str], bool]:
    """Return what tells whether a text is as a clause wants it."""
    if isinstance(wanted, tuple):
        among = frozenset(wanted)
        return (lambda text: text in among) if comparator == "IN" else (lambda text: text not in among)
    sought = str(wanted)
    if comparator == HAS:
        lowered = sought.lower()
        return lambda text: lowered in text.lower()
    if comparator in {"LIKE", "ILIKE"}:
        return pattern_test(comparator, sought)
    return (lambda text: text == sought) if comparator == "=" else (lambda text: text != sought)
