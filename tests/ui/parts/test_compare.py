"""The pane of a comparison: what is seen of it, how it is worded, and that nothing hostile holds it up."""

import math
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PySide6.QtWidgets import QApplication

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.window.parts.compare import comparison
from mlops_desk.kit.window.parts.compare.code import CodeView
from mlops_desk.kit.window.parts.compare.comparison import Compared
from mlops_desk.kit.window.parts.compare.pane import ComparePane
from mlops_desk.registry.records.comparison import CodeDifference, ComparedGroup, ComparedValue

METRICS, PARAMS, TAGS = ComparedGroup.METRICS, ComparedGroup.PARAMS, ComparedGroup.TAGS
AUC = ComparedValue(METRICS, "auc", (0.91, 0.94, None), differs=True, best=1)
LOSS = ComparedValue(METRICS, "loss", (0.3, 0.2, math.nan), differs=True, best=1)
SEED = ComparedValue(PARAMS, "seed", (1.0, 1.0, 1.0), differs=False)
LR = ComparedValue(PARAMS, "lr", ("0.1", "", None), differs=True)
SIZE = ComparedValue(METRICS, "size", (10.0, 30.0, 30.0), differs=True)
THINGS = (Compared("r1", "calm-owl", 0), Compared("r2", "wise-fox", 1), Compared("r3", "odd-elk", 2))


@pytest.fixture
def pane(qtbot):
    made = ComparePane()
    qtbot.addWidget(made)
    made.resize(900, 500)
    made.show_values(THINGS, [SEED, LR, AUC, LOSS])
    made.show()
    return made


def column(pane, number):
    model = pane.table.values
    return [model.index(row, number).data() for row in range(model.rowCount())]


def test_only_what_differs_is_seen_at_first_group_by_group(pane):
    assert column(pane, 0) == ["Metrics", "auc", "loss", "Parameters", "lr"]
    assert pane.says.whole == "3 of 4 values differ"
    pane.differing.click()
    assert column(pane, 0) == ["Metrics", "auc", "loss", "Parameters", "seed", "lr"]


def test_the_best_is_marked_and_what_is_missing_empty_or_no_number_is_told_apart(pane):
    assert column(pane, 1) == ["", "0.91", "0.3", "", "0.1"]
    assert column(pane, 2) == ["", "● 0.94", "● 0.2", "", "(empty)"]
    assert column(pane, 3) == ["", "–", "NaN", "", "–"]


def test_a_search_finds_keys_and_values_and_says_when_there_is_none(pane):
    pane.search.setText("0.94")
    assert column(pane, 0) == ["Metrics", "auc"]
    pane.search.setText("LR 0.1")
    assert column(pane, 0) == ["Parameters", "lr"]
    pane.search.setText("nowhere")
    assert (column(pane, 0), pane.says.whole) == ([], "Nothing matches the search.")


def test_equal_runs_say_that_nothing_differs(pane):
    pane.show_values(THINGS, [SEED])
    assert pane.says.whole == "● Nothing differs: 1 value is the same everywhere."
    pane.show_values(THINGS, [SEED, SEED])
    assert pane.says.whole == "● Nothing differs: 2 values are the same everywhere."


def test_transposed_the_things_are_rows(pane):
    pane.transposed.click()
    assert column(pane, 0) == ["calm-owl", "wise-fox", "odd-elk"]
    assert column(pane, 1) == ["0.91", "● 0.94", "–"]
    heads = [pane.table.values.headerData(n, pane.table.horizontalHeader().orientation()) for n in range(4)]
    assert heads == ["", "auc", "loss", "lr"]


def test_beside_the_champion_each_change_is_told_with_its_direction(pane):
    pane.show_values(THINGS, [AUC, LOSS, SIZE], baseline="r1")
    assert column(pane, 2) == ["", "● 0.94  ▲ 0.03", "● 0.2  ▼ 0.1", "30  ▲ 20"]
    worse = ComparedValue(METRICS, "auc", (0.91, 0.94, 0.9), differs=True, best=1)
    assert comparison.change(worse, 2, 0) == ("▼ 0.01", False)
    lower = ComparedValue(METRICS, "loss", (0.3, 0.2, 0.25), differs=True, best=1)
    assert comparison.change(lower, 2, 0) == ("▼ 0.05", True)
    assert comparison.change(SIZE, 1, 0) == ("▲ 20", None)
    assert comparison.change(LOSS, 2, 0) is None, "no number is no change"
    assert comparison.change(AUC, 0, 0) is None


def test_what_is_copied_has_all_digits_and_runs_in_no_spreadsheet(pane):
    odd = ComparedValue(PARAMS, "=cmd()", (0.1 + 0.2, "@x", None), differs=True)
    pane.show_values(THINGS, [odd, LOSS])
    assert pane.as_csv().splitlines() == [
        "group,key,calm-owl,wise-fox,odd-elk",
        "metrics,loss,0.3,0.2,NaN",
        "params,'=cmd(),0.30000000000000004,'@x,",
    ]
    pane.copy_text()
    assert QApplication.clipboard().text().splitlines()[1] == "metrics\tloss\t0.3\t0.2\tNaN"
    pane.transposed.click()
    assert pane.as_csv().splitlines()[1] == "calm-owl,0.3,0.30000000000000004"


def test_what_is_pointed_at_is_told_and_can_be_opened(pane, qtbot):
    told, opened = [], []
    pane.pointed.connect(told.append)
    pane.opened.connect(opened.append)
    pane.table.setCurrentIndex(pane.table.values.index(1, 2))
    assert told[-1] == "r2"
    pane.table.setCurrentIndex(pane.table.values.index(1, 0))
    assert told[-1] is None
    pane.table.doubleClicked.emit(pane.table.values.index(1, 3))
    assert opened == ["r3"]


def test_an_error_is_shown_in_place_and_asked_again(pane):
    again = []
    pane.show_error(Unavailable("The store is locked.", "Try again."), lambda: again.append(1))
    assert "The store is locked." in pane.state.details()
    pane.state._do()
    assert again == [1]


def test_ten_thousand_hostile_keys_hold_nothing_up(pane):
    odd = ["<b>x</b>" * 500, "\u202eevil", "a\x00b", "x" * 100_000]
    values = [
        ComparedValue(TAGS, f"{odd[n % 4]}{n}", (odd[(n + 1) % 4], odd[n % 4], None), differs=True)
        for n in range(10_000)
    ]
    began = time.monotonic()
    pane.show_values(THINGS, values)
    pane.grab()
    assert len(pane.shown()) == 10_000
    print(f"10,000 hostile rows: {(time.monotonic() - began) * 1000:.0f} ms")
    assert len(pane.table.values._cells) < 400, "only what is seen is prepared"
    assert all(len(text) < 500 and "\x00" not in text and "\u202e" not in text for text in column(pane, 0)[:50])


VALUES = st.one_of(st.none(), st.text(max_size=5), st.floats(allow_nan=True, allow_infinity=True))


@given(st.lists(st.tuples(st.sampled_from(ComparedGroup), st.text(max_size=4), st.lists(VALUES, min_size=2, max_size=2),
                          st.booleans(), st.none() | st.integers(0, 1)), max_size=8))  # fmt: skip
@example([(METRICS, "", [math.nan, math.inf], True, 0)])
@example([(METRICS, "m", [-math.inf, None], True, 1)])
def test_whatever_is_compared_can_be_shown(rows):
    values = [ComparedValue(group, key, tuple(two), differs, best) for group, key, two, differs, best in rows]
    shown = comparison.wanted(values, differing=True)
    assert sorted(map(id, shown)) == sorted(id(one) for one in values if one.differs)
    assert [one.group for one in shown] == sorted((one.group for one in shown), key=list(ComparedGroup).index)
    for one in values:
        for place in (0, 1):
            assert comparison.cell(one, place, baseline=1).text != ""
    assert len(comparison.with_headings(shown)) == len(shown) + len({one.group for one in shown})


def test_code_is_shown_as_text_and_says_when_it_is_the_same_or_unknown(qtbot):
    view = CodeView()
    qtbot.addWidget(view)
    view.show()
    view.show_difference(
        CodeDifference("a", "b", "@@ -1 +1 @@\n-lr = 0.1\n+lr = '<b>\x1b'\n", is_cut=True), "owl", "fox"
    )
    assert view.box.toPlainText() == "@@ -1 +1 @@\n-lr = 0.1\n+lr = '<b>\\x1b'"
    assert view.says.whole == "From owl to fox. It goes on; only its beginning is here."
    view.show_difference(CodeDifference("a", "b"), "owl", "fox")
    assert (view.says.whole, view.box.isVisible()) == ("● owl and fox ran the same code.", False)
    view.show_difference(CodeDifference("a", "b", problem="No commit is known."), "owl", "fox")
    assert view.says.whole == "? From owl to fox: No commit is known."
