"""Which figures of answers there are, and what each can't go beyond."""

BOUNDS: dict[str, tuple[float | None, float | None]] = {
    "accuracy": (0.0, 1.0),
    "precision": (0.0, 1.0),
    "recall": (0.0, 1.0),
    "f1": (0.0, 1.0),
    "roc_auc": (0.0, 1.0),
    "log_loss": (0.0, None),
    "brier": (0.0, 2.0),
    "mae": (0.0, None),
    "rmse": (0.0, None),
    "r2": (None, 1.0),
    "bias": (None, None),
}
