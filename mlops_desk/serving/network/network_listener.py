"""The way in from other machines, as the agent keeps it: what is wanted, what the gateway is handed and makes of it.

Nothing here waits for the gateway: it says in its state file what became of the table, and a look reads that.

The setting that says where: a numeric address of this machine and a port. Pure.
"""

import ipaddress
import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.base.text import plain
from mlops_desk.serving.gateway.process_control import GatewayState
from mlops_desk.serving.gateway.routes import NetworkListening, NetworkState
from mlops_desk.serving.network.identity import ServerIdentity, clear, identity_of
from mlops_desk.serving.records.endpoint import Endpoint
from mlops_desk.serving.records.network import EntranceState, NetworkAddress, NetworkEntrance

_log = logging.getLogger(__name__)

SETTING = "serving.listen"
_FORM = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9.]{7,15})):([0-9]{1,5})")
_HINT = Hint(f"mlops-desk settings set {SETTING} 0.0.0.0:8443", before="For all addresses of this machine: ")
_MOST_PORT = 65_535  # TCP has 16 bits for it


@dataclass(frozen=True, slots=True)
class ListenPlace:
    """Where the gateway is to listen. ``is_everywhere``: at all addresses of this machine."""

    address: str
    port: int

    @property
    def is_everywhere(self) -> bool:
        return ipaddress.ip_address(self.address).is_unspecified

    def __str__(self) -> str:
        return f"{bracketed(self.address)}:{self.port}"


def bracketed(host: str) -> str:
    """Return a name or an address as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def parse(text: str) -> ListenPlace | None:
    """Return what the setting means; None for nowhere. Raises Invalid."""
    if not text:
        return None
    found = _FORM.fullmatch(text)
    if found is None:
        raise Invalid(f"{plain(text, 100)} is no address with a port, such as 0.0.0.0:8443 or [::]:8443.", _HINT)
    six, four, port = found.groups()
    try:
        address = ipaddress.IPv6Address(six) if six else ipaddress.IPv4Address(four)
    except ValueError as error:
        raise Invalid(f"{plain(six or four)} is no address of a machine.", _HINT) from error
    if not 0 < int(port) <= _MOST_PORT:
        raise Invalid(f"{port} is no port: they go from 1 to {_MOST_PORT}.", _HINT)
    if address.is_multicast:
        raise Invalid(f"{address} is an address of many machines.", _HINT)
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped  # another way to write it, which kernels and Python spell differently
        elif address.is_link_local:
            text = f"{address} is an address within one cable or radio, which nobody reaches by it alone."
            raise Invalid(text, Hint(f"mlops-desk settings set {SETTING} [::]:{port}", before="For all addresses: "))
    return ListenPlace(str(address), int(port))


_AGAIN_SECONDS = 3600.0  # chosen: how late a certificate that runs out, or an address of this machine, is noticed
_AFTER_TROUBLE_SECONDS = 30.0  # chosen: a certificate that is being replaced is whole again by then
_CERTIFICATE, _KEY = "serving.tls_certificate", "serving.tls_key"
_Wanted = tuple[str, str, str, tuple[tuple[int, int, int] | None, ...]]


class GatewayEntrance:
    """Looked after by one thread, read by several."""

    def __init__(
        self,
        folder: Path,
        settings: SettingsStore,
        gateway: Callable[[], GatewayState | None],
        identify: Callable[[Path, str, str, str], ServerIdentity] = identity_of,
    ) -> None:
        """Keep certificates in ``folder``. ``gateway`` tells who it is, None where none runs."""
        self._folder = folder
        self._settings = settings
        self._gateway = gateway
        self._identify = identify
        self._lock = threading.Lock()
        self._place: ListenPlace | None = None
        self._identity: ServerIdentity | None = None
        self._trouble: Reason | None = None
        self._known: _Wanted | None = None
        self._due = 0.0
        self._told: NetworkEntrance | None = None

    def listening(self) -> NetworkListening | None:
        """Return what the gateway is handed; None where it is to listen on loopback alone."""
        with self._lock:
            place, identity = self._place, self._identity
        if place is None or identity is None:
            return None
        return NetworkListening(place.address, place.port, identity.path, identity.names)

    def look(self, route: Callable[[], object], announce: Callable[[], None]) -> None:
        """Bring what is handed to the gateway up to what is wanted now; ``announce`` where anything new is told."""
        wanted = self._wanted()
        if wanted != self._known or time.monotonic() >= self._due:
            before = self.listening()
            self._settle(wanted)
            if self.listening() != before:
                route()
        told = self.told()
        if told != self._told:
            self._told = told
            if told.state is EntranceState.OPEN and self._identity is not None:
                clear(self._folder, {self._identity.path})  # the gateway has it in memory
            announce()

    def told(self) -> NetworkEntrance:
        """Return how the way in stands."""
        with self._lock:
            place, identity, trouble = self._place, self._identity, self._trouble
        if place is None:
            state = EntranceState.OFF if trouble is None else EntranceState.FAILED
            return NetworkEntrance(state, self._settings.text(SETTING), reason=trouble)
        if identity is None:
            return NetworkEntrance(EntranceState.FAILED, str(place), reason=trouble)
        state, reason = _standing(place, identity, self._gateway())
        return NetworkEntrance(
            state,
            str(place),
            f"https://{bracketed(_called(place, identity))}:{place.port}",
            identity.names,
            identity.expires_at,
            identity.is_own,
            identity.certificate,
            identity.fingerprint,
            reason or trouble,
            identity.pem,
        )

    def of(self, endpoint: Endpoint) -> NetworkAddress | None:
        """Return an endpoint's address for other machines; None where none is wanted."""
        entrance = self._told  # as it was seen last: an endpoint is told of several times a second
        if entrance is None or entrance.state is EntranceState.OFF:
            return None
        if not endpoint.token_required:
            return NetworkAddress(reason=_open(endpoint.name))
        if entrance.state is not EntranceState.OPEN:
            return NetworkAddress(reason=entrance.reason)
        certificate = entrance.certificate if entrance.is_own else None
        return NetworkAddress(f"{entrance.url}/{endpoint.name}", certificate, entrance.fingerprint, entrance.reason)

    def _wanted(self) -> _Wanted:
        certificate, key = self._settings.text(_CERTIFICATE), self._settings.text(_KEY)
        return self._settings.text(SETTING), certificate, key, (_stamp(certificate), _stamp(key))

    def _settle(self, wanted: _Wanted) -> None:
        """Take in what is wanted. What can't be had leaves the certificate of before in force, and is told."""
        listen, certificate, key, _ = wanted
        place = identity = trouble = None
        try:
            place = parse(listen)
            if place is not None:
                identity = self._identify(self._folder, place.address, certificate, key)
        except DeskError as error:
            _log.warning("Endpoints can't be reached from the network as it is set: %s", error.message)
            trouble = Reason("certificate" if place else "address", error.message, hint=error.hint)
        with self._lock:
            self._place, self._trouble = place, trouble
            if place is None or identity is not None:
                self._identity = identity
        self._known = wanted
        self._due = time.monotonic() + (_AGAIN_SECONDS if trouble is None else _AFTER_TROUBLE_SECONDS)


def _stamp(path: str) -> tuple[int, int, int] | None:
    """Return what tells whether a file was replaced; None for one that can't be seen."""
    try:
        facts = Path(path).expanduser().stat() if path else None
    except OSError:
        return None
    return None if facts is None else (facts.st_ino, facts.st_mtime_ns, facts.st_size)


def _called(place: ListenPlace, identity: ServerIdentity) -> str:
    """Return the name by which another machine surely finds this one, of those that the certificate is for."""
    addresses = [name for name in identity.names if _is_outside(name)]
    hosts = [name for name in identity.names if _address(name) is None and not name.startswith("*.")]
    if identity.is_own:
        return place.address if not place.is_everywhere else next(iter(addresses), next(iter(hosts), "localhost"))
    return next(iter(hosts), next(iter(addresses), place.address))


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _is_outside(name: str) -> bool:
    found = _address(name)
    return found is not None and not found.is_loopback and not found.is_link_local


def _standing(
    place: ListenPlace, identity: ServerIdentity, gateway: GatewayState | None
) -> tuple[EntranceState, Reason | None]:
    """Say what the gateway has made of it."""
    if gateway is None:
        return EntranceState.OPENING, Reason(
            "no_gateway", "The gateway starts with the first endpoint that is deployed."
        )
    network = gateway.network
    if network is None or (network.address, network.port) != (place.address, place.port):
        return EntranceState.OPENING, Reason("opening", "The gateway is about to listen there.")
    if network.error is not None:
        return EntranceState.FAILED, _failed(place, network)
    if network.identity != identity.path:
        return EntranceState.OPENING, Reason("opening", "The gateway is about to take the new certificate.")
    return EntranceState.OPEN, None


def _failed(place: ListenPlace, network: NetworkState) -> Reason:
    hint = Hint(f"ss -ltnp 'sport = :{place.port}'", before="Who has it, if it is taken: ")
    return Reason("not_listening", network.error or "", hint=hint, title="Not reached from other machines")


def _open(name: str) -> Reason:
    text = "It is open to the users of this machine without a token, so it is not reached from others."
    hint = Hint(f"mlops-desk endpoints deploy MODEL --name {name} --no-open", before="To have it want one: ")
    return Reason("open", text, hint=hint)
