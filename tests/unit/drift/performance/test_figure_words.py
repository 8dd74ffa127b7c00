"""What figures are called: as people write them, within a sentence and before one."""

import pytest

from mlops_desk.drift.records.figure_words import figure_title, figure_words


@pytest.mark.parametrize(
    ("name", "words", "title"),
    [
        ("roc_auc", "ROC AUC", "ROC AUC"),
        ("f1", "F1", "F1"),
        ("log_loss", "log loss", "Log loss"),
        ("brier", "Brier score", "Brier score"),
        ("rmse", "root mean squared error", "Root mean squared error"),
        ("top_5\nof <b>", "top 5\\nof <b>", "Top 5\\nof <b>"),
    ],
)
def test_a_figure_has_the_name_that_people_write(name, words, title):
    assert (figure_words(name), figure_title(name)) == (words, title)
