"""Versions that a query is true of, out of some thousands, as fast as one types."""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from mlops_desk.records.model import Model
from mlops_desk.records.registry.version_hit import VersionHit, VersionsFound
from mlops_desk.registry.mirror.filter.numbers import number_of
from mlops_desk.registry.mirror.search.query import OF_FILES, QueryField, Term

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
    """A version, its model, and what is looked through for them, in lower case; ``tags`` are both's, its own first."""

    hit: VersionHit
    texts: Mapping[QueryField, str]
    anything: str
    tags: Mapping[str, str]
    model: Model | None = None


def entry(hit: VersionHit, signature: Sequence[str] = (), model: Model | None = None) -> Entry:
    """Return a version as it is searched; ``signature`` are the names of its columns.

    What people write on a model, its team and what it is for, is looked for as if it stood on each version.
    """
    above = {} if model is None else model.tags
    texts = {
        QueryField.NAME: hit.name,
        QueryField.VERSION: hit.version,
        QueryField.ALIAS: "\n".join(hit.aliases),
        QueryField.TAG: f"{_lines(hit.tags)}\n{_lines(above)}",
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
    about = [hit.description, None if model is None else model.description]
    anything = "\n".join([*lowered.values(), *((text or "").lower() for text in about)])
    return Entry(hit, lowered, anything, {**above, **hit.tags}, model)


def _lines(pairs: Mapping[str, str]) -> str:
    return "\n".join(f"{key}={value}" for key, value in pairs.items())


def find(entries: Sequence[Entry], terms: Sequence[Term], limit: int) -> list[VersionHit]:
    """Return the first ``limit`` of the versions that all of the terms are true of, in their order."""
    return list(islice(_matching(entries, terms), limit))


def look_up(
    entries: Sequence[Entry], terms: Sequence[Term], limit: int, is_read: Callable[[Entry], bool]
) -> VersionsFound:
    """Return the first ``limit`` as well, with how many match, and how many may once their files are read."""
    hits = list(_matching(entries, terms))
    others = [term for term in terms if term.field not in OF_FILES]
    unread = [] if len(others) == len(terms) else [one for one in entries if not is_read(one)]
    return VersionsFound(tuple(hits[:limit]), len(hits), sum(1 for _ in _matching(unread, others)))


def _matching(entries: Sequence[Entry], terms: Sequence[Term]) -> Iterator[VersionHit]:
    tests = [_test(term) for term in terms]
    return (one.hit for one in entries if all(test(one) for test in tests))


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
        return lambda one: _text_is(one, term, wanted)
    if term.key:
        return lambda one: _pair_is(one, term, wanted)
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


def _text_is(one: Entry, term: Term, wanted: str) -> bool:
    value = one.hit.params.get(term.key, one.tags.get(term.key))
    return value is not None and (value.lower() == wanted) is (term.comparator == "=")


def _pair_is(one: Entry, term: Term, wanted: str) -> bool:
    """Tell of ``tag:KEY=TEXT`` and its like."""
    if term.field is QueryField.METRIC:
        return term.key in one.hit.metrics and one.hit.metrics[term.key] == number_of(wanted)
    pairs = one.tags if term.field is QueryField.TAG else one.hit.params
    return term.key in pairs and pairs[term.key].lower() == wanted
