"""The host, as the frame sees it."""

from mlops_desk.ui.feature import Feature, later

FEATURE = Feature(later("mlops_desk.ui.host.page", "HostPage"))
