"""A rule's sentence, and what it would have done, by a history that has gaps, steps and ends."""

import pytest

from mlops_desk.automation.records.dry_run import LookedAt, WouldFire
from mlops_desk.automation.rules.document.document import parse_rule
from mlops_desk.automation.rules.document_verbs import RuleDocuments
from mlops_desk.automation.rules.dry_run import PastSeries, would_fire
from mlops_desk.kit.base.errors import Invalid, Unavailable
from mlops_desk.machine.records.history import History
from mlops_desk.machine.records.metric import Metric
from tests.rule_specs import METRICS

HEAD = "apiVersion: mlops-desk/v1\nkind: Rule\nname: r\n"
TELL = "then:\n- notify: [desktop]\n"
HOT = f"{HEAD}when: {{metric: hw.temperature, device: gpu, above: 80, clear: 70}}\n{TELL}"
BEGIN = 1_790_000_000.0  # a Monday in September 2026, 14:13:20 UTC
DAY = 86_400.0


class Past:
    """GPUs whose temperatures are kept by the minute: ``at`` tells it of a GPU and a time, None where there is none."""

    def __init__(self, at, gpus=("a", "b"), step=60.0):
        self.at, self.gpus, self.step = at, gpus, step
        self.asked = []
        self.down = False

    def things(self, device, metric):
        return self.gpus

    def name(self, device, given):
        return f"long-{given}"

    def why_untold(self, device, metric):
        return "nobody writes it down" if metric == "gpu.silent" else None

    def curve(self, device, thing, metric, since, until, points):
        self.asked.append((thing, since, until, points))
        if self.down:
            raise Unavailable("The history can't be read.")
        count = int((until - since) // self.step)
        times = tuple(since + self.step * number for number in range(count))
        values = tuple(self.at(thing.removeprefix("long-"), at) for at in times)
        if not any(value is not None for value in values):
            return None
        return History(thing, metric, "Cel", self.step, self.step, times, values, values, values)


def hot_from(begin, end, gpu="a"):
    return lambda thing, at: 85.0 if thing == gpu and begin <= at < end else 60.0


def dry_run(past, text=HOT, days=3.0):
    return RuleDocuments(METRICS, past).dry_run(text, BEGIN, BEGIN + days * DAY)


def test_a_dry_run_tells_when_and_for_what_a_rule_would_have_fired() -> None:
    past = Past(hot_from(BEGIN + 7200.0, BEGIN + 9000.0))
    found = dry_run(past)
    assert (found.n_fired, found.would) == (1, (WouldFire(BEGIN + 7200.0, "a", True),))
    assert found.looked_at == tuple(LookedAt("hw.temperature", gpu, 3 * DAY, 60.0) for gpu in "ab")
    assert (found.untold, found.budget_reckoned) == ((), True)


def test_a_dry_run_asks_for_no_more_points_than_the_history_gives_and_by_the_name_it_goes_by() -> None:
    past = Past(hot_from(0.0, 0.0), gpus=("a",))
    dry_run(past, days=30.0)
    assert {thing for thing, *_ in past.asked} == {"long-a"}
    assert max(points for *_, points in past.asked) == 2880
    assert [since for _, since, *_ in past.asked] == [BEGIN + 2 * DAY * number for number in range(15)]


def test_what_lasts_goes_on_over_the_pieces_in_which_the_history_is_read() -> None:
    middle = BEGIN + 2 * DAY
    past = Past(hot_from(middle - 600.0, middle + 600.0))
    text = HOT.replace("clear: 70}", "clear: 70, for: 15m}")
    assert [one.at for one in dry_run(past, text).would] == [middle - 600.0 + 900.0]


def test_a_gap_in_the_history_ends_nothing_and_begins_nothing() -> None:
    gap = BEGIN + 3600.0, BEGIN + 7200.0

    def at(thing, when):
        return None if gap[0] <= when < gap[1] else 85.0 if thing == "a" and when >= BEGIN + 1800.0 else 60.0

    found = dry_run(Past(at))
    assert [one.at for one in found.would] == [BEGIN + 1800.0]
    assert found.looked_at[0].known_seconds == 3 * DAY - 3600.0


def test_coarse_history_counts_for_all_of_its_span() -> None:
    past = Past(hot_from(BEGIN + 9000.0, BEGIN + 10_800.0), step=900.0)
    text = HOT.replace("clear: 70}", "clear: 70, for: 20m}")
    assert [one.at for one in dry_run(past, text).would] == [BEGIN + 9000.0 + 1200.0]


def test_what_was_held_back_is_told_with_what_held_it() -> None:
    past = Past(lambda thing, at: 85.0 if thing == "a" and int((at - BEGIN) // 600) % 2 else 60.0, gpus=("a",))
    found = dry_run(past, f"{HOT}cooldown: 55m\n", days=2 / 24)
    assert found.would[:4] == (
        WouldFire(BEGIN + 600.0, "a", True),
        WouldFire(BEGIN + 1800.0, "a", False, 600.0, "cooldown"),
        WouldFire(BEGIN + 3000.0, "a", False, 600.0, "cooldown"),
        WouldFire(BEGIN + 4200.0, "a", True),
    )
    hours = "quiet: [{from: 14:00, to: 15:00}]\n"
    found = dry_run(Past(hot_from(BEGIN + 600.0, BEGIN + DAY)), HOT + hours)
    assert found.would == (WouldFire(BEGIN + 2820.0, "a", True, 2220.0, "quiet"),)  # a look a minute: 15:00:20


def test_what_is_held_back_to_the_end_is_not_told_as_over() -> None:
    hours = "quiet: [{from: 00:00, to: 23:59}]\n"
    (held,) = dry_run(Past(hot_from(BEGIN + 600.0, BEGIN + DAY)), HOT + hours, days=2 / 24).would
    assert (held.fired, held.held_by, held.waits) == (False, "quiet", True)


def test_a_schedule_needs_no_history_and_what_has_none_is_named() -> None:
    text = f"{HEAD}when: {{or: [{{cron: 0 2 * * *}}, {{state: job, of: nightly, is: [failed]}}]}}\n{TELL}"
    found = dry_run(Past(hot_from(0.0, 0.0)), text)
    assert found.n_fired == 3
    assert found.untold == ("job nightly is failed",)


def test_a_metric_that_was_never_measured_is_named_and_fires_nothing() -> None:
    found = dry_run(Past(lambda thing, at: None))
    assert (found.n_fired, found.looked_at) == (0, ())
    assert found.untold == ("hw.temperature of each GPU is at or above 80\u202f°C (until it is back at 70\u202f°C)",)


def test_what_can_have_no_history_is_told_with_why() -> None:
    text = f"{HEAD}when: {{metric: gpu.silent, above: 1}}\n{TELL}"
    declared = Metric("gpu.silent", "gpu", "1", "flag", 1.0, 0.0, 1.0, "does not respond", derived=True)
    metrics = {**METRICS, ("gpu", "gpu.silent"): declared}
    found = RuleDocuments(metrics, Past(lambda thing, at: None)).dry_run(text, BEGIN, BEGIN + DAY)
    assert (found.n_fired, found.untold) == (0, ("each GPU does not respond (nobody writes it down)",))


def test_a_budget_is_not_reckoned_and_that_is_told() -> None:
    found = dry_run(Past(hot_from(BEGIN + 60.0, BEGIN + 600.0)), f"{HOT}budget: {{gpuHours: 1}}\n")
    assert (found.n_fired, found.budget_reckoned) == (1, False)


@pytest.mark.parametrize(
    ("since", "until", "text"),
    [(BEGIN, BEGIN, "before it begins"), (BEGIN, BEGIN + 93 * DAY, "takes too long")],
)
def test_a_span_that_is_none_is_refused(since, until, text) -> None:
    with pytest.raises(Invalid, match=text):
        RuleDocuments(METRICS, Past(hot_from(0.0, 0.0))).dry_run(HOT, since, until)


def test_more_things_than_a_dry_run_takes_are_refused_and_what_helps_is_told() -> None:
    past = Past(hot_from(0.0, 0.0), gpus=[str(number) for number in range(33)])
    with pytest.raises(Invalid, match="33 things") as caught:
        dry_run(past)
    assert "of:" in (caught.value.hint or "")


def test_a_history_that_can_not_be_read_is_no_rule_that_never_fires() -> None:
    past = Past(hot_from(0.0, 0.0))
    past.down = True
    with pytest.raises(Unavailable):
        dry_run(past)


def test_a_check_gives_the_sentence_and_the_document_as_it_is_written() -> None:
    found = RuleDocuments(METRICS, Past(hot_from(0.0, 0.0))).check(HOT)
    assert found.name == "r"
    assert found.document.startswith(
        "apiVersion: mlops-desk/v1\nkind: Rule\nname: r\nwhen:\n  metric: hw.temperature\n"
    )
    assert RuleDocuments(METRICS, Past(hot_from(0.0, 0.0))).check(found.document) == found


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "when: {metric: hw.gpu.utilization, of: GPU-1, below: 0.05, for: 1h30m}\nthen: [{notify: [email, webhook], level: info}]\n",
            "When hw.gpu.utilization of GPU GPU-1 is at or below 5 % for 1h30m: tell people by e-mail and by webhook (info).",
        ),
        (
            "when: {metric: hw.gpu.memory.usage, above: 10737418240}\nfor: 5m\nthen: [{stop: train, warning: 0s}]\ncooldown: 1d\n",
            "When hw.gpu.memory.usage of each GPU is at or above 10\u202fGiB for 5m: stop the job train at once; at most once in 1d.",
        ),
        (
            "when: {metric: hw.gpu.memory.usage, above: 2048}\nthen: [{notify: [desktop]}]\n",
            "When hw.gpu.memory.usage of each GPU is at or above 2048\u202fB: tell people on the desktop (warning).",
        ),
        (
            ("when: {or: [{newData: /srv/rows}, {and: [{push: /srv/code}, {state: endpoint, of: iris, is: [live]}]}]}\n"
            "then: [{approval: 'Go on?'}, {submit: nightly, params: {lr: 0.1}}, {rollBack: iris}]\n"),
            ("When there are new data in /srv/rows or (/srv/code has a new commit on main and endpoint iris is live): ask "
            "“Go on?” and wait for somebody to agree, submit the job of the template nightly with lr=0.1 then roll the "
            "endpoint iris back."),
        ),
        (
            ("when: {or: [{newRows: sqlite:////srv/a.db, table: orders, column: id}, {dvc: /srv/a.dvc, ref: main}, "
             "{dvc: /srv/dvc.lock, output: model.pkl}]}\nthen: [{submit: nightly}]\n"),
            ("When id of the table orders in sqlite:////srv/a.db has grown or /srv/a.dvc on main names other data or "
             "/srv/dvc.lock names other data for model.pkl: submit the job of the template nightly."),
        ),
        (
            ("when: {newRows: 'postgresql://me@db/shop', query: SELECT * FROM orders WHERE paid, column: id, login: db}\n"
             "then: [{submit: nightly}]\n"),
            ("When id of the query SELECT * FROM orders WHERE paid in postgresql://me@db/shop has grown: submit the job of "
             "the template nightly."),
        ),
        (
            ("when: {or: [{metric: hw.gpu.utilization, above: 0.1, for: 30s, average: true}, "
             "{metric: hw.gpu.memory.usage, of: GPU-1, above: 10737418240, grownOver: 1h}]}\nthen: [{submit: nightly}]\n"),
            ("When hw.gpu.utilization of each GPU is, also on average, at or above 10 % for 30s or hw.gpu.memory.usage of GPU "
             "GPU-1 grew by 10\u202fGiB or more within 1h: submit the job of the template nightly."),
        ),
        (
            "when: {state: gpu, is: [lost]}\nthen: [{alert: alert, text: Save it}, {alert: info}]\n",
            "When each GPU is lost: raise an alert “Save it” until it is over then raise an alert (info) until it is over.",
        ),
        (
            ("when: {manual: true}\nthen: [{retrain: iris, metric: loss, goal: minimize}, {pause: iris}]\n"
            "budget: {gpuHours: 8, per: 1d}\nquiet: [{from: 09:00, to: 17:00, days: [fri, mon]}]\n"),
            ("When somebody fires it: retrain iris@champion and propose it where loss is lower then pause the endpoint "
            "iris; for at most 8 GPU-hours in 1d; not between 09:00 and 17:00 (UTC) on Mondays and Fridays."),
        ),
    ],
)  # fmt: skip
def test_a_rule_reads_as_one_sentence(body, said) -> None:
    found = RuleDocuments(METRICS, Past(hot_from(0.0, 0.0))).check(HEAD + body)
    assert found.sentence.replace("\u202f%", " %") == said.replace("\u202f%", " %")


def test_a_series_that_ends_is_unknown_from_then_on() -> None:
    rule = parse_rule(HOT.replace("clear: 70}", "clear: 70, for: 10m}"), METRICS)
    past = [PastSeries("gpu/hw.temperature", "a", 60.0, [BEGIN, BEGIN + 60.0], [85.0, 85.0])]
    assert would_fire(rule, past, BEGIN, BEGIN + DAY) == []


def test_a_hole_between_two_points_is_a_gap() -> None:
    rule = parse_rule(HOT.replace("clear: 70}", "clear: 70, for: 10m}"), METRICS)
    times = [BEGIN, BEGIN + 3600.0, BEGIN + 3660.0]
    past = [PastSeries("gpu/hw.temperature", "a", 60.0, times, [85.0, 85.0, 60.0])]
    assert would_fire(rule, past, BEGIN, BEGIN + DAY) == []
