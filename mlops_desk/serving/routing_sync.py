"""Between the endpoints as they stand and the gateway: the routing table goes out, the load comes back.

Where the requests of an endpoint are logged: in a folder that no other endpoint has had, whatever its name is.

``endpoints/NAME/requests`` is the first one's, as it has always been; an endpoint that is deployed when one of its name
was removed gets ``requests-2``, and so on. What a removed one has left is kept as long as its requests would have been.
"""

import logging
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_desk.governance.records.data.retention import LogKeep, RowsKeep
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import DeskError, Hint, TimedOut
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.serving.access import EndpointTokens
from mlops_desk.serving.endpoint_store import EndpointBoard
from mlops_desk.serving.gateway.process_control import Gatekeeper, Stats
from mlops_desk.serving.gateway.routes import EVERYTHING, EndpointRoutes, GatewayLimits, Route, RoutingTable
from mlops_desk.serving.gateway.traffic import LoadWindow, TrafficCounters, snapshot_of
from mlops_desk.serving.meters import EndpointMeters
from mlops_desk.serving.network.network_listener import GatewayEntrance
from mlops_desk.serving.records.endpoint import Endpoint, EndpointPause, EndpointState, Replica, Traffic
from mlops_desk.serving.records.rollout import SHADOW_PERCENT
from mlops_desk.serving.replicas import answering
from mlops_desk.serving.request_log.redaction import LogRedaction
from mlops_desk.serving.revision import Shelf
from mlops_desk.serving.rollout import DRAINING

if TYPE_CHECKING:
    from mlops_desk.serving.rollout import Pilot

_log = logging.getLogger(__name__)

_NAME = re.compile(r"requests(?:-([1-9]\d{0,8}))?")
_FIRST = "requests"


class LogFolders:
    """The folders below ``endpoints``."""

    def __init__(self, endpoints: Path) -> None:
        self._endpoints = endpoints

    def of(self, endpoint: Endpoint) -> Path:
        """Return an endpoint's folder. Only its name is taken from the record: a data folder may have been moved."""
        name = Path(endpoint.request_log or "").name
        return self._endpoints / endpoint.name / (name if _NAME.fullmatch(name) else _FIRST)

    def begin(self, name: str) -> Path:
        """Make the folder of an endpoint that is new. Raises OSError."""
        known = self._numbers(name)
        folder = self._folder(name, max(known, default=0) + 1)
        folder.mkdir(mode=0o700, parents=True)
        return folder

    def newest(self, name: str) -> Path:
        """Return the folder of an endpoint whose record was lost: nothing is newer than what it has logged."""
        return self._folder(name, max(self._numbers(name), default=1))

    def retire(self, kept: Collection[Path], keep: Callable[[str], LogKeep]) -> None:
        """Delete the folders that belong to no endpoint any more, once nothing in them is to be kept.

        ``keep`` tells that by an endpoint's name. Their rows are as old as the newest of them, and may be of any time.
        """
        now = time.time()
        for place in self._endpoints.iterdir() if self._endpoints.is_dir() else ():
            for number in self._numbers(place.name):
                folder = self._folder(place.name, number)
                if folder not in kept and not _is_wanted(keep(place.name), _newest_at(folder), now):
                    _log.info("The request log %s of an endpoint that was removed is deleted", folder)
                    shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, name: str, number: int) -> Path:
        return self._endpoints / name / (_FIRST if number == 1 else f"{_FIRST}-{number}")

    def _numbers(self, name: str) -> list[int]:
        place = self._endpoints / name
        found = (_NAME.fullmatch(path.name) for path in place.iterdir()) if place.is_dir() else ()
        return sorted(int(match[1] or 1) for match in found if match is not None)


def _is_wanted(keep: LogKeep, newest: float, now: float) -> bool:
    return keep.requests.keeps(0.0, newest, now) or keep.labels.keeps(0.0, newest, now)


def _newest_at(folder: Path) -> float:
    """Return when something in a folder was last written (Unix seconds); what vanishes meanwhile is not counted."""
    newest = 0.0
    for path in (folder, *folder.rglob("*")):
        try:
            newest = max(newest, path.lstat().st_mtime)
        except OSError:
            continue  # the log is tidied by the gateway at the same time
    return newest


_NEXT_TRY_SECONDS = 2.0  # chosen: one that can't be started now takes a core while it tries
BEHIND = "gateway_behind"
"""Why an endpoint that is up is not live: the gateway has not said yet that it goes by that."""
_HUNG_SECONDS = 10.0  # chosen: five looks; a machine that is only busy answers in one
_STICKY_HEADER = "x-mlops-desk-key"
_AT_REST = frozenset({EndpointState.STOPPED, EndpointState.FAILED})
_WAITS = "The gateway does not answer, so requests do not reach what is up. It goes on as soon as the gateway does."

GATEWAY = "_gateway"
"""The folder of the gateway, among those of endpoints, none of which can be called so."""
_UNTIL_TOLD = LogKeep(RowsKeep(None), RowsKeep(None))
"""Nobody has said yet how long logs are kept: none of them goes by its age."""

Change = Callable[[Endpoint], Endpoint]


class Switchboard:
    """Owns the gateway on behalf of the service."""

    def __init__(
        self,
        endpoints: Path,
        board: EndpointBoard,
        shelf: Shelf,
        tokens: EndpointTokens,
        settings: SettingsStore,
        meters: EndpointMeters,
    ) -> None:
        """Tell ``pilot`` of what was counted, once there is one."""
        self.logs = LogFolders(endpoints)
        self._board = board
        self._shelf = shelf
        self._tokens = tokens
        self._settings = settings
        self.gatekeeper = Gatekeeper(endpoints / GATEWAY)
        self.entrance = GatewayEntrance(endpoints / GATEWAY / "tls", settings, lambda: self.gatekeeper.state)
        board.network_address = self.entrance.of
        self.pilot: Pilot | None = None
        self.hearers: list[Callable[[Stats], None]] = []
        self.redaction = LogRedaction(endpoints)
        self.keep_of: Callable[[str], LogKeep] = lambda _name: _UNTIL_TOLD
        self.tell_moved: Callable[[Sequence[str]], None] = lambda _names: None
        self._revive_at = 0.0
        self._heard_at: float | None = None
        self._windows: dict[str, LoadWindow] = {}
        self._shadow_windows: dict[str, tuple[int, LoadWindow]] = {}
        self._meters = meters
        self._ahead: dict[str, list[Change]] = {}

    def log_folder(self, name: str) -> Path:
        """Return where an endpoint's requests are logged; it stays when the endpoint goes. Raises NotFound."""
        return self.logs.of(self._board.get(name))

    def url(self, name: str) -> str | None:
        """Return an endpoint's address; None before the gateway has ever run."""
        port = self.gatekeeper.port
        return None if port is None else f"http://127.0.0.1:{port}/{name}"

    def route(self) -> int:
        """Hand the gateway the table of how things stand now; return its serial."""
        return self.gatekeeper.publish(self._table)

    def bring_in(self) -> bool:
        """Have a gateway that runs go by how things stand now; False when it does not within some seconds."""
        serial = self.route()
        return self.gatekeeper.state is None or self.gatekeeper.wait_for(serial)

    def move(self, name: str, change: Change, store: Callable[[Change], object]) -> bool:
        """Have the gateway go by what ``change`` makes of an endpoint, and only then ``store`` it.

        What is live by then is reached. Where the gateway does not follow within some seconds, what is stored says so,
        and False is returned. Several may be under way for one endpoint at once. Raises what ``store``
        raises.
        """
        ahead = self._ahead.setdefault(name, [])
        ahead.append(change)
        try:
            is_followed = self.bring_in()
            store(change if is_followed else lambda known: _waiting(change(known)))
        finally:
            ahead.remove(change)
        if (known := self._board.find(name)) is None or known.state in _AT_REST:
            self.route()  # a stop has overtaken it
        return is_followed

    def check_followed(self, text: str) -> None:
        """See that the gateway goes by how things stand; ``text`` says what was done. Raises TimedOut."""
        if not self.gatekeeper.is_in_force:
            why = "but the gateway does not answer, so requests do not follow yet. They will as soon as it does."
            raise TimedOut(f"{text}, {why}", Hint("mlops-desk endpoints list", after=" tells when."))

    def poll(self) -> None:
        """Read the gateway's counters; start it again when it is gone, or of another version, and somebody needs it."""
        if self._is_idle():
            return
        stats = None if self.gatekeeper.is_outdated else self.gatekeeper.stats()
        if stats is None:
            self._end_hung()
            if time.monotonic() >= self._revive_at:
                self._revive()
            return
        self._heard_at = time.monotonic()
        silence = snapshot_of(TrafficCounters(), stats.at)  # the gateway counts an endpoint from its first request on
        snapshots = {endpoint.name: stats.endpoints.get(endpoint.name, silence) for endpoint in self._board.all()}
        recent = self._meters.take(stats, [one for one in self._board.all() if one.state not in _AT_REST])
        self._board.load_shadows(self._shadow_loads(stats))
        if self.pilot is not None:
            self._board.count_canaries(self.pilot.answered(stats.revisions, stats.gateway))
        self._board.load(
            {name: self._windows.setdefault(name, LoadWindow()).add(snapshot) for name, snapshot in snapshots.items()},
            stats.queued,
            recent,
        )
        if self.pilot is not None:
            self.pilot.look(stats.revisions, stats.gateway)
        for hear in self.hearers:
            hear(stats)

    def _shadow_loads(self, stats: Stats) -> dict[str, Traffic]:
        """Return the load of each endpoint's shadow: of copies, apart from its requests."""
        found = {}
        for endpoint in self._board.all():
            shadowed = endpoint.rollout
            if shadowed is None or shadowed.percent != SHADOW_PERCENT:
                self._shadow_windows.pop(endpoint.name, None)
                continue
            number, window = self._shadow_windows.get(endpoint.name, (0, LoadWindow()))
            if number != shadowed.revision:
                window = LoadWindow()
            silence = snapshot_of(TrafficCounters(), stats.at)
            counted = stats.shadows.get(endpoint.name, {}).get(shadowed.revision, silence)
            self._shadow_windows[endpoint.name] = shadowed.revision, window
            found[endpoint.name] = window.add(counted)
        return found

    def _end_hung(self) -> None:
        """End a gateway that runs and has said nothing for long: its callers wait for the next one."""
        now = time.monotonic()
        if self._heard_at is None or self.gatekeeper.state is None:
            self._heard_at = now
        elif now - self._heard_at >= _HUNG_SECONDS:
            _log.warning("The gateway runs, and has not answered for %g s: it is replaced", now - self._heard_at)
            self.gatekeeper.end_hung()
            self._heard_at = None

    def watch(self) -> None:
        """Start the gateway again as soon as it is gone, where somebody needs it: its callers wait meanwhile.

        One that runs gets what it has not taken yet.
        """
        self.gatekeeper.settle()
        if not self.gatekeeper.is_gone():
            return
        if self._is_idle():
            self.gatekeeper.refuse()
        elif time.monotonic() >= self._revive_at:
            self._revive()

    @property
    def is_at_rest(self) -> bool:
        """Whether nobody needs the gateway, and it has taken all that it was told."""
        return self._is_idle() and not self.gatekeeper.is_owed

    def retire_logs(self) -> None:
        """Delete what endpoints that were removed have logged once it is not to be kept any more."""
        kept = {self.logs.of(endpoint) for endpoint in self._board.all()}
        self.logs.retire(kept, self.keep_of)

    def forget(self, name: str) -> None:
        """Forget what was counted of an endpoint that is gone: the next one of its name begins anew."""
        self._windows.pop(name, None)
        self._shadow_windows.pop(name, None)
        self._meters.forget(name)

    def look_at_network(self) -> None:
        """Have the gateway listen beyond loopback as the settings say now, and tell what became of it."""
        self.entrance.look(self.route, self._board.announce_all)

    def is_answering(self, replicas: Iterable[Replica]) -> bool:
        """Tell whether the gateway waits for answers of any of ``replicas``."""
        stats = self.gatekeeper.stats()
        return stats is not None and any(one.address and stats.under_way.get(one.address, 0) for one in replicas)

    def _is_idle(self) -> bool:
        return all(endpoint.state in _AT_REST for endpoint in self._board.all())

    def _revive(self) -> None:
        try:
            self.gatekeeper.ensure()
        except DeskError as error:
            self._revive_at = time.monotonic() + _NEXT_TRY_SECONDS
            _log.warning("The gateway can't be started now: %s", error)
            return
        self.route()
        had = {endpoint.name: endpoint.url for endpoint in self._board.all()}
        for name in had:
            self._board.change(name, lambda known: replace(known, url=self.url(known.name)))
        if moved := [name for name, url in had.items() if url not in {None, self.url(name)}]:
            self.tell_moved(moved)

    def _table(self) -> RoutingTable:
        limits = GatewayLimits(
            log_bytes=int(self._settings.number("serving.request_log_mebibytes")) << 20,
        )
        endpoints = (self._as_it_is_to_be(one) for one in self._board.all())
        routes = {endpoint.name: self._routes(endpoint) for endpoint in endpoints}
        return RoutingTable(0, routes, limits, self.entrance.listening())

    def _as_it_is_to_be(self, endpoint: Endpoint) -> Endpoint:
        for change in tuple(self._ahead.get(endpoint.name, ())):
            endpoint = change(endpoint)
        return endpoint

    def _routes(self, endpoint: Endpoint) -> EndpointRoutes:
        rollout = endpoint.rollout
        shadowed = rollout.revision if rollout is not None and rollout.percent == SHADOW_PERCENT else None
        numbers = sorted({replica.revision for replica in endpoint.replicas})
        routes = tuple(self._route_to(endpoint, number) for number in numbers if number != shadowed)
        shadow = None if shadowed is None else self._route_to(endpoint, shadowed)
        log = str(self.logs.of(endpoint))
        let_in = self._tokens.rules(endpoint)
        live = self._shelf.read(endpoint.name, endpoint.revision)
        hidden = self.redaction.of(endpoint.name)
        wakes = endpoint.asleep_since is not None and endpoint.lent is None
        return EndpointRoutes(
            routes,
            log,
            sticky_header=_STICKY_HEADER,
            note=_note(endpoint),
            tokens=let_in.tokens,
            is_open=let_in.is_open,
            passes=(EVERYTHING,) if live is not None and live.served else (),
            shadow=shadow,
            queue=int(self._settings.number("serving.queue")),
            redacted=hidden.dropped,
            masked=hidden.masked,
            hashed=hidden.hashed,
            redaction_key=hidden.key,
            paused=None if endpoint.paused is None else _paused(endpoint.name, endpoint.paused),
            hold_seconds=self._settings.number("serving.wake_seconds") if wakes else 0.0,
            keep=self.keep_of(endpoint.name),
        )

    def _route_to(self, endpoint: Endpoint, number: int) -> Route:
        revision = self._shelf.read(endpoint.name, number)
        asked = (one for one in endpoint.replicas if one.revision == number and one.state != DRAINING)
        addresses = tuple(one.address for one in asked if one.address)
        weight = endpoint.traffic.get(str(number), 0.0)
        return Route(number, weight, addresses, revision.features if revision else ())


def _waiting(endpoint: Endpoint) -> Endpoint:
    """Say that requests do not reach an endpoint that is up."""
    if endpoint.state is not EndpointState.LIVE:
        return endpoint
    return replace(endpoint, state=EndpointState.UNHEALTHY, reason=Reason(BEHIND, _WAITS))


def _paused(name: str, pause: EndpointPause) -> str:
    """Say to callers why they are turned away."""
    return f"Endpoint {name} is paused{'.' if pause.text is None else f': {pause.text}'}"


def _note(endpoint: Endpoint) -> str | None:
    """Say to callers why nothing answers; None where something does."""
    if answering(endpoint):
        return None
    if endpoint.asleep_since is None or endpoint.reason is None:
        return f"Endpoint {endpoint.name} is {endpoint.state}."
    return f"Endpoint {endpoint.name} is {endpoint.state}: {endpoint.reason.text}"
