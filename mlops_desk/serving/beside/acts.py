"""Trying, replaying, exporting, comparing and weighing: one object that holds them, and what each needs."""

from collections.abc import Callable

from mlops_desk.base.disk.paths import DataFolder
from mlops_desk.base.loop import Loop
from mlops_desk.base.settings import SettingsStore
from mlops_desk.engines.engine import Engine
from mlops_desk.records.serving.request import LoggedRequest
from mlops_desk.serving.asking.aside import AsideContainers
from mlops_desk.serving.asking.replay import Replays
from mlops_desk.serving.asking.trying import Tries
from mlops_desk.serving.beside.scoring import VersionScoring
from mlops_desk.serving.beside.weighing import VersionWeighing
from mlops_desk.serving.export.exporting import Exports
from mlops_desk.serving.image.maker import Maker
from mlops_desk.serving.images import EndpointImages
from mlops_desk.serving.launch import Trial
from mlops_desk.serving.revision import Shelf
from mlops_desk.serving.variants.comparing import VariantComparisons
from mlops_desk.serving.work import WorkBook
from mlops_desk.storage.request_log.query import RequestQuery

SWEEP_SECONDS = (
    60.0  # chosen: a container that nobody asks any more holds a GPU for no longer, and to look costs little
)


class BesideTraffic:
    """``find`` returns logged rows of an endpoint."""

    def __init__(
        self,
        folder: DataFolder,
        shelf: Shelf,
        trial: Trial,
        maker: Maker,
        images: EndpointImages,
        engine: Engine,
        settings: SettingsStore,
        find: Callable[[str, RequestQuery], list[LoggedRequest]],
        loop: Loop,
    ) -> None:
        self._loop = loop
        self.works = WorkBook(loop)
        self._asides = AsideContainers(folder.instance, folder.endpoints / "_asides", trial, engine, loop.ending)
        self.tries = Tries(shelf)
        self.replays = Replays(shelf, settings, self._asides, find)
        self.exports = Exports(folder.endpoints / "_exports", shelf, engine)
        self.variants = VariantComparisons(shelf, maker, self._asides, images)
        self.scoring = VersionScoring(shelf, maker, self._asides, images, settings)
        self.weighing = VersionWeighing(self.scoring, self._asides)

    def sweep(self) -> None:
        """Take away what an earlier agent has left half done, and what an engine kept while it was away."""
        self._loop.start("sweep-exports", self.exports.sweep)
        self._loop.repeat("sweep-asides", SWEEP_SECONDS, self._asides.sweep)
        self.variants.sweep()
        self.scoring.sweep()
