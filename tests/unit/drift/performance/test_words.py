"""Classes that people write as words, in files: label and answer mean the same by the same word."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.drift.performance.worker import performance_of_files
from mlops_desk.drift.records.answers import AnswerColumns

WORDS = st.sampled_from(["yes", "no", "fraud", "Y", "n", "f", "m", "0", "1", "True", "false", "unknown"])


def figures(folder, rows, header="label,said", **more):
    """Return the figures of a file of rows, by name."""
    path = folder / "answers.csv"
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    columns = {"label": "label", "prediction": "said", **more}
    report = performance_of_files(path, AnswerColumns(**columns))
    return report.windows[0].figures


def accuracy(folder, rows):
    return figures(folder, rows)["accuracy"].value


@pytest.mark.parametrize(
    ("rows", "right"),
    [
        pytest.param([("no", "no")] * 99 + [("no", "yes")], 0.99, id="a rare class that no label of these rows has"),
        pytest.param([("no", "no")] * 99 + [("yes", "no")], 0.99, id="a rare class that was never answered"),
        pytest.param([("yes", "yes"), ("no", "no"), ("no", "yes")] * 33 + [("fraud", "no")], 0.66, id="a third label"),
        pytest.param([("yes", "yes"), ("no", "no")] * 49 + [("no", "maybe")] * 2, 0.98, id="a third answer"),
        pytest.param(
            [("no", "False")] * 60 + [("yes", "True")] * 39 + [("yes", "False")], 0.99, id="spelled otherwise"
        ),
        pytest.param([("no", "0")] * 99 + [("no", "1")], 0.99, id="words beside numbers"),
        pytest.param([("no", "false")] * 50, 1.0, id="one class alone, spelled otherwise"),
        pytest.param([("f", "f"), ("m", "m")] * 25, 1.0, id="letters that could be truths"),
    ],
)
def test_a_word_of_the_label_is_that_word_of_the_answer(tmp_path, rows, right):
    assert accuracy(tmp_path, rows) == pytest.approx(right)


@pytest.mark.slow
@given(rows=st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=40))
@example(rows=[("no", "no"), ("no", "yes")])
@example(rows=[("fraud", "yes"), ("no", "no"), ("yes", "yes")])
def test_what_is_written_alike_is_never_wrong(tmp_path_factory, rows):
    found = accuracy(tmp_path_factory.mktemp("rows"), rows)
    assert found is not None
    assert found * len(rows) >= sum(label == said for label, said in rows) - 1e-9  # rounding


ROWS = [("yes", "yes")] * 30 + [("yes", "no")] * 10 + [("no", "no")] * 50 + [("no", "yes")] * 5


@pytest.mark.parametrize(("positive", "recall"), [("yes", 30 / 40), ("NO", 50 / 55), (None, 30 / 40), ("0", 50 / 55)])
def test_the_positive_class_is_named_as_it_is_written(tmp_path, positive, recall):
    assert figures(tmp_path, ROWS, positive=positive)["recall"].value == pytest.approx(recall)


@pytest.mark.parametrize("labels", [("yes", "no"), (1, 0), ("true", "false")])
def test_scores_are_of_the_classes_that_their_columns_name_whatever_their_order(tmp_path, labels):
    yes, no = labels
    rows = [(yes, yes, 0.9, 0.1)] * 30 + [(no, no, 0.2, 0.8)] * 30
    header = "label,said,prob_yes,prob_no"
    for order in (("prob_yes", "prob_no"), ("prob_no", "prob_yes")):
        assert figures(tmp_path, rows, header, scores=order)["roc_auc"].value == 1.0
