"""Governance, as the frame sees it."""

from mlops_desk.kit.window.feature import Feature, OfferedAct, later

FEATURE = Feature(
    later("mlops_desk.governance.window.page", "GovernancePage"),
    shows={"card": lambda _store, key: f"card:{key}", "data set": lambda _store, key: f"data:{key}"},
    offers=(
        OfferedAct("governance.tab.lineage", "Show lineage of governance"),
        OfferedAct("governance.tab.card", "Show card of governance"),
        OfferedAct("governance.tab.policies", "Show policies of governance"),
        OfferedAct("governance.tab.data", "Show data of governance"),
        OfferedAct("governance.tab.audit", "Show audit of governance"),
        OfferedAct("governance.tab.evidence", "Show evidence of governance"),
    ),
)
