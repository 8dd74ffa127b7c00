"""Rules as documents on the command line: the sentence first, then on what it rests."""

from dataclasses import replace

from mlops_desk.automation.records.condition_history import ConditionCurve, OfEach, RuleCourse
from mlops_desk.automation.records.dry_run import LookedAt, RuleCheck, RuleDryRun, WouldFire
from mlops_desk.automation.records.firing import FiringState
from mlops_desk.automation.records.rule_record import KeptRule, ThingStanding
from mlops_desk.automation.text.condition_history import TABLES, line
from mlops_desk.automation.text.documents import check, dry_run
from mlops_desk.automation.text.rules import rule, state


def run(**told) -> RuleDryRun:
    known = {
        "name": "r",
        "sentence": "When it is hot: tell people.",
        "since": 0.0,
        "until": 86_400.0,
        "n_fired": 0,
        "would": (),
        "looked_at": (),
        "untold": (),
        "budget_reckoned": True,
    }
    return RuleDryRun(**{**known, **told})


def test_a_check_is_the_sentence_and_the_document() -> None:
    assert check(RuleCheck("r", "When it is hot: tell people.", "kind: Rule\n")) == (
        "When it is hot: tell people.\n\nkind: Rule"
    )


def test_a_dry_run_tells_how_often_when_and_what_held_it_back() -> None:
    would = (
        WouldFire(60.0, "GPU-1", True),
        WouldFire(120.0, "", False, 60.0, "cooldown"),
        WouldFire(180.0, "GPU-1", True, 7200.0, "quiet"),
    )
    lines = dry_run(run(n_fired=2, would=would)).splitlines()
    assert lines[0] == "When it is hot: tell people."
    assert "would fire  2 times" in lines
    rows = [line.split()[2:] for line in lines[-3:]]
    assert rows[0] == ["GPU-1", "fires"]
    assert rows[1] == ["–", "held", "back", "by", "cooldown,", "until", "it", "held", "no", "more"]
    assert rows[2] == ["GPU-1", "fires,", "2", "h", "late,", "held", "back", "by", "quiet"]


def test_a_dry_run_names_the_rule_that_does_the_same() -> None:
    assert "The rule hot waits for the same and does the same, so all of it is done twice." in dry_run(
        run(alike=("hot",))
    )


def test_a_dry_run_tells_what_waits_still_when_it_ends() -> None:
    shown = dry_run(run(would=(WouldFire(60.0, "", False, 60.0, "quiet", waits=True),)))
    assert shown.splitlines()[-1].split()[2:] == ["–", "held", "back", "by", "quiet,", "and", "waits", "still"]


def test_a_dry_run_tells_what_the_history_does_not_know() -> None:
    looked = (LookedAt("hw.temperature", "GPU-1", 21_600.0, 60.0),)
    shown = dry_run(run(untold=("job x is failed",), looked_at=looked, budget_reckoned=False))
    assert "would fire  never" in shown
    assert "no history  job x is failed: counts as unknown" in shown
    assert "not reckoned" in shown
    assert shown.splitlines()[-1].split() == ["hw.temperature", "GPU-1", "25\u202f%,", "6", "h", "60", "s"] or (
        "25" in shown.splitlines()[-1] and "6 h" in shown.splitlines()[-1]
    )


def test_a_long_list_is_cut_and_says_so() -> None:
    would = tuple(WouldFire(60.0 * number, f"gpu-{number}", True) for number in range(50))
    shown = dry_run(run(n_fired=50, would=would))
    assert "gpu-9 " not in shown
    assert "gpu-10 " in shown
    assert shown.endswith("10 earlier: --json has them")


def test_what_nobody_knows_is_unknown_and_what_waits_for_a_moment_waits() -> None:
    fired = ThingStanding("", None, fired=1, fired_at=1.0)
    assert state(KeptRule("hot", standings=(fired,), lasts=True)) == "unknown"
    by_hand = KeptRule("by-hand", standings=(fired,))
    assert state(by_hand) == "armed"
    assert "unknown" not in rule(by_hand)


def test_a_rule_that_lacks_something_is_not_said_to_be_armed() -> None:
    lacks = KeptRule("fresh", missing=("Drift of endpoint iris is not judged.", "More."))
    assert state(lacks) == "lacks something: Drift of endpoint iris is not judged."
    assert state(replace(lacks, enabled=False)) == "paused"
    assert state(replace(lacks, standings=(ThingStanding("", True),))) == "holds"


def test_what_came_to_nothing_stands_in_the_state_of_its_rule() -> None:
    rule_of = KeptRule("nightly", standings=(ThingStanding("", False, since=1.0, fired=2),))
    told = [state(replace(rule_of, last_state=one)) for one in (None, *FiringState)]
    assert told == [
        "armed", "firing", "fired, and waits to go on", "armed", "last firing failed", "last firing unknown",
    ]  # fmt: skip
    assert state(replace(rule_of, last_state=FiringState.FAILED, enabled=False)) == "paused"


def course(*values: float | None, above: bool = True) -> ConditionCurve:
    return ConditionCurve(
        "share of memory in use of each GPU is at or above 98 %", "gpu", "GPU-1", "gpu.memory_share", "1", 0.98, above,
        OfEach.MEAN, 0.0, 900.0, values, 8,
    )  # fmt: skip


def test_a_course_is_a_line_of_blocks_in_which_a_gap_is_a_dot() -> None:
    assert line(course(0.0, None, 0.5, 1.0)) == "▁·▅█"
    assert line(course(0.3, 0.3)) == "▁▁", "what does not move lies low, whatever it is"
    day = course(*[0.0, 1.0, 0.0, 0.0] * 24)
    assert line(day) == "█" * 24, "of each hour that which came nearest"
    below = course(*[0.0, 1.0, 1.0, 1.0] * 12, *[1.0] * 48, above=False)
    assert line(below) == "▁" * 12 + "█" * 12


def test_a_list_of_courses_tells_the_threshold_or_why_there_is_none() -> None:
    columns = TABLES[RuleCourse]
    told = {name: cell(RuleCourse("gpu_memory", course(0.25, 0.5, None))) for name, cell in columns.items()}
    assert told == {
        "RULE": "gpu_memory", "OF": "GPU-1", "COURSE": "▁█·", "LAST": "0.5", "FIRES AT": "≥ 0.98", "UNIT": "–",
        "WHAT": "share of memory in use of each GPU is at or above 98 %",
    }  # fmt: skip
    none = [cell(RuleCourse("nightly", untold="it waits for times of a schedule")) for cell in columns.values()]
    assert none == ["nightly", "–", "–", "–", "–", "–", "no curve: it waits for times of a schedule"]
