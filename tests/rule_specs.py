"""Rules as tests make them: a catalogue of metrics, and every rule that a document can say."""

from hypothesis import strategies as st

from mlops_desk.automation.records.actions import (
    AlertAction,
    ApprovalAction,
    NotifyAction,
    PauseEndpointAction,
    RetrainAction,
    RollBackAction,
    StopJobAction,
    SubmitAction,
)
from mlops_desk.automation.records.conditions import (
    Both,
    DvcClause,
    Either,
    ManualClause,
    MetricClause,
    NewDataClause,
    NewRowsClause,
    PushClause,
    ScheduleClause,
    StateClause,
    device_class,
    leaves,
)
from mlops_desk.automation.records.pipelines.synthetic import Augmentation, AugmentUse
from mlops_desk.automation.records.spec import QuietHours, RuleSpec
from mlops_desk.machine.records.metric import Metric


def _metric(name: str, device: str, unit: str, low: float, high: float) -> Metric:
    return Metric(name, device, unit, "gauge", 0.001, low, high, "", title=name)


METRICS = {
    (one.device, one.name): one
    for one in (
        _metric("hw.temperature", "gpu", "Cel", -40.0, 150.0),
        _metric("hw.temperature", "disk", "Cel", -40.0, 150.0),
        _metric("hw.gpu.utilization", "gpu", "1", 0.0, 1.0),
        _metric("hw.gpu.memory.usage", "gpu", "By", 0.0, float(1 << 50)),
        _metric("system.cpu.utilization", "host", "1", 0.0, 1.0),
        _metric("job.cpu", "job", "1", 0.0, 4096.0),
        _metric("endpoint.latency.p95", "endpoint", "s", 0.0, 3600.0),
    )
}
_WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=20)
_LINES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=60)
_SECONDS = st.integers(0, 86_400).map(float) | st.integers(1, 5000).map(lambda tenths: tenths / 10)
_PATHS = _WORDS.map(lambda word: f"/srv/{word}")
_ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])
_MOMENTS = st.one_of(
    st.builds(ScheduleClause, st.sampled_from(["0 2 * * 1-5", "*/10 * * * *", "30 4 1 * *"]), _ZONES),
    st.builds(NewDataClause, _PATHS),
    st.builds(
        NewRowsClause,
        st.sampled_from(["sqlite:////srv/rows.db", "postgresql://me@db.lan:5433/rows"]),
        st.sampled_from(["orders", "sales.orders"]),
        _LINES,
        st.none() | _WORDS,
    ),
    st.builds(DvcClause, _PATHS, st.sampled_from([None, "main"]), st.none() | _WORDS),
    st.builds(PushClause, _PATHS, st.sampled_from(["main", "release/1.0", "v*", "refs/tags/v1"])),
)


@st.composite
def _metric_clauses(draw):
    metric = draw(st.sampled_from([*METRICS.values()]))
    low, high = sorted(draw(st.tuples(*[st.floats(metric.low, min(metric.high, 1e6), allow_subnormal=False)] * 2)))
    above = draw(st.booleans())
    threshold, clear = (high, low) if above else (low, high)
    of = "host" if metric.device == "host" else draw(st.none() | _WORDS)
    lasts = draw(_SECONDS)
    averaged = above and lasts > 0 and draw(st.booleans())
    grown_over = draw(st.none() | st.just(3600.0)) if above and not averaged else None
    return MetricClause(metric.name, metric.device, threshold, clear, above, of, lasts, averaged, grown_over)


_STATES = st.sampled_from(
    [("job", "failed"), ("job", "succeeded"), ("endpoint", "unhealthy"), ("gpu", "lost")]
).flatmap(lambda told: st.builds(StateClause, st.just(told[0]), st.just((told[1],)), st.none() | _WORDS, _SECONDS))
_LASTING = _metric_clauses() | _STATES
WHEN = st.one_of(
    _LASTING,
    _MOMENTS,
    st.just(ManualClause()),
    st.builds(lambda parts: Both(tuple(parts)), st.lists(_LASTING, min_size=2, max_size=3)),
    st.builds(lambda moment, part: Both((moment, part)), _MOMENTS, _LASTING),
    st.builds(lambda parts: Either(tuple(parts)), st.lists(_LASTING | _MOMENTS, min_size=2, max_size=3)),
    st.builds(lambda one, two, three: Either((one, Both((two, three)))), _LASTING, _LASTING, _LASTING),
).filter(lambda when: len({kind for leaf in leaves(when) if (kind := device_class(leaf))}) < 2)
_WAYS = st.lists(st.sampled_from(["desktop", "webhook", "email", "command"]), min_size=1, max_size=4, unique=True)
_SHARES = st.floats(0, 1, allow_subnormal=False)
_MADE = st.builds(
    Augmentation, _WORDS, st.integers(1, 1_000_000), st.sampled_from(AugmentUse), st.none() | _PATHS, st.none(),
    st.dictionaries(st.just("lr"), _LINES), st.integers(0, 99), _SHARES, _SHARES, _SHARES,
)  # fmt: skip
_ACTIONS = st.one_of(
    st.builds(NotifyAction, _WAYS.map(tuple), st.sampled_from(["info", "warning", "alert"]), st.none() | _LINES),
    st.builds(AlertAction, st.sampled_from(["info", "warning", "alert"]), st.none() | _LINES),
    st.builds(SubmitAction, _WORDS, st.dictionaries(st.just("lr"), _LINES)),
    st.builds(RetrainAction, _WORDS, _WORDS, _WORDS, st.booleans(), st.dictionaries(_PATHS, _PATHS, max_size=2)),
    st.builds(RetrainAction, _WORDS, _WORDS, augment=_MADE),
    st.builds(StopJobAction, _SECONDS, _WORDS.filter(lambda word: word != "each")),
    st.builds(PauseEndpointAction, _WORDS),
    st.builds(RollBackAction, _WORDS),
    st.builds(ApprovalAction, _LINES, st.integers(1, 10)),
)
_MINUTES = st.integers(0, 1439)
_QUIET = st.builds(
    QuietHours, _MINUTES, _MINUTES, _ZONES, st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days)))
).filter(lambda hours: hours.from_minute != hours.to_minute)


@st.composite
def rules(draw):
    """Every rule that a document can say."""
    when = draw(WHEN)
    lasting = all(isinstance(leaf, (MetricClause, StateClause)) for leaf in leaves(when))
    actions = _ACTIONS if lasting else _ACTIONS.filter(lambda action: not isinstance(action, AlertAction))
    hours = draw(st.none() | st.floats(0.5, 1000.0).map(lambda value: round(value, 3)))
    return RuleSpec(
        name="rule-1",
        when=when,
        then=tuple(draw(st.lists(actions, min_size=1, max_size=3))),
        for_seconds=draw(_SECONDS) if lasting else 0.0,
        cooldown_seconds=draw(_SECONDS),
        gpu_hours=hours,
        budget_seconds=604_800.0 if hours is None else draw(st.sampled_from([604_800.0, 86_400.0])),
        quiet=tuple(draw(st.lists(_QUIET, max_size=2))),
    )
