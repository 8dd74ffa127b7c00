"""The host, as the frame sees it."""

from mlops_desk.ui.feature import Feature
from mlops_desk.ui.host.page import HostPage

FEATURE = Feature(HostPage)
