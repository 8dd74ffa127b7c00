"""The endpoints as they stand: stored with what is told of their revisions, joined with their load, and announced."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.write_deadline import HungDisk, PatientWriter
from mlops_desk.kit.base.errors import Hint, NotFound
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.database import DiskFull
from mlops_desk.kit.storage.records import StoredRecords
from mlops_desk.machine.records.event import EndpointChanged, EndpointRemoved
from mlops_desk.serving.access import EndpointTokens
from mlops_desk.serving.gateway.traffic import Past
from mlops_desk.serving.meters import Recent
from mlops_desk.serving.processor import features
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, LatencyPercentiles, PastTraffic, Traffic
from mlops_desk.serving.records.rollout import SHADOW_PERCENT
from mlops_desk.serving.replicas import ready
from mlops_desk.serving.revision import Shelf
from mlops_desk.serving.rollout import revisions_of

if TYPE_CHECKING:
    from mlops_desk.serving.records.network import NetworkAddress

_log = logging.getLogger(__name__)
_MOMENTARY: Mapping[str, Any] = {
    "latency": LatencyPercentiles(), "errors": None, "shadow_load": None, "canary_answered": None, "network": None,
    "processor": (),
}  # fmt: skip
"""What is told of the last minute and day before anything was counted, and of this machine; it is never stored."""


class EndpointBoard:
    """Read and written by several threads. The load is in memory only: it is old news after a restart.

    ``network_address`` tells where other machines reach an endpoint.
    """

    def __init__(self, table: StoredRecords[Endpoint], shelf: Shelf, tokens: EndpointTokens, bus: Bus) -> None:
        self._table = table
        self._shelf = shelf
        self._tokens = tokens
        self._bus = bus
        self._lock = threading.RLock()
        self._endpoints = {endpoint.name: endpoint for endpoint in table.list()}
        self._loads: dict[str, Traffic] = {}
        self._queued: dict[str, int] = {}
        self._recent: dict[str, Recent] = {}
        self._shadows: dict[str, Traffic] = {}
        self._answered: dict[str, int] = {}
        self._past = Past()
        self._owed: set[str] = set()
        self._writer = PatientWriter("endpoints")
        self._processor = features()
        self.network_address: Callable[[Endpoint], NetworkAddress | None] = lambda _endpoint: None

    def all(self) -> list[Endpoint]:
        """Return all endpoints by name."""
        with self._lock:
            return [self._with_load(self._endpoints[name]) for name in sorted(self._endpoints)]

    def find(self, name: str) -> Endpoint | None:
        with self._lock:
            endpoint = self._endpoints.get(name)
            return None if endpoint is None else self._with_load(endpoint)

    def get(self, name: str) -> Endpoint:
        """Return the endpoint of that name. Raises NotFound."""
        endpoint = self.find(name)
        if endpoint is None:
            raise NotFound(
                f"There is no endpoint {plain(name)}.", Hint("mlops-desk endpoints list", after=" shows them all.")
            )
        return endpoint

    def put(self, endpoint: Endpoint) -> Endpoint:
        """Store and announce a new endpoint. Raises DiskFull, and HungDisk where the disk does not answer."""
        with self._lock:
            stored = self._to_store(endpoint)
            self._writer.do(lambda: self._table.put(stored))
            return self._shown(stored)

    def change(self, name: str, change: Callable[[Endpoint], Endpoint]) -> Endpoint:
        """Store and announce what ``change`` makes of the endpoint, if that is anything new. Raises NotFound.

        It is so on a disk that is full or hangs too, and stored later: how an endpoint stands does not wait for a disk.
        """
        with self._lock:
            known = self.get(name)
            changed = self._told(change(known))
            if changed == known:
                return known
            stored = self._to_store(changed)
            try:
                self._writer.do(lambda: self._table.put(stored))
                self._owed.discard(name)
            except (DiskFull, HungDisk) as error:
                _log.warning("How endpoint %s stands can't be stored: %s", name, error)
                self._owed.add(name)
            return self._shown(stored)

    def settle(self) -> set[str]:
        """Store what the disk has not taken; return the names of which something is still not stored."""
        with self._lock:
            for name in sorted(self._owed):
                known = self._endpoints[name]
                try:
                    self._writer.do(partial(self._table.put, known))
                except (DiskFull, HungDisk):
                    break  # it is asked again soon
                self._owed.discard(name)
            return set(self._owed)

    @property
    def is_hung(self) -> bool:
        """Whether the disk does not answer."""
        return self._writer.is_hung

    def _to_store(self, endpoint: Endpoint) -> Endpoint:
        return self._told(replace(endpoint, updated_at=time.time(), load=None, queued=None, **_MOMENTARY))

    def _shown(self, stored: Endpoint) -> Endpoint:
        self._endpoints[stored.name] = stored
        shown = self._with_load(stored)
        self._bus.publish(EndpointChanged(shown))
        return shown

    def tell_again(self, name: str) -> None:
        """Announce an endpoint anew if something was written down of its revisions. No error for one that is gone."""
        with self._lock:
            if name in self._endpoints:
                self.change(name, lambda known: known)

    def announce_all(self) -> None:
        """Announce every endpoint anew: something was said that is about all of them."""
        with self._lock:
            for endpoint in self._endpoints.values():
                self._bus.publish(EndpointChanged(self._with_load(endpoint)))

    def remove(self, name: str) -> None:
        """Forget an endpoint and announce it. Raises HungDisk where the disk does not answer: it is there still."""
        with self._lock:
            self._writer.do(lambda: self._table.remove(name))
            self._endpoints.pop(name, None)
            self._owed.discard(name)
            self._loads.pop(name, None)
            self._queued.pop(name, None)
            self._recent.pop(name, None)
            self._shadows.pop(name, None)
            self._answered.pop(name, None)
            self._past.forget(name)
            self._bus.publish(EndpointRemoved(name))

    def load(self, loads: Mapping[str, Traffic], queued: Mapping[str, int], recent: Mapping[str, Recent]) -> None:
        """Take in new loads, how many requests wait, and what was ``recent``; announce endpoints where any changed."""
        with self._lock:
            for name, endpoint in self._endpoints.items():
                load = loads.get(name)
                if load is not None and endpoint.state is not EndpointState.STOPPED:
                    self._past.note(name, load)
                waits, figures = queued.get(name, 0), recent.get(name)
                known = self._loads.get(name), self._queued.get(name), self._recent.get(name)
                if load is not None and (load, waits, figures) != known:
                    self._loads[name], self._queued[name] = load, waits
                    if figures is not None:
                        self._recent[name] = figures
                    self._bus.publish(EndpointChanged(self._with_load(endpoint)))

    def count_canaries(self, answered: Mapping[str, int]) -> None:
        """Take in how many requests canaries have answered at their step; announce one of which it was not known.

        What it has answered since is announced with the load: both change by the same requests.
        """
        with self._lock:
            first = [name for name in answered if name in self._endpoints and name not in self._answered]
            self._answered = dict(answered)
            for name in first:
                self._bus.publish(EndpointChanged(self._with_load(self._endpoints[name])))

    def load_shadows(self, loads: Mapping[str, Traffic]) -> None:
        """Take in what the shadows of endpoints got of copies; it is announced with the next load."""
        with self._lock:
            self._shadows = dict(loads)

    def past(self, name: str, seconds: float) -> list[PastTraffic]:
        """Return the load of an endpoint's last ``seconds``. Raises NotFound and Invalid."""
        with self._lock:
            self.get(name)
            return self._past.since(name, seconds)

    def _told(self, endpoint: Endpoint) -> Endpoint:
        known = self._shelf.all(endpoint.name)
        kept = {one.number for one in known if self._shelf.has_files(endpoint.name, one.number)}
        required = not self._tokens.rules(endpoint).is_open
        return replace(endpoint, revisions=revisions_of(endpoint, known, kept), token_required=required)

    def _with_load(self, endpoint: Endpoint) -> Endpoint:
        counted = replace(endpoint, ready=ready(endpoint), network=self.network_address(endpoint))
        counted = replace(counted, processor=self._processor)
        if endpoint.state is EndpointState.STOPPED:
            return counted
        recent = self._recent.get(endpoint.name)
        figures: Mapping[str, Any] = {} if recent is None else {"latency": recent.latency, "errors": recent.errors}
        load, queued = self._loads.get(endpoint.name), self._queued.get(endpoint.name)
        answered = None if endpoint.rollout is None else self._answered.get(endpoint.name)
        return replace(
            counted, load=load, queued=queued, **figures, shadow_load=self._shadow_of(endpoint),
            canary_answered=answered,
        )  # fmt: skip

    def _shadow_of(self, endpoint: Endpoint) -> Traffic | None:
        rollout = endpoint.rollout
        is_shadowed = rollout is not None and rollout.percent == SHADOW_PERCENT
        return self._shadows.get(endpoint.name) if is_shadowed else None
