"""Looks at the aliases of registries that somebody looks at or serves from, so that moves made elsewhere are seen.

MLflow announces nothing. What is looked at by people is looked at often; of what endpoints serve it is enough to know
within minutes, since every move that is missed costs a wider span in the journal and nothing else.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.failures import TroubleLog
from mlops_desk.registry.aliases.alias_operations import AskedAliases
from mlops_desk.registry.changes import shown_uri
from mlops_desk.registry.records.alias_move import AliasMove
from mlops_desk.registry.records.model import Model

_log = logging.getLogger(__name__)
INTEREST_SECONDS = 300.0  # chosen: as long as the desk's own registry is watched after somebody asked
_SHOWN_SECONDS = 30.0  # chosen: listing 500 models takes MLflow's client half a second
_SERVED_SECONDS = 600.0  # chosen: MLflow's client then sleeps half of the time
_OWN_SERVED_SECONDS = 60.0  # chosen: reading our own store costs a millisecond
_MOST_REGISTRIES = 20  # chosen: more a person does not look at within minutes

Registry = str | None
"""A registry's URI; None is the desk's own."""


class AliasWatch:
    """Decides which registry is to be looked at, and looks. ``served`` names those that endpoints serve from.

    ``own`` reads the desk's own store; it raises DeskErrors, and so does ``read``. ``changed`` is told of moves.
    """

    def __init__(
        self,
        aliases: AskedAliases,
        read: Callable[[Registry], Sequence[Model]],
        own: Callable[[], Mapping[str, Mapping[str, str]]],
        changed: Callable[[Registry], None],
    ) -> None:
        self._aliases = aliases
        self._read = read
        self._own = own
        self._changed = changed
        self.served: Callable[[], Collection[Registry]] = tuple
        self._asked: dict[Registry, float] = {}
        self._looked: dict[Registry, float] = {}
        self._lock = threading.Lock()
        self._trouble = TroubleLog(_log, "The aliases of %s could not be looked at")

    def asked(self, uri: Registry) -> None:
        """Note that somebody reads a registry."""
        with self._lock:
            self._asked.pop(uri, None)
            self._asked[uri] = time.monotonic()
            while len(self._asked) > _MOST_REGISTRIES:
                self._asked.pop(next(iter(self._asked)))

    def noticed(self, uri: Registry) -> None:
        """Note that something has changed in a registry that is looked at: the next look need not wait its time."""
        for one in [one for one in list(self._looked) if self._aliases.is_same(one, uri)]:
            self._looked.pop(one, None)

    def look(self) -> None:
        """Look at all registries whose turn it is."""
        now = time.monotonic()
        for uri in self._due(now):
            self._looked[uri] = now
            try:
                found = self._look_at(uri)
            except DeskError as error:
                self._trouble.failed(_named(uri), error.message)
                continue
            self._trouble.over(_named(uri))
            if found:
                self._changed(uri)

    def _due(self, now: float) -> list[Registry]:
        """Return the registries to look at: what is shown more often than what only serves."""
        served = dict.fromkeys(self.served())
        with self._lock:
            shown = {uri for uri, at in self._asked.items() if now - at <= INTEREST_SECONDS and uri is not None}
        pauses = {uri: _OWN_SERVED_SECONDS if uri is None else _SERVED_SECONDS for uri in served}
        pauses.update(dict.fromkeys(shown, _SHOWN_SECONDS))
        return [uri for uri, pause in pauses.items() if now - self._looked.get(uri, float("-inf")) >= pause]

    def _look_at(self, uri: Registry) -> list[AliasMove]:
        glance = self._aliases.glance(uri)
        if uri is None:
            models = [Model(name, None, dict(aliases)) for name, aliases in self._own().items()]
        else:
            models = list(self._read(uri))
        return self._aliases.seen(glance, models)


def _named(uri: Registry) -> str:
    return "the desk's own registry" if uri is None else shown_uri(uri)
