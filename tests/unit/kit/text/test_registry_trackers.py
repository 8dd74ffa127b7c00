"""The list of registries in a terminal: what was not counted to the end is never shown as the whole."""

from mlops_desk.registry.records.tracker import Tracker, TrackerKind
from mlops_desk.registry.text.trackers import TABLES, more, tracker

WHY = "Its runs were not all counted within 4 s."
HUGE = Tracker("huge", "https://h", TrackerKind.HTTP, via="rest", n_models=3, least_runs=12_000, uncounted=WHY)


def test_a_count_that_is_not_the_whole_says_so_in_the_list_and_beneath_it() -> None:
    columns = TABLES[Tracker]
    assert (columns["RUNS"](HUGE), columns["MODELS"](HUGE)) == ("at least 12,000", "3")
    assert WHY in more([HUGE])
    nothing = Tracker("late", "https://h", TrackerKind.HTTP, via="rest", uncounted=WHY)
    assert (columns["RUNS"](nothing), columns["MODELS"](nothing)) == ("–", "–")


def test_one_registry_tells_it_among_its_facts() -> None:
    lines = [line.split(None, 1) for line in tracker(HUGE).splitlines()]
    assert ["runs", "at least 12,000"] in lines
    assert ["models", "3"] in lines
