"""The table of endpoints: a row is an endpoint beside where the alias that it was deployed by points now."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mlops_desk.base.text import plain
from mlops_desk.records.drift.monitors import MonitorStanding, MonitorState
from mlops_desk.records.model import Model
from mlops_desk.records.serving import rollout_words
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.ui.endpoints import standing, words
from mlops_desk.ui.endpoints.day import NOTHING, Day
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.words import marks, numbers

_GRAVITY = {
    MonitorState.TURNED: 4,
    MonitorState.UNKNOWN: 3,
    MonitorState.FINE: 2,
    MonitorState.WAITING: 1,
    MonitorState.PAUSED: 0,
}


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """``alias`` and ``tone`` say what it serves of the alias that it was deployed by, ``day`` its last 24 hours.

    ``drift`` are the monitors that watch what it is asked.
    """

    endpoint: Endpoint
    alias: str
    tone: str
    day: Day = NOTHING
    drift: tuple[MonitorStanding, ...] = ()


def rows_of(
    endpoints: Mapping[str, Endpoint],
    models: Mapping[str, Model],
    day: Callable[[str], Day],
    monitors: Iterable[MonitorStanding] = (),
) -> dict[str, EndpointRow]:
    """Return the row of each endpoint; ``models`` tell where aliases point now, ``day`` what its last day was like.

    ``monitors`` tell how what it is asked has drifted.
    """
    mine: dict[str, list[MonitorStanding]] = {}
    for one in monitors:
        mine.setdefault(one.monitor.endpoint or "", []).append(one)
    return {
        name: EndpointRow(one, *words.alias_now(one, models), day(name), tuple(mine.get(name, ())))
        for name, one in endpoints.items()
    }


def _state(row: EndpointRow) -> Cell:
    endpoint = row.endpoint
    mark = words.state_mark(endpoint)
    told = words.now_told(endpoint)[0]
    return Cell(mark.text, mark.word, mark.token, told)


def _model(row: EndpointRow) -> Cell:
    return Cell(f"{plain(row.endpoint.model.name)} / {plain(row.endpoint.model.version)}")


def _alias(row: EndpointRow) -> Cell:
    tip = standing.behind(row.endpoint) or standing.follows_told(row.endpoint)
    return Cell(row.alias, token=row.tone, tip=tip)


def _traffic(row: EndpointRow) -> Cell:
    endpoint = row.endpoint
    told = " · ".join(f"r{number} {share:.0%}" for number, share in endpoint.traffic.items())
    return Cell(told or numbers.NOTHING, endpoint.revision, tip=_revisions(endpoint))


def _revisions(endpoint: Endpoint) -> str:
    """Say which revision is the live one, and what the one on its way gets."""
    if endpoint.rollout is None:
        return f"Revision {endpoint.revision} is the live one"
    return rollout_words.stands(endpoint, endpoint.rollout)


def _rate(row: EndpointRow) -> Cell:
    rate = row.endpoint.load.requests_per_second if row.endpoint.load else None
    return Cell(words.per_second(rate), -1.0 if rate is None else rate)


def _p99(row: EndpointRow) -> Cell:
    latency = row.endpoint.latency
    tip = f"Of the last minute: p50 {numbers.seconds(latency.p50)}, p95 {numbers.seconds(latency.p95)}"
    return Cell(numbers.seconds(latency.p99), -1.0 if latency.p99 is None else latency.p99, tip=tip)


def _errors(row: EndpointRow) -> Cell:
    errors = row.endpoint.errors
    if errors is None:
        return Cell(numbers.NOTHING, -1, "muted", "Not known yet")
    count = sum(errors.values())
    return Cell(f"{count:,}", count, "warning" if count else None, words.errors_told(errors))


def _access(row: EndpointRow) -> Cell:
    if row.endpoint.token_required:
        return Cell("token", tip="Who asks it needs one of its tokens")
    return Cell(f"{numbers.WARNING} open", token="warning", tip="Every user of this machine may ask it")  # noqa: S106 - a colour


def _drift(row: EndpointRow) -> Cell:
    """Return how the gravest of its monitors stands."""
    if not row.drift:
        return Cell(numbers.NOTHING, -1, tip="No monitor watches what it is asked")
    gravest = max(row.drift, key=lambda one: _GRAVITY[one.state])
    mark = marks.monitor_mark(gravest)
    told = "\n".join(f"{one.monitor.name}: {one.sentence or one.trouble or one.state.value}" for one in row.drift)
    return Cell(mark.text, _GRAVITY[gravest.state], mark.token, told)


COLUMNS: tuple[Column[EndpointRow], ...] = (
    Column("name", "Endpoint", lambda row: Cell(plain(row.endpoint.name), tip=f"Serves {_model(row).text}")),
    Column("state", "State", _state),
    Column("model", "Model", _model, spare=True),  # most often the name says it; split and day are said here alone
    Column("alias", "Alias", _alias),
    Column("traffic", "Traffic", _traffic),
    Column("load", "Requests", _rate, right=True),
    Column("p99", "p99", _p99, right=True),
    Column("errors", "Errors 24 h", _errors, right=True),
    Column("drift", "Drift", _drift),
    Column("access", "Access", _access, spare=True),
    Column("day", "24 h", lambda row: Cell(row.day.text, token="muted", tip=row.day.told), spare=True),  # noqa: S106 - a colour
    Column(
        "url", "Address", lambda row: Cell(row.endpoint.url or numbers.NOTHING),
        stretch=True, fixed=True, hidden=True,
    ),
)  # fmt: skip
