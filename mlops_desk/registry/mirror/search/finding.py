"""Versions that a query is true of, out of some thousands, as fast as one types."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mlops_desk.records.registry.version_hit import VersionHit
from mlops_desk.registry.mirror.filter.numbers import number_of
from mlops_desk.registry.mirror.search.query import QueryField, Term

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq, "!=": operator.ne,
}  # fmt: skip
_WHOLE = frozenset({QueryField.ALIAS, QueryField.VERSION, QueryField.STATUS})
"""Fields of which a part is not meant: who asks for the alias "prod" wants no "prod-old"."""
_KNOWN: Mapping[QueryField, Callable[[VersionHit], bool]] = {
    QueryField.FLAVOR: lambda hit: hit.flavors is not None,
    QueryField.FORMAT: lambda hit: hit.format is not None,
    QueryField.SIZE: lambda hit: hit.size_bytes is not None,
}
"""Whether something is known of a version that only its files tell."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A version, and what is looked through for it, in lower case."""

    hit: VersionHit
    texts: Mapping[QueryField, str]
    anything: str


def entry(hit: VersionHit, signature: Sequence[str] = ()) -> Entry:
    """Return a version as it is searched; ``signature`` are the names of its columns."""
    texts = {
        QueryField.NAME: hit.name,
        QueryField.VERSION: hit.version,
        QueryField.ALIAS: "\n".join(hit.aliases),
        QueryField.TAG: _lines(hit.tags),
        QueryField.PARAM: _lines(hit.params),
        QueryField.METRIC: "\n".join(hit.metrics),
        QueryField.FLAVOR: "\n".join(hit.flavors or ()),
        QueryField.FORMAT: hit.format or "",
        QueryField.SIGNATURE: "\n".join(signature),
        QueryField.DATASET: hit.dataset or "",
        QueryField.AUTHOR: hit.author or "",
        QueryField.STATUS: hit.status,
        QueryField.RUN: hit.run_id or "",
    }
    lowered = {name: text.lower() for name, text in texts.items()}
    anything = "\n".join([*lowered.values(), (hit.description or "").lower()])
    return Entry(hit, lowered, anything)


def _lines(pairs: Mapping[str, str]) -> str:
    return "\n".join(f"{key}={value}" for key, value in pairs.items())


def find(entries: Sequence[Entry], terms: Sequence[Term], limit: int) -> list[VersionHit]:
    """Return the first ``limit`` of the versions that all of the terms are true of, in their order."""
    tests = [_test(term) for term in terms]
    found = []
    for one in entries:
        if all(test(one) for test in tests):
            found.append(one.hit)
            if len(found) == limit:
                break
    return found


def _test(term: Term) -> Callable[[Entry], bool]:
    test = _positive(term)
    if not term.is_not:
        return test
    known = _KNOWN.get(term.field)
    if known is None:
        return lambda one: not test(one)
    return lambda one: known(one.hit) and not test(one)  # of what nobody knows, nothing is said to be otherwise


def _positive(term: Term) -> Callable[[Entry], bool]:
    wanted = term.value
    if isinstance(wanted, float):
        compare = _COMPARE[term.comparator]
        return lambda one: _value_is(one.hit, term.key, compare, wanted)
    if term.field is QueryField.CREATED:
        return lambda one: one.hit.created is not None and term.since <= one.hit.created < term.until
    if term.field is QueryField.SIZE:
        return lambda one: one.hit.size_bytes is not None and term.since <= one.hit.size_bytes < term.until
    if term.field is QueryField.VALUE:
        return lambda one: _text_is(one.hit, term, wanted)
    if term.key:
        return lambda one: _pair_is(one.hit, term, wanted)
    return _anywhere(term.field, wanted)


def _anywhere(field: QueryField, wanted: str) -> Callable[[Entry], bool]:
    if field is QueryField.ANY:
        return lambda one: wanted in one.anything
    if field in _WHOLE:
        return lambda one: wanted in one.texts[field].split("\n")
    return lambda one: wanted in one.texts[field]


def _value_is(hit: VersionHit, key: str, compare: Callable[[float, float], bool], wanted: float) -> bool:
    value = hit.metrics.get(key)
    if value is None and key in hit.params:
        value = number_of(hit.params[key])
    return value is not None and compare(value, wanted)


def _text_is(hit: VersionHit, term: Term, wanted: str) -> bool:
    value = hit.params.get(term.key, hit.tags.get(term.key))
    return value is not None and (value.lower() == wanted) is (term.comparator == "=")


def _pair_is(hit: VersionHit, term: Term, wanted: str) -> bool:
    """Tell of ``tag:KEY=TEXT`` and its like."""
    if term.field is QueryField.METRIC:
        return term.key in hit.metrics and hit.metrics[term.key] == number_of(wanted)
    pairs = hit.tags if term.field is QueryField.TAG else hit.params
    return term.key in pairs and pairs[term.key].lower() == wanted
