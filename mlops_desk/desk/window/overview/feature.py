"""The overview, as the frame sees it: it sums up what the other features say, and has nothing of its own."""

from mlops_desk.kit.window.feature import Feature, later

FEATURE = Feature(later("mlops_desk.desk.window.overview.page", "OverviewPage"))
