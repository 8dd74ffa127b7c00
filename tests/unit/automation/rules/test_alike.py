"""Two rules that wait for the same and do the same: both are taken, and the second one says so."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from mlops_desk.automation.records.equivalence import alike_words, are_alike
from mlops_desk.automation.records.rule_record import KeptRule
from mlops_desk.automation.rules.document.document import parse_rule
from mlops_desk.automation.text.rules import rule as shown
from tests.rule_specs import METRICS
from tests.unit.automation.rules.test_editing import House

HEAD = "apiVersion: mlops-desk/v1\nkind: Rule\nname: {}\n"
HOT = "{metric: hw.temperature, device: gpu, above: 80, clear: 70}"
FAILED = "{state: job, of: nightly, is: [failed, cancelled]}"
TURNED = "{state: job, of: nightly, is: [cancelled, failed]}"
TELL = "[{notify: [desktop]}]"


def document(name: str, when: str = FAILED, then: str = TELL, more: str = "") -> str:
    return f"{HEAD.format(name)}when: {when}\nthen: {then}\n{more}"


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        (document("b"), True),
        (document("b", TURNED), True),
        (document("b", more="cooldown: 2h\n"), True),
        (document("b", HOT), False),
        (document("b", FAILED.replace("nightly", "daily")), False),
        (document("b", then="[{notify: [webhook]}]"), False),
        (document("b", then="[{notify: [desktop]}, {submit: train}]"), False),
        (document("b", more="for: 5m\n"), False),
    ],
)
def test_rules_are_alike_where_trigger_and_actions_are_whatever_holds_them_back(other: str, alike: bool) -> None:
    one, two = (parse_rule(text, METRICS) for text in (document("a"), other))
    assert are_alike(one, two) is are_alike(two, one) is alike


def test_the_order_in_which_a_condition_is_written_makes_no_other_rule() -> None:
    both = (document("a", f"{{and: [{HOT}, {FAILED}]}}"), document("b", f"{{and: [{TURNED}, {HOT}]}}"))
    assert are_alike(*(parse_rule(text, METRICS) for text in both))
    other = parse_rule(document("b", f"{{or: [{HOT}, {FAILED}]}}"), METRICS)
    assert not are_alike(parse_rule(both[0], METRICS), other)


def test_rules_that_people_fire_by_hand_alone_never_act_for_one_another() -> None:
    by_hand = [parse_rule(document(name, "{manual: true}"), METRICS) for name in "ab"]
    assert not are_alike(*by_hand)


@pytest.mark.slow
def test_a_second_rule_that_does_the_same_says_so_in_its_dry_run_and_its_shelf(tmp_path: Path) -> None:
    house = House(tmp_path)
    try:
        house.rules.keep(document("first"))
        house.rules._past = SimpleNamespace(why_untold=lambda _device, _metric: None)
        assert house.rules.dry_run(document("second")).alike == ("first",)
        assert house.rules.dry_run(document("first")).alike == (), "it is that rule itself"
        assert house.rules.dry_run(document("second", "{cron: 0 2 * * *}")).alike == ()
        house.rules.keep(document("second", TURNED))
        assert house.rules.alike(parse_rule(document("third"), METRICS)) == ("first", "second")
    finally:
        house.state.close()


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((), ""),
        (("a",), "The rule a waits for the same and does the same, so all of it is done twice."),
        (("b", "a"), "The rules a, b wait for the same and do the same, so all of it is done 3 times."),
        (
            tuple("edcba"),
            "The rules a, b, c and 2 more wait for the same and do the same, so all of it is done 6 times.",
        ),
    ],
)
def test_how_it_is_said(names: tuple[str, ...], told: str) -> None:
    assert alike_words(names) == told


def test_the_command_line_says_it_of_a_rule_that_was_made() -> None:
    assert "The rule first waits for the same" in shown(KeptRule("second", alike=("first",)))
    assert "waits for the same" not in shown(KeptRule("second"))
