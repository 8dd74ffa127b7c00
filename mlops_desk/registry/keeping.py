"""The verbs about registries as such: the list of them, and what can be done with one as a whole."""

from builtins import list as list_of

from mlops_desk.records.registry.tracker import Tracker
from mlops_desk.registry.trackers.trackers import Trackers


class RegistryService:
    """The verbs of verbs.RegistryKeeping."""

    def __init__(self, trackers: Trackers) -> None:
        self._trackers = trackers

    def list(self) -> list_of[Tracker]:
        return self._trackers.list()

    def show(self, name: str) -> Tracker:
        return self._trackers.show(name)

    def add(self, name: str, uri: str, login: str | None = None, kind: str | None = None) -> Tracker:
        return self._trackers.add(name, uri, login, kind)

    def remove(self, name: str) -> Tracker:
        return self._trackers.remove(name)
