"""Governance, as the frame sees it."""

from mlops_desk.ui.feature import Feature, later

FEATURE = Feature(
    later("mlops_desk.ui.governance.page", "GovernancePage"),
    shows={"card": lambda _store, key: f"card:{key}", "data set": lambda _store, key: f"data:{key}"},
)
