"""The registries that the program speaks to: the desk's own, started when it is first needed, and any other by URI.

Both services (models and runs) and the plain methods for other parts of the program rest on this.

Asks a store where files lie and things come from; what it does not know is asked of MLflow instead.

The login that a person's own MLflow has: its variables in the agent's environment, and ``~/.mlflow/credentials``.

We read that file ourselves, so that the server is asked with the same login by REST and by MLflow's client, which would
let it go before a token that was kept for the server, and would send it to any host (``mlflow/utils/credentials.py``).
"""

import base64
import configparser
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound, Refused, Unavailable
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.address import host_of, parse_address
from mlops_desk.registry.default_registry import OWN
from mlops_desk.registry.identity import identity_of
from mlops_desk.registry.mirror.client import ChildMirror
from mlops_desk.registry.mirror.mirror_registry import MirroredRegistry
from mlops_desk.registry.mirror.mirrors import Mirrors
from mlops_desk.registry.mirror.plain import PlainMirror
from mlops_desk.registry.mirror.protocol import MirrorClient
from mlops_desk.registry.mlflow.file_locations import ArtifactPlace
from mlops_desk.registry.mlflow.workers import ENVIRONMENT, Workers
from mlops_desk.registry.protocol import ArtifactOrigins, MlflowRegistry, RegistryClient
from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin
from mlops_desk.registry.readers.reader_factory import has_reader
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import FOREIGN, TrackerKind
from mlops_desk.registry.server.keeper import TrackingServer
from mlops_desk.registry.trackers.connection_settings import RegistryWay

_TOKEN, _LOGIN_NAME, _PASSWORD = (
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
)
LOGIN_VARIABLES = (
    _TOKEN, _LOGIN_NAME, _PASSWORD,
    "MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_TRACKING_CLIENT_CERT_PATH",
)  # fmt: skip
_SECTION = "mlflow"


def foreign_environment(
    uri: str, ambient: Mapping[str, str] | None = None, home: Path | None = None
) -> dict[str, str | None]:
    """Return the login for somebody else's registry, in MLflow's variables; for a server also that of its file.

    It belongs to the server that MLFLOW_TRACKING_URI names, where it names one: no other host is sent it. Raises
    Unavailable where the file can't be understood.
    """
    given = os.environ if ambient is None else ambient
    login: dict[str, str | None] = {name: given.get(name) for name in (*LOGIN_VARIABLES, "NO_PROXY", "no_proxy")}
    meant = given.get("MLFLOW_TRACKING_URI", "")
    if urlsplit(meant).scheme in {"http", "https"} and host_of(meant) != host_of(uri):
        return login | dict.fromkeys(LOGIN_VARIABLES)
    if uri.startswith(("http://", "https://")):
        user, password = _of_file(home)
        login[_LOGIN_NAME], login[_PASSWORD] = (
            login[_LOGIN_NAME] or user,
            login[_PASSWORD] or password,
        )
    return login


def _of_file(home: Path | None) -> tuple[str | None, str | None]:
    """Return user and password of MLflow's file, read as MLflow does; None where it says none."""
    path = Path("~/.mlflow/credentials").expanduser() if home is None else home / ".mlflow" / "credentials"
    parser = configparser.ConfigParser()
    try:
        parser.read(path)
        if _SECTION not in parser:
            return None, None
        found = parser[_SECTION]
        return found.get(_LOGIN_NAME.lower()), found.get(_PASSWORD.lower())
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        # What stands in it is a password: only where the trouble is may be told.
        text = f"{plain(str(path), 400)} can't be read as MLflow's credentials ({type(error).__name__})."
        raise Unavailable(text, "MLflow sends what is in it to every server: mend it, or move it away.") from None


def login_headers(environment: Mapping[str, str | None]) -> dict[str, str]:
    """Return what an HTTP request logs in with, as MLflow's client would: a user and password before a token."""
    user, password, token = (environment.get(name) for name in (_LOGIN_NAME, _PASSWORD, _TOKEN))
    if user and password:
        return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}
    return {"Authorization": f"Bearer {token}"} if token else {}


def login_environment(headers: Mapping[str, str]) -> dict[str, str | None]:
    """Return the login of a kept registry as MLflow's client takes it, in place of any other; without one: nothing."""
    kind, _, told = headers.get("Authorization", "").partition(" ")
    if not told:
        return {}
    login: dict[str, str | None] = dict.fromkeys(LOGIN_VARIABLES)
    if kind == "Bearer":
        return {**login, _TOKEN: told}
    user, _, password = base64.b64decode(told).decode().partition(":")
    return {**login, _LOGIN_NAME: user, _PASSWORD: password}


T = TypeVar("T")

_WORKER = "mlops_desk.registry.store.location_worker"
_SECONDS = 10.0  # chosen: a store on a slow disk; MLflow's client has longer


class StorePlaces:
    """Implements protocol.ArtifactOrigins on a store that is read directly. ``instead`` is the slow way."""

    def __init__(self, source: RegistrySource, instead: Callable[[], RegistryClient]) -> None:
        self._source = source
        self._instead = instead

    def places_of_run(self, run_id: str, path: str) -> list[ArtifactPlace]:
        return self._asked(list[ArtifactPlace], "places_of_run", run_id, path)

    def places_of_version(self, name: str, version: str) -> list[ArtifactPlace]:
        return self._asked(list[ArtifactPlace], "places_of_version", name, version)

    def places_of_versions(self, asked: Sequence[tuple[str, str]]) -> list[list[ArtifactPlace]]:
        return self._asked(list[list[ArtifactPlace]], "places_of_versions", [list(one) for one in asked])

    def origins(self, run_ids: Sequence[str]) -> list[RunOrigin]:
        return self._asked(list[RunOrigin], "origins", list(run_ids))

    def logged_models(self, model_ids: Sequence[str]) -> list[LoggedModel]:
        return self._asked(list[LoggedModel], "logged_models", list(model_ids))

    def _asked(self, kind: type[T], ask: str, *arguments: Any) -> T:
        source = self._source
        path = None if source.path is None else str(source.path)
        request = {"source": [source.kind, source.uri, source.shown, path], "ask": ask, "arguments": arguments}
        try:
            answer = run_worker(_WORKER, request, _SECONDS)
        except Unavailable:  # a schema that is not known here, a lock, a disk: MLflow says it, or can do it
            found: T = getattr(self._instead(), ask)(*arguments)
            return found
        return wire.from_builtins(answer, kind)


# Where the files of other trackers' runs lie: in the folder of each, on this disk.
class ForeignPlaces:
    """Implements protocol.ArtifactOrigins. ``origins`` tells of runs by their ids; there are no models."""

    def __init__(self, origins: Callable[[Sequence[str]], Sequence[RunOrigin]], shown: str) -> None:
        self._origins = origins
        self._shown = shown

    def places_of_run(self, run_id: str, path: str) -> list[ArtifactPlace]:
        for run in self._origins([run_id]):
            return [] if run.artifact_uri is None else [ArtifactPlace(run.artifact_uri, path)]
        raise NotFound(f"There is no run {plain(run_id)!r}.", f"The registry is {self._shown}.")

    def places_of_version(self, name: str, version: str) -> list[ArtifactPlace]:  # noqa: ARG002 - there are none
        raise NotFound(f"There is no registered model {plain(name)!r}: {self._shown} holds runs alone.")

    def places_of_versions(self, asked: Sequence[tuple[str, str]]) -> list[list[ArtifactPlace]]:
        return [[] for _ in asked]

    def origins(self, run_ids: Sequence[str]) -> list[RunOrigin]:
        return list(self._origins(run_ids))

    def logged_models(self, model_ids: Sequence[str]) -> list[LoggedModel]:  # noqa: ARG002 - there are none
        return []


_log = logging.getLogger(__name__)

_DOWNLOAD = "mlops_desk.registry.mlflow.download"
_DOWNLOAD_SECONDS = 1800.0  # chosen: the largest at 6 MB/s
DOWNLOAD_LIMIT_BYTES = 10 << 30  # chosen: a served model of 5 billion parameters
_USER = "mlops-desk"
_STORES = frozenset({TrackerKind.OWN, TrackerKind.SQLITE, TrackerKind.DATABASE})


class Registries:
    """Opens registries, each through the one pool of workers."""

    def __init__(self, server: TrackingServer, told: Callable[[RegistrySource], None] | None = None) -> None:
        self.server = server
        self._workers = Workers(server.ledger.scratch)
        self.mirrors = Mirrors(told or _nobody)
        self.kept: Callable[[str], RegistrySource] | None = None
        """What the list of registries knows of a name or a path, as ``Trackers.source``; None: there is no list."""
        self.kept_uri: Callable[[str], str | None] = lambda _name: None
        """The address that the list has for a name, as ``Trackers.uri_of``; None: it knows none."""
        self.way: Callable[[str], RegistryWay] = lambda _uri: RegistryWay()
        """By which proxy and certificates a server elsewhere is reached."""

    @property
    def own_is_empty(self) -> bool:
        """Tell whether the desk's own registry was never used: reading it then needs no server."""
        return not self.server.used and self.server.look().state == "stopped"

    def open(self, uri: str | None) -> RegistryClient:
        """Return the registry at ``uri``; None is the desk's own, whose server is started. Raises DeskErrors."""
        return self._opened(uri)

    def _opened(self, uri: str | None) -> MlflowRegistry:
        address, environment = self.place(uri)
        return MlflowRegistry(self._workers, address, environment, own=_is_own(environment))

    def read(self, uri: str | None) -> RegistryClient:
        """Return a registry to read from: while nothing was recorded in the desk's own, its server stays down."""
        if uri is None and self.own_is_empty:
            hint = Hint(
                "mlops-desk settings set registry.uri URI",
                before="Submit a job that names an mlflow experiment, or choose another registry: ",
            )
            raise NotFound("Nothing was recorded in the desk's own registry yet.", hint)
        direct = self.direct(uri)
        if direct is None:
            return self.open(uri)
        return MirroredRegistry(self._mirrored(direct, uri), lambda: self._opened(uri))

    def placing(self, uri: str | None) -> ArtifactOrigins:
        """Return what knows where a registry's files lie: its store, where that is read directly; starts no server."""
        if uri is None and self.own_is_empty:
            return self.read(uri)  # says so
        direct = self.direct(uri)
        if direct is not None and direct.kind in FOREIGN:
            return ForeignPlaces(self._mirrored(direct, uri).origins, direct.shown)
        if direct is None or direct.kind not in _STORES:
            return self.read(uri)
        return StorePlaces(direct, lambda: self._opened(uri))

    def mirror(self, uri: str | None) -> MirrorClient:
        """Return a registry as it is browsed: windows of runs, groups, searches. Raises DeskErrors."""
        direct = self.direct(uri)
        return PlainMirror(self.read(uri)) if direct is None else self._mirrored(direct, uri)

    def _mirrored(self, source: RegistrySource, uri: str | None) -> MirrorClient:
        return ChildMirror(self.mirrors, source, lambda: PlainMirror(self._opened(uri)))

    def direct(self, uri: str | None) -> RegistrySource | None:
        """Return where a registry is read without MLflow; None where it has to be asked. Starts nothing."""
        own = self.server.ledger.store
        if uri is None or uri == self.server.look().uri:
            shown = "the desk's own registry"
            return RegistrySource(TrackerKind.OWN, f"sqlite:///{own}", shown, own) if own.exists() else None
        source = self.source(uri)
        return source if has_reader(source.kind) else None

    def look_again(self, uri: str | None) -> None:
        """Let whoever keeps a registry in memory look for changes: one was just made. Raises nothing."""
        try:
            direct = self.direct(uri)
            if direct is not None:
                self.mirrors.look_again(direct)
        except DeskError as error:
            _log.info("The registry could not be looked at again: %s", error.message)

    def running(self) -> RegistryClient | None:
        """Return the desk's own registry if its server runs; never starts it."""
        now = self.server.look()
        if now.state != "running" or now.uri is None:
            return None
        return MlflowRegistry(self._workers, now.uri, self._own_environment(), own=True)

    def place(self, uri: str | None) -> tuple[str, Mapping[str, str | None]]:
        """Return the tracking URI that is meant, and the environment that logs in there. Raises DeskErrors."""
        kept = self._kept(uri)
        if kept is not None and kept.kind in FOREIGN:
            hint = Hint("mlops-desk registry import-runs URI", after=" writes its runs into an MLflow registry.")
            raise Refused(f"{kept.shown} holds runs of another tracker ({kept.kind}), which are only read.", hint)
        if kept is not None and kept.kind is not TrackerKind.OWN:
            login = login_environment(kept.headers)
            return kept.uri, {**foreign_environment(kept.uri), **login, **self._way(kept.uri).environment}
        if uri is not None and kept is None:
            address = parse_address(uri)
            if address.uri == self.server.look().uri:
                return address.uri, self._own_environment()
            return address.uri, {**foreign_environment(address.uri), **self._way(address.uri).environment}
        started = self.server.start()
        if started.uri is None:
            raise Unavailable("The tracking server runs, but has not said where.")
        return started.uri, self._own_environment()

    def _own_environment(self) -> dict[str, str | None]:
        """Log in with our token, around any proxy and whatever else this user's MLflow is told to do."""
        # As user and password, because those of ~/.mlflow/credentials would go before a token.
        login: dict[str, str | None] = dict.fromkeys(LOGIN_VARIABLES)
        login["MLFLOW_TRACKING_USERNAME"] = _USER
        login["MLFLOW_TRACKING_PASSWORD"] = self.server.ledger.token()
        return {**login, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}

    @property
    def scratch(self) -> Path:
        """The folder for what is needed for a moment."""
        self.server.ledger.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.server.ledger.scratch

    def _kept(self, uri: str | None) -> RegistrySource | None:
        """Return what the list knows of a name, and what lies at a path; None for what has a scheme."""
        return None if uri is None or self.kept is None or "://" in uri else self.kept(uri)

    def source(self, uri: str | None) -> RegistrySource:
        """Return where a registry is and how one logs in. Raises DeskErrors."""
        kept = self._kept(uri)
        if kept is not None and kept.kind is not TrackerKind.OWN:
            return self.reached(kept)
        if uri is None or kept is not None:  # the own one's files lie in its own folder, whether it runs or not
            return RegistrySource(TrackerKind.OWN, "own", "the desk's own registry", self.server.ledger.store)
        address, environment = self.place(uri)
        found = parse_address(address)
        own = _is_own(environment)
        way = RegistryWay() if own else self._way(found.uri)
        return RegistrySource(
            TrackerKind.OWN if own else TrackerKind(found.kind),
            found.uri,
            found.shown,
            found.path,
            login_headers(environment),
            way.ca_file or _own_certificates(),
            way.proxy,
        )

    def reached(self, source: RegistrySource) -> RegistrySource:
        """Return a source with proxy, certificates and, where none is kept, the login of the agent's own MLflow."""
        if source.kind is TrackerKind.OWN:
            return source
        way = self._way(source.uri)
        headers = source.headers
        if source.kind is TrackerKind.HTTP and not headers:  # as MLflow's client would, where no login is kept
            headers = login_headers(foreign_environment(source.uri))
        return replace(source, headers=headers, ca_file=way.ca_file or _own_certificates(), proxy=way.proxy)

    def _way(self, uri: str) -> RegistryWay:
        return self.way(uri) if uri.startswith(("http://", "https://")) else RegistryWay()

    def download(
        self,
        uri: str | None,
        what: str,
        arguments: list[str],
        folder: Path,
        limit_bytes: int = DOWNLOAD_LIMIT_BYTES,
    ) -> Path:
        """Fetch files into ``folder``; return the file or folder that was asked for. Raises DeskErrors.

        ``what`` is version (name, version), run (id, path; the path is kept below ``folder``) or uri (artifact
        URI). The files arrive beside ``folder`` first, so that it never holds half of them.
        """
        address, environment = self.place(uri)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        arriving = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        request = {
            "uri": address,
            "own": _is_own(environment),
            "environment": {**environment, "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"},
            "what": what,
            "arguments": arguments,
            "folder": str(arriving),
            "limit_bytes": limit_bytes,
        }
        try:
            below = run_worker(_DOWNLOAD, request, _DOWNLOAD_SECONDS, ENVIRONMENT)["below"]
            source = arriving if what == "run" else arriving / below
            is_file = source.is_file()
            move_into(source, folder)
        finally:
            shutil.rmtree(arriving, ignore_errors=True)
        return folder / below if what == "run" else folder / Path(below).name if is_file else folder

    def identity(self, uri: str | None) -> str:
        """Return one word for a registry, however it is named: ``own``, or what its spellings have in common."""
        named = OWN if uri is None else self.kept_uri(uri) or uri
        if named in {OWN, self.server.look().uri}:
            return OWN
        found = identity_of(named)
        return OWN if found == str(self.server.ledger.store) else found

    def sweep(self, *, is_shown: bool = False) -> None:
        """End what nobody needs any more; while somebody looks (``is_shown``), have ready what opens the next one."""
        self._workers.sweep()
        self.mirrors.sweep(is_shown=is_shown)

    def stop(self) -> None:
        self.mirrors.stop()
        self._workers.stop()


def _nobody(_source: RegistrySource) -> None:
    """Tell nobody of changes."""


def _is_own(environment: Mapping[str, str | None]) -> bool:
    """Tell whether this is the login of the desk's own server."""
    return environment.get("MLFLOW_TRACKING_USERNAME") == _USER


def _own_certificates() -> Path | None:
    """Return the certificates that the agent's own environment names for MLflow."""
    named = os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH")
    return Path(named) if named else None


def move_into(source: Path, folder: Path) -> None:
    """Move a file, or all that a folder holds, into ``folder``. Raises Refused where something of the name is."""
    moved = sorted(source.iterdir()) if source.is_dir() else [source]
    for path in moved:
        target = folder / path.name
        if target.exists() or target.is_symlink():
            raise Refused(f"{plain(str(target), 400)} is there already; nothing is written over it.")
    for path in moved:
        path.replace(folder / path.name)
