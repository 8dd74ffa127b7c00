"""What each tab of the chosen endpoint is: shown one while it is seen, and costs nothing while it is not."""

from PySide6.QtWidgets import QVBoxLayout

from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.parts.tab_views import TabView
from mlops_desk.serving.records.endpoint import Endpoint


class EndpointView(TabView):
    """One tab. Made when it is first chosen; subclasses fill ``column``."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(theme.SPACE_8)

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        """Show an endpoint; None: there is none to show."""
        raise NotImplementedError

    def look(self) -> None:
        """Ask anew for what nothing announces."""
