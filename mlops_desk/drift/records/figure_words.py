"""What figures of answers are called: within a sentence, and as a title."""

from mlops_desk.kit.base.text import plain

_NAMES = {
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "log_loss": "log loss",
    "brier": "Brier score",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r2": "R²",
    "bias": "bias",
}
FIGURES = tuple(_NAMES)
"""All that there are, in the order in which people look at them."""


def figure_words(name: str) -> str:
    """Return what a figure is called within a sentence; one that is not known is told by its name."""
    return _NAMES.get(name) or plain(name).replace("_", " ")


def figure_title(name: str) -> str:
    """Return what a figure is called where nothing stands before it."""
    words = figure_words(name)
    return words[:1].upper() + words[1:]
