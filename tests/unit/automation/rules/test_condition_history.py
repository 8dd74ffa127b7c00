"""How what rules watch went: gaps stay gaps, the worst of several is shown, counters by their growth, and why not."""

import pytest

from mlops_desk.automation.records.condition_history import OfEach
from mlops_desk.automation.records.rule_record import ThingStanding
from mlops_desk.automation.rules.document.document import parse_rule
from mlops_desk.automation.rules.storage.rule_verbs import CourseReading
from mlops_desk.kit.base.errors import NotFound, Unavailable
from mlops_desk.machine.records.history import History
from tests.rule_specs import METRICS

HEAD = "apiVersion: mlops-desk/v1\nkind: Rule\nname: r\n"
TELL = "then:\n- notify: [desktop]\n"
HOT = f"{HEAD}when: {{metric: hw.temperature, device: gpu, above: 80, clear: 70}}\n{TELL}"
BEGIN = 1_790_000_000.0
HOUR = 3600.0


class Past:
    """``recorded`` has of each thing its values, one for each step of those that are asked for."""

    def __init__(self, recorded, steps=None):
        self.recorded = recorded
        self.steps = steps
        self.asked = []
        self.down = False

    def things(self, device, metric):
        return [*self.recorded]

    def name(self, device, given):
        if given == "gone":
            raise NotFound("There is no GPU gone.")
        return f"long-{given}"

    def why_untold(self, device, metric):
        return "it is told when it happens" if device == "job" else None

    def curve(self, device, thing, metric, since, until, points):
        raise AssertionError("each thing for itself is slow")

    def curves(self, device, metric, things, since, until, points):
        self.asked.append((device, metric, tuple(things), since, until, points))
        if self.down:
            raise Unavailable("The history can't be read.")
        step = self.steps or (until - since) / points
        return [self._of(thing, metric, since, step) for thing in things]

    def _of(self, thing, metric, since, step):
        values = self.recorded.get(thing.removeprefix("long-"))
        if values is None:
            return None
        times = tuple(since + step * number for number in range(len(values)))
        low, high = (tuple(None if one is None else one + off for one in values) for off in (-1.0, 1.0))
        return History(thing, metric, "Cel", 60.0, step, times, low, tuple(values), high)


def course(past, text=HOT, standings=(), hours=2.0):
    reading = CourseReading(METRICS, past, BEGIN, BEGIN + hours * HOUR)
    return reading.course("r", parse_rule(text, METRICS), standings)


def test_a_curve_has_its_threshold_and_a_gap_is_no_zero() -> None:
    past = Past({"a": [60.0, None, 79.5]})
    found = course(past).curve
    assert found is not None
    assert (found.values, found.threshold, found.above, found.unit) == ((61.0, None, 80.5), 80.0, True, "Cel")
    assert (found.of_each, found.last) == (OfEach.MOST, 80.5), "it fires at once, so the most of each step counts"
    assert (found.thing, found.start, found.step_seconds, found.looked_at) == ("a", BEGIN, 75.0, 1)
    assert "is at or above 80" in found.condition
    assert past.asked == [("gpu", "hw.temperature", ("long-a",), BEGIN, BEGIN + 7200.0, 96)]


def test_what_has_to_last_is_shown_by_its_mean_and_what_fires_below_by_the_least() -> None:
    recorded = {"a": [60.0, 79.5]}
    lasting = course(Past(recorded), HOT.replace(f"\n{TELL}", f"\nfor: 5m\n{TELL}")).curve
    assert lasting is not None
    assert (lasting.of_each, lasting.values) == (OfEach.MEAN, (60.0, 79.5))
    cold = course(Past(recorded), HOT.replace("above: 80, clear: 70", "below: 20, clear: 30")).curve
    assert cold is not None
    assert (cold.of_each, cold.values, cold.above) == (OfEach.LEAST, (59.0, 78.5), False)


def test_of_several_the_one_that_came_nearest_is_shown_and_before_it_one_for_which_it_holds() -> None:
    recorded = {"a": [60.0, 61.0], "b": [85.0, 62.0], "c": [None, None], "d": [63.0, 64.0]}
    found = course(Past(recorded)).curve
    assert found is not None
    assert (found.thing, found.looked_at) == ("b", 4)
    standings = [ThingStanding("a", False), ThingStanding("b", None), ThingStanding("d", True)]
    held = course(Past(recorded), standings=standings).curve
    assert held is not None
    assert (held.thing, held.looked_at) == ("d", 3), "it holds for that one now"
    below = course(Past(recorded), HOT.replace("above: 80, clear: 70", "below: 20, clear: 30")).curve
    assert below is not None
    assert below.thing == "a"


def test_of_many_those_for_which_it_holds_are_looked_at_first() -> None:
    names = [f"g{number:02d}" for number in range(40)]
    past = Past({name: [60.0] for name in names})
    standings = [ThingStanding(name, name == "g39") for name in names]
    found = course(past, standings=standings).curve
    assert found is not None
    assert (found.thing, found.looked_at, len(past.asked[0][2])) == ("g39", 32, 32)


def test_a_counter_is_shown_by_how_much_it_grew_and_begins_anew_after_a_gap_or_a_fall() -> None:
    text = HOT.replace("above: 80, clear: 70", "above: 3, clear: 0, grownOver: 10m")
    # Steps of 75 s, 8 of them in ten minutes: 10 min before the span, and the span itself.
    before = [5.0] * 8
    past = Past({"a": [*before, 5.0, 7.0, 7.0, None, 20.0, 21.0, 2.0, 4.0]}, steps=75.0)
    found = course(past, text).curve
    assert found is not None
    assert found.of_each is OfEach.GROWTH
    assert found.values == (0.0, 2.0, 2.0, None, 2.0, 3.0, 3.0, 5.0)
    assert (found.start, found.step_seconds) == (BEGIN, 75.0)
    assert past.asked[0][3:] == (BEGIN - 600.0, BEGIN + 7200.0, 104)


def test_growth_is_forgotten_once_it_is_older_than_its_time_and_fine_steps_are_put_together() -> None:
    text = HOT.replace("above: 80, clear: 70", "above: 3, clear: 0, grownOver: 1m")
    past = Past({"a": [5.0, 5.0, 9.0, *[9.0] * 118]})
    found = course(past, text).curve
    assert found is not None
    assert past.asked[0][5] == 121, "a minute each, and one before the span"
    assert (found.step_seconds, len(found.values)) == (120.0, 60)
    assert found.values[:3] == (4.0, 0.0, 0.0), "the most of both minutes"


@pytest.mark.parametrize(("grown_over", "hours"), [("30s", 2.0), ("1m", 168.0)])
def test_growth_in_less_time_than_the_history_tells_apart_is_untold(grown_over, hours) -> None:
    text = HOT.replace("above: 80, clear: 70", f"above: 3, clear: 0, grownOver: {grown_over}")
    found = course(Past({"a": [5.0, 9.0]}), text, hours=hours)
    assert found.curve is None
    assert found.untold == "it is by how much a counter grew in less time than the history tells apart here"


def test_growth_is_untold_where_only_coarser_steps_are_kept() -> None:
    text = HOT.replace("above: 80, clear: 70", "above: 3, clear: 0, grownOver: 10m")
    found = course(Past({"a": [5.0, 9.0]}, steps=900.0), text)
    assert found.untold == "it is by how much a counter grew in less time than the history tells apart here"


def test_why_there_is_no_curve_is_told() -> None:
    manual = HOT.replace("{metric: hw.temperature, device: gpu, above: 80, clear: 70}", "{manual: true}")
    assert course(Past({}), manual).untold == "a person fires it"
    cron = HOT.replace(
        "{metric: hw.temperature, device: gpu, above: 80, clear: 70}", '{cron: "0 6 * * *", zone: Europe/Berlin}'
    )
    assert course(Past({}), cron).untold == "it waits for times of a schedule"
    job = HOT.replace("metric: hw.temperature, device: gpu", "metric: job.cpu, device: job")
    assert course(Past({}), job).untold == "it is told when it happens"
    for nothing in ({}, {"a": [None, None]}):
        assert course(Past(nothing)).untold == "nothing of it was measured in this time"
    gone = HOT.replace("device: gpu", "device: gpu, of: gone")
    assert course(Past({"a": [60.0]}), gone).untold == "nothing of it was measured in this time"


def test_the_first_part_that_has_a_curve_is_shown() -> None:
    both = HOT.replace(
        "when: {metric: hw.temperature, device: gpu, above: 80, clear: 70}",
        "when:\n  and:\n  - {metric: job.cpu, device: job, of: j1, above: 1, clear: 0}\n"
        "  - {metric: hw.temperature, device: gpu, of: a, above: 80, clear: 70}",
    )
    found = course(Past({"a": [60.0]}), both).curve
    assert found is not None
    assert (found.metric, found.thing) == ("hw.temperature", "a")


def test_a_history_that_can_not_be_read_is_no_reason_but_an_error() -> None:
    past = Past({"a": [60.0]})
    past.down = True
    with pytest.raises(Unavailable, match="can't be read"):
        course(past)
