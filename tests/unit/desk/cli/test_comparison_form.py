"""Runs side by side in a terminal, and what is said of an alias."""

import math

from mlops_desk.desk.cli import output
from mlops_desk.desk.cli.parser import arguments_of, parse
from mlops_desk.desk.cli.postprocess import nothing
from mlops_desk.registry.records.alias_move import AliasMove, AliasPreview, Follower
from mlops_desk.registry.records.comparison import CodeDifference, ComparedGroup, ComparedValue
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.records.labels import RunStage
from mlops_desk.registry.records.run_window import Importance
from mlops_desk.registry.records.undo import Undo
from mlops_desk.registry.text.comparison import SideBySide

ROWS = [
    ComparedValue(ComparedGroup.METRICS, "auc", (0.8, 0.9), differs=True, best=1),
    ComparedValue(ComparedGroup.METRICS, "loss", (math.nan, None), differs=True),
    ComparedValue(ComparedGroup.PARAMS, "lr", ("0.10", "0.1"), differs=False),
]


def test_only_what_differs_is_shown_and_how_much_more_there_is():
    told = output.text(SideBySide(ROWS, only_differing=True))
    assert "0.9 *" in told
    assert "lr" not in told
    assert "1 more is the same: --all shows them." in told


def test_with_all_everything_is_shown():
    told = output.text(SideBySide(ROWS, only_differing=False))
    assert "0.10" in told
    assert "--all" not in told


def test_what_is_the_same_says_so():
    assert output.text(SideBySide(ROWS[2:], only_differing=True)).startswith("Nothing differs. 1 more is the same")
    assert "Nothing is known" in output.text(SideBySide([], only_differing=True))


def test_of_many_runs_it_is_told_what_is_found_among_them():
    rows = [ComparedValue(ComparedGroup.METRICS, "auc", tuple(float(n) for n in range(7)), differs=True, best=6)]
    told = output.text(SideBySide(rows, only_differing=True))
    assert "7 of 7" in told
    assert "(7) 6" in told


def test_all_is_a_switch_of_the_command_and_no_word_for_the_agent():
    given = parse(["runs", "compare", "a", "b", "--all"])
    assert given.differing is False
    assert arguments_of(given.verb, given) == {"run_ids": ["a", "b"], "uri": None}
    assert parse(["models", "compare", "m", "1", "2"]).differing is True


def test_a_move_that_was_made_elsewhere_tells_its_span():
    moves = [
        AliasMove("m", "champion", 2000.0, "1", "2", None, 1000.0),
        AliasMove("m", "champion", 900000.0, "2", None, None, 1000.0, is_gap=True),
        AliasMove("m", "champion", 900.0, None, "1", None, None, is_gap=True),
        AliasMove("m", "champion", 900.0, "2", "1", "anna", is_back=True),
    ]
    told = output.text(moves).splitlines()
    assert " to " in told[1]
    assert told[1].endswith("elsewhere")
    assert "nobody looked for long" in told[2]
    assert "so it stood when it was first looked at" in told[3]
    assert told[4].endswith("anna, put back")


def test_a_history_without_moves_says_from_when_there_would_be_one():
    given = parse(["models", "history", "m"])
    assert nothing(given.verb, arguments_of(given.verb, given)).startswith("Nobody has seen an alias of it move.")
    given = parse(["models", "history", "m", "--at", "2020-01-01 00:00"])
    assert "2020-01-01" in nothing(given.verb, arguments_of(given.verb, given))


def test_a_preview_says_which_endpoints_stay():
    preview = AliasPreview("m", "champion", "1", "2", "1", tuple(ROWS), (Follower("prod", "1", follows=False),))
    told = output.text(preview)
    assert "prod serves version 1 and stays until it is deployed" in told
    assert "metrics auc" in told
    assert "lr" not in told


def test_runs_that_were_deleted_say_how_they_come_back():
    stages = [RunStage("a", "one", True, True, undo=Undo("runs.restore", {}, "mlops-desk runs restore a")),
              RunStage("b", None, None, problem="It is running.")]  # fmt: skip
    told = output.text(stages)
    assert "mlops-desk runs restore a" in told
    assert "not known" in told
    assert "It is running." in told


def test_code_a_curve_and_importance():
    assert output.text(CodeDifference("a", "b")) == "Their code is the same."
    assert output.text(CodeDifference("a", "b", problem="Nobody knows.")) == "Nobody knows."
    assert "\x1b" not in output.text(CodeDifference("a", "b", "+\x1b[31mred\n+b", is_cut=True))
    assert "2 of 9 points" in output.text(RunCurve("a", "auc", 9, (0, 5), (0, 1), (0.5, math.nan)))
    assert output.text(RunCurve("a", "auc", 0)) == "No value was logged."
    told = output.text([Importance("lr", 0.75, -0.5, 20), Importance("seed", None, None, 20)])
    assert "75%" in told
    assert "not known" in told
