"""Rules as documents on the command line: the sentence first, then on what it rests."""

from mlops_desk.cli.forms.rules.documents import check, dry_run
from mlops_desk.cli.forms.rules.kept import rule, state
from mlops_desk.records.rules.dry_run import LookedAt, RuleCheck, RuleDryRun, WouldFire
from mlops_desk.records.rules.kept import KeptRule, ThingStanding


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
    assert state(by_hand) == "waits"
    assert "unknown" not in rule(by_hand)
