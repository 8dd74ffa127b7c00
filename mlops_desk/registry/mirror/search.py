"""Finding versions of models by what is typed into one box.

What is typed into the search box of models: ``auc>0.9 alias:champion created:<30d flavor:sklearn churn``.

All of it has to be true of a version. ``NAME>NUMBER`` is about a metric of the run that registered it, or about a
parameter where there is no such metric; ``FIELD:TEXT`` about one field; any other word may stand anywhere. A ``-`` in
front says that it must not be true.

What a version and a model are shown as, with what the run knows that a version came from.

Versions that a query is true of, out of some thousands, as fast as one types.
"""

import json
import math
import operator
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from typing import Any

from mlops_desk.kit.base.errors import Invalid, Place
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.base.time_expressions import parse_length, parse_moment
from mlops_desk.registry.mirror.filter.parser import number_of
from mlops_desk.registry.records.file_glance import FileGlance
from mlops_desk.registry.records.model import Model, ModelVersion, Run
from mlops_desk.registry.records.version_hit import ModelCard, VersionHit, VersionsFound

_DAY_SECONDS = 86_400.0
_WORD = re.compile(
    r"""(?P<no>-)? (?: (?P<field>[a-zA-Z_]+):(?P<given>(?:[<>]=?|=)?(?:"[^"]*"|[^\s"]*))
      | (?P<name>"[^"]+"|[^\s"<>=!:]+) (?P<how><=|>=|!=|==|[<>=]) (?P<value>"[^"]*"|[^\s"]*)
      | (?P<text>"[^"]*"|[^\s"]+) | (?P<open>") )(?=\s|$)""",
    re.VERBOSE,
)
_HINT = "Write it as: auc>0.9 alias:champion created:<30d flavor:sklearn size:>1GB, and words of names, tags or params."
_LONGEST_CHARACTERS = 2000  # chosen: nobody types more into one line


class QueryField(StrEnum):
    """Fields that can be asked for; ANY is all texts of a version, VALUE a metric or parameter."""

    ANY = "any"
    VALUE = "value"
    NAME = "name"
    VERSION = "version"
    ALIAS = "alias"
    TAG = "tag"
    PARAM = "param"
    METRIC = "metric"
    FLAVOR = "flavor"
    FORMAT = "format"
    SIZE = "size"
    SIGNATURE = "signature"
    DATASET = "dataset"
    AUTHOR = "author"
    STATUS = "status"
    RUN = "run"
    CREATED = "created"


FIELDS = {field.value: field for field in QueryField if field not in {QueryField.ANY, QueryField.VALUE}} | {
    "model": QueryField.NAME,
    "flavour": QueryField.FLAVOR,
    "column": QueryField.SIGNATURE,
    "data": QueryField.DATASET,
    "user": QueryField.AUTHOR,
    "owner": QueryField.AUTHOR,
    "params": QueryField.PARAM,
    "tags": QueryField.TAG,
    "metrics": QueryField.METRIC,
}
OF_FILES = frozenset({
    QueryField.FLAVOR, QueryField.FORMAT, QueryField.SIZE, QueryField.SIGNATURE, QueryField.DATASET,
})  # fmt: skip
"""Fields of which only a look at a version's files, or at what its run was given, tells."""
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


@dataclass(frozen=True, slots=True)
class Term:
    """``value`` is lower case where it is a text.

    ``CREATED`` and ``SIZE`` lie between ``since`` and ``until``: Unix seconds, or bytes.
    """

    field: QueryField
    value: str | float = ""
    key: str = ""
    comparator: str = "="
    is_not: bool = False
    since: float = float("-inf")
    until: float = float("inf")


def parse_query(text: str, now: float | None = None) -> tuple[Term, ...]:
    """Read what was typed. Raises Invalid, with the place."""
    if len(text) > _LONGEST_CHARACTERS:
        raise _refused(f"it is longer than {_LONGEST_CHARACTERS} characters", _LONGEST_CHARACTERS)
    terms = []
    at, seen_at = 0, time.time() if now is None else now
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        found = _WORD.match(text, at)
        if found is None or found["open"]:
            raise _refused("this quote is never closed" if '"' in text[at:] else "this is not understood", at + 1)
        if found["text"] != "and":
            terms.append(_term(found, seen_at))
        at = found.end()
    return tuple(terms)


def _term(found: re.Match[str], now: float) -> Term:
    is_not, place = found["no"] is not None, found.start() + 1
    if found["name"] is not None:
        return _compared(found, place, is_not=is_not)
    field = FIELDS.get((found["field"] or "").lower())
    if field is None:
        return Term(QueryField.ANY, _bare(found["text"] if found["field"] is None else found[0]).lower(), is_not=is_not)
    given = found["given"]
    if not given:
        raise _refused(f"what {found['field']} is to be is missing", found.end() + 1)
    if field is QueryField.CREATED:
        return _created(given, now, place, is_not=is_not)
    if field is QueryField.SIZE:
        return _sized(given, place, is_not=is_not)
    key, equals, value = _bare(given).partition("=")
    if field in {QueryField.TAG, QueryField.PARAM, QueryField.METRIC} and equals:
        return Term(field, value.lower(), key, is_not=is_not)
    return Term(field, _bare(given).lower(), is_not=is_not)


def _compared(found: re.Match[str], place: int, *, is_not: bool) -> Term:
    name, value = _bare(found["name"]), _bare(found["value"])
    how = "=" if found["how"] == "==" else found["how"]
    if not value:
        raise _refused(f"what {plain(name)} is compared with is missing", found.end() + 1)
    number = number_of(value)
    if number is None and how not in {"=", "!="}:
        raise _refused(f"{how} compares numbers, and {plain(value)!r} is none", place)
    return Term(QueryField.VALUE, value.lower() if number is None else number, name, how, is_not)


def _created(given: str, now: float, place: int, *, is_not: bool) -> Term:
    how = re.match(r"[<>]=?|=?", given)[0]  # type: ignore[index]  # it matches the empty text too
    text = _bare(given[len(how) :])
    try:
        age = parse_length(text) if not re.fullmatch(r"\d+", text) else None
    except Invalid:
        age = None
    if age is not None:  # so old: "<30d" is younger than thirty days
        since, until = (float("-inf"), now - age) if how[:1] == ">" else (now - age, float("inf"))
        return Term(QueryField.CREATED, is_not=is_not, since=since, until=until)
    try:
        at = parse_moment(text, now)
    except Invalid as error:
        raise _refused(f"{plain(text)!r} is no time", place, "Write created:<30d, or created:>2026-11-01.") from error
    if how[:1] == ">":
        return Term(QueryField.CREATED, is_not=is_not, since=at)
    if how[:1] == "<":
        return Term(QueryField.CREATED, is_not=is_not, until=at)
    return Term(QueryField.CREATED, is_not=is_not, since=at, until=at + _DAY_SECONDS)


def _sized(given: str, place: int, *, is_not: bool) -> Term:
    how = re.match(r"[<>]=?|=?", given)[0]  # type: ignore[index]  # it matches the empty text too
    text = _bare(given[len(how) :])
    found = _SIZE.fullmatch(text)
    if found is None:
        raise _refused(f"{plain(text)!r} is no size", place, "Write size:>100MB, or size:<=2GiB.")
    size = float(found[1]) * (1024.0 if found[3] else 1000.0) ** _POWERS[found[2].lower()]
    above = math.floor(size) + 1.0  # sizes are whole bytes
    since = {">": above, ">=": size, "<": 0.0, "<=": 0.0}.get(how, size)
    until = {"<": size, "<=": above, ">": math.inf, ">=": math.inf}.get(how, above)
    return Term(QueryField.SIZE, is_not=is_not, since=since, until=until)


def _bare(text: str) -> str:
    return text.replace('"', "")


def _refused(what: str, place: int, hint: str = _HINT) -> Invalid:
    return Invalid(f"Character {place} of the search: {what}.", hint, place=Place(1, place))


_USER = "mlflow.user"
_HISTORY = "mlflow.log-model.history"
"""MLflow's tag on a run: what was logged as a model, as JSON, with flavours and signature."""
_LONGEST_HISTORY = 100_000  # chosen: twenty times what one model takes
_MOST_METRICS = 50  # chosen: nobody has more columns on a screen
_SYSTEM = "system/"  # begins the names of what MLflow measures of the machine


def hit_of(version: ModelVersion, run: Run | None = None, author: str | None = None) -> VersionHit:
    """Return a version as a search finds it; ``run`` is where it came from, as far as that is known."""
    tags = {} if run is None else run.tags
    logged = list(_logged(tags))
    flavors = tuple(dict.fromkeys(name for one in logged for name in _names(one.get("flavors"))))
    return VersionHit(
        name=version.name,
        version=version.version,
        aliases=version.aliases,
        metrics={} if run is None else _shown(run.metrics),
        params={} if run is None else run.params,
        tags=version.tags,
        created=version.created_at,
        run_id=version.run_id,
        author=author or tags.get(_USER),
        status=version.status,
        description=version.description,
        source=version.source,
        flavors=flavors or None,
    )


def with_files(hit: VersionHit, files: FileGlance) -> VersionHit:
    """Return a version with what its files say, which counts more than what its run said that they would hold."""
    return replace(
        hit,
        flavors=files.flavors or hit.flavors,
        format=files.format,
        size_bytes=files.size_bytes,
        dataset=files.dataset or hit.dataset,
    )


def _shown(metrics: Any) -> dict[str, float]:
    names = sorted(metrics, key=lambda name: (name.startswith(_SYSTEM), name))[:_MOST_METRICS]
    return {name: metrics[name] for name in names}


def card_of(model: Model, hits: Sequence[VersionHit]) -> ModelCard:
    """Return a model as the list has it; ``hits`` are its versions, the newest first."""
    newest = hits[0] if hits else None
    first = next(iter(newest.metrics.items()), None) if newest is not None else None
    return ModelCard(
        name=model.name,
        latest_version=model.latest_version,
        n_versions=len(hits),
        aliases=model.aliases,
        tags=model.tags,
        description=model.description,
        author=None if newest is None else newest.author,
        updated_at=model.updated_at,
        metric=first,
    )


def signature_columns(run: Run | None) -> tuple[str, ...]:
    """Return the names of the columns in the signatures of what a run logged as models."""
    if run is None:
        return ()
    names: dict[str, None] = {}
    for one in _logged(run.tags):
        signature: Any = one.get("signature")
        for side in ("inputs", "outputs") if isinstance(signature, dict) else ():
            names |= dict.fromkeys(_columns(signature.get(side)))
    return tuple(names)


def _logged(tags: Any) -> Iterator[dict[str, Any]]:
    """Yield what a run says that it logged as models; anybody may have written it."""
    text = tags.get(_HISTORY, "")
    if not text or len(text) > _LONGEST_HISTORY:
        return
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return
    yield from (one for one in told if isinstance(one, dict)) if isinstance(told, list) else ()


def _names(told: Any) -> list[str]:
    return [str(name) for name in told] if isinstance(told, dict) else []


def _columns(told: Any) -> list[str]:
    try:
        columns = json.loads(told) if isinstance(told, str) else told
    except (ValueError, RecursionError):
        return []
    found = columns if isinstance(columns, list) else []
    return [str(one["name"]) for one in found if isinstance(one, dict) and "name" in one]


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
