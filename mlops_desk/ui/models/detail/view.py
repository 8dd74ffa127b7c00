"""A tab of the chosen version: it is told which one, and asks only while it is seen."""

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout

from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.parts.tab_views import TabView

if TYPE_CHECKING:
    from mlops_desk.records.registry.version_hit import VersionHit
    from mlops_desk.ui.live.tasks import Task


class VersionView(TabView):
    """Subclasses show a version in ``show_version``; ``again``: it was shown already, and may have changed."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self.hit: VersionHit | None = None
        self._task: Task | None = None
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(theme.SPACE_8)

    @property
    def uri(self) -> str | None:
        """The registry that is looked at."""
        return self.context.store.models_uri

    def show_version(self, hit: "VersionHit | None") -> None:
        raise NotImplementedError

    def left(self) -> None:
        """Wait for nothing any more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
