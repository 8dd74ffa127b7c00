"""The verbs about models and runs, and what jobs, endpoints, drift and rules need of the registry."""

import logging
import shlex
import threading
import time
from builtins import list as list_of
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Unavailable
from mlops_desk.kit.base.failures import TroubleLog
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.event import Notice, RegistriesChanged, RegistryChanged, SettingsChanged
from mlops_desk.registry.aliases.alias_operations import AskedAliases
from mlops_desk.registry.aliases.journal import AliasJournal, aliases_of
from mlops_desk.registry.aliases.own_store import stored_aliases
from mlops_desk.registry.aliases.watcher import AliasWatch
from mlops_desk.registry.artifacts.artifact_worker import FileShelf
from mlops_desk.registry.comparison.fact_sources import ComparedOutside, compared_versions
from mlops_desk.registry.default_registry import OWN, SETTING, Default
from mlops_desk.registry.lineage.graph_sources import LineageDesk
from mlops_desk.registry.model_files.glances import FileGlances
from mlops_desk.registry.protocol import RegistryClient
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.comparison import ComparedValue
from mlops_desk.registry.records.model import DatasetInput, Model, ModelVersion, Registry, Run
from mlops_desk.registry.records.model_files import ModelFileFacts
from mlops_desk.registry.records.tracker import TrackerKind
from mlops_desk.registry.registries import Registries
from mlops_desk.registry.server.keeper import TrackingServer
from mlops_desk.registry.server.quotas import LogRefusal, LogRefusals
from mlops_desk.registry.server.supervision import Supervision
from mlops_desk.registry.server.tickets import DEFAULT_ARTIFACT_BYTES, DEFAULT_LOGGED_BYTES, Grant, Tickets

_log = logging.getLogger(__name__)

_POLL_SECONDS = 10.0  # chosen: MLflow announces nothing, so this is how late a new version is seen
_INTEREST_SECONDS = 300.0  # chosen: a registry that nobody has looked at is not asked
_LOOKED_BACK = 200  # chosen: a job's run is among the newest of its experiment
_STATUSES = frozenset({"FINISHED", "FAILED", "KILLED"})
_CONTEXTS = ("reference", "training", "train")

_NONE: Mapping[str, float] = {}


class PreparedRun(NamedTuple):
    """A run that a job is to fill in: where (as it sees it), under which id, and with which token."""

    run_id: str
    uri: str
    token: str


class RegistryCore:
    """What models and runs share: the registries, the events, and the plain methods for the rest of the program."""

    def __init__(
        self,
        data: DataFolder,
        bus: Bus,
        loop: Loop,
        bridge_address: Callable[[], str | None],
        default_uri: Callable[[], str] = str,
        artifact_bytes: Callable[[], int] = lambda: DEFAULT_ARTIFACT_BYTES,
        journal: AliasJournal | None = None,
        logged_bytes: Callable[[], int] = lambda: DEFAULT_LOGGED_BYTES,
    ) -> None:
        self._logged_bytes = logged_bytes
        self._artifact_bytes = artifact_bytes
        self.default = Default(default_uri)
        self._bus = bus
        bus.subscribe(SettingsChanged, self._setting_changed)
        self._loop = loop
        self.at_start: list_of[Callable[[], None]] = []
        self.server = TrackingServer(data.registry, data.logs / "tracking.log", bridge_address, self._server_changed)
        self.registries = Registries(self.server, self._source_changed)
        self.aliases = AskedAliases(self._opened, self._fresh, self._identity, journal)
        self.shelf = FileShelf(self.default, lambda: self.registries)
        self.glances = FileGlances(lambda: self.registries, loop)
        self.lineage = LineageDesk(
            self.default,
            lambda uri: self.registries.read(uri),  # noqa: PLW0108 - the demo puts others in their place
            lambda uri: self.registries.placing(uri),  # noqa: PLW0108 - likewise
            self.is_same,
        )
        self.outside = ComparedOutside(self._files_of, self._files_of_logged)
        self.aliases.compared = self._compared
        self.watch = AliasWatch(self.aliases, self._models_at, self._own_aliases, self.changed)
        self._tickets = Tickets(self.server.ledger.tickets_folder)
        self._supervision_pause = 0.0
        self._supervision = Supervision(self.server, lambda: bool(self._tickets.held()), self._is_shown)
        self._refusals = LogRefusals(self.server.ledger.refused)
        self._asked_at = float("-inf")
        self._seen: list_of[Model] | None = None
        self._seen_lock = threading.Lock()
        self._trouble = TroubleLog(_log, "%s could not be looked at")

    def start(self) -> None:
        """Begin to watch the server, if one runs, for what jobs register."""
        for begin in self.at_start:
            begin()
        self._loop.repeat("registry", _POLL_SECONDS, self.poll, at_once=True)
        self._loop.repeat("registry-aliases", _POLL_SECONDS, self.watch.look)
        self._loop.repeat("registry-supervision", lambda: self._supervision_pause, self._supervise)
        self._loop.start("registry-mirrors", lambda: self.registries.mirrors.watch(self._loop.ending))

    def _supervise(self) -> None:
        self._supervision_pause = self._supervision.look()
        self.tell_refusals()

    def tell_refusals(self) -> None:
        """Tell people of the jobs that the tracking server has refused more since this was done last."""
        for refusal in self._refusals.take():
            self._bus.publish(_refused(refusal))

    def _is_shown(self) -> bool:
        return time.monotonic() - self._asked_at <= _INTEREST_SECONDS

    def stop(self) -> None:
        """End the workers; the tracking server goes on, because jobs log to it."""
        self.aliases.flush()
        self.registries.stop()

    def stop_server(self) -> Registry:
        """End the tracking server too, for good: nobody who still asks makes it start again."""
        return self.server.stop_for_good()

    def asked(self, uri: str | None = None) -> None:
        """Note that somebody looks at a registry, so that changes are watched for."""
        self._asked_at = time.monotonic()
        self.watch.asked(uri)

    def poll(self) -> None:
        """Look whether models, versions or aliases have changed, while somebody has asked lately."""
        self.registries.sweep(is_shown=self._is_shown())
        own = self.registries.running()
        if own is None or not self._is_shown():
            return
        glance = self.aliases.glance(None)
        try:
            now = own.models()
        except DeskError as error:
            self._trouble.failed("The desk's own registry", error.message)
            return
        self._trouble.over("The desk's own registry")
        self.aliases.seen(glance, now)
        with self._seen_lock:
            changed, self._seen = self._seen is not None and self._seen != now, now
        if changed:
            self.changed()

    def _source_changed(self, source: RegistrySource) -> None:
        """Tell of what was seen in a registry that is looked at."""
        uri = None if source.kind is TrackerKind.OWN else source.uri
        self.watch.noticed(uri)
        self._tell_changed(uri)

    def changed(self, uri: str | None = None) -> None:
        """Tell that something on ``uri`` was changed, by us."""
        self.registries.look_again(uri)
        self._tell_changed(uri)

    def _tell_changed(self, uri: str | None) -> None:
        self._bus.publish(RegistryChanged(self.told(self.server.state()), uri))

    def told(self, registry: Registry) -> Registry:
        """Return the own server's state with what is shown instead of it when nothing is named."""
        return replace(registry, default_uri=self.default.uri)

    def _server_changed(self, registry: Registry) -> None:
        self._bus.publish(RegistryChanged(self.told(registry)))

    def tell_list(self) -> None:
        """Tell that the list of registries has changed, or which of them is the default."""
        self._bus.publish(RegistriesChanged())

    def _setting_changed(self, event: SettingsChanged) -> None:
        if SETTING in event.keys:
            self.changed()
            self.tell_list()

    def prepare_run(
        self,
        experiment: str,
        tags: Mapping[str, str],
        attempt_id: str,
        *,
        for_containers: bool = True,
        more: Mapping[str, str] | None = None,
        job: str | None = None,
        models: tuple[str, ...] | None = None,
        governed: tuple[str, ...] = (),
        is_strangers: bool = False,
    ) -> PreparedRun:
        """Create a run that a job can log to, or return the one that carries all of ``tags`` already.

        The server is started, on the engine's bridge too if it is for containers. The token is the attempt's own;
        those it got before are void. A new run gets the tags of ``more`` as well; ``job``, ``models``,
        ``governed`` and ``is_strangers`` say which models the token registers (see ``Grant``). Raises DeskErrors.
        """
        started = self.server.start(for_containers=for_containers)
        address = started.container_uri if for_containers else started.uri
        if address is None:
            raise Unavailable("The tracking server can't be reached from containers.", Hint("mlops-desk models server"))
        own = self.registries.open(None)
        run_id = _run_with(own, experiment, tags) or own.start_run(experiment, {**tags, **(more or {})})
        self.changed()
        grant = Grant(
            run_id, attempt_id, self._artifact_bytes(), job, models, governed, is_strangers, self._logged_bytes()
        )
        return PreparedRun(run_id, address, self._tickets.issue(grant))

    def admit_earlier(self, attempts: list_of[tuple[str, str]]) -> None:
        """Let attempts under way (each with its run) that have no ticket go on with the token they have: the owner's.

        An earlier version gave it to its jobs, and their environment can't be changed. It is the owner's no more, and
        good for what their tickets would be, until they are over.
        """
        if not self.server.used:
            return
        try:
            token, held = self.server.ledger.earlier_token(), {grant.attempt_id for grant in self._tickets.held()}
            if token is None:
                return
            grants = [Grant(run_id, attempt_id) for attempt_id, run_id in attempts if attempt_id not in held]
            for grant in grants:
                self._tickets.admit(token, grant)
            if not attempts:
                self.server.ledger.forget_earlier_token()
        except OSError as error:
            _log.warning("Jobs of an earlier version can't log any more: %s", error)

    def keep_tickets(self, is_current: Callable[[str], bool]) -> None:
        """Make void the tokens of all attempts but those that are current. Raises Unavailable."""
        try:
            for grant in self._tickets.held():
                if not is_current(grant.attempt_id):
                    self._tickets.void(grant.attempt_id)
        except OSError as error:
            text = f"The token of a job that is over can't be made void: {error.strerror}."
            raise Unavailable(text, f"Remove the files in {self.server.ledger.tickets_folder}.") from error

    def finish_run(self, run_id: str, status: str) -> Run:
        """Set how a run ended (FINISHED, FAILED or KILLED), unless it says so already."""
        if status not in _STATUSES:
            raise Invalid(f"A run ends as one of {', '.join(sorted(_STATUSES))}, not as {plain(status)}.")
        run = self.registries.open(None).end_run(run_id, status)
        self.changed()
        return run

    def tell_run(
        self,
        run_id: str,
        tags: Mapping[str, str],
        datasets: list_of[DatasetInput],
        metrics: Mapping[str, float] = _NONE,
    ) -> None:
        """Write facts on a run of the desk's own server: tags, datasets that it was given, metrics."""
        self.registries.open(None).tell_run(run_id, tags, datasets, metrics)

    def own_run(self, experiment: str, tags: Mapping[str, str]) -> str:
        """Return the run of the desk's own server that carries all of ``tags``, made where there is none.

        No job logs to it: what is known is written there by the desk itself. Raises DeskErrors.
        """
        self.server.start(for_containers=True)
        own = self.registries.open(None)
        return _run_with(own, experiment, tags) or own.start_run(experiment, tags)

    def log_file(self, run_id: str, file: Path, folder: str, uri: str | None = None) -> str:
        """Put a file of this machine into a folder of a run's artifacts; return its path there. Raises DeskErrors."""
        return self.registries.open(uri).log_file(run_id, str(file), folder)

    def resolve(self, reference: str, uri: str | None = None) -> ModelVersion:
        """Find the version that NAME@ALIAS, NAME/VERSION or NAME (its latest) means. Raises NotFound."""
        name, kind, wanted = split_reference(reference)
        versions = self.registries.read(uri).versions(name)
        if kind == "latest":
            found = versions[:1]
        elif kind == "alias":
            found = [version for version in versions if wanted in version.aliases]
        else:
            found = [version for version in versions if version.version == wanted]
        if not found:
            known = sorted({alias for version in versions for alias in version.aliases})
            numbers = ", ".join(version.version for version in versions[:10])
            text = f"Model {plain(name)} has no {f'{kind} {plain(wanted)}' if wanted else 'version yet'}."
            told = f"Its aliases are {', '.join(known) or 'none'}; its versions are {numbers or 'none'}."
            raise NotFound(
                text, _way_to_alias(name, wanted, versions[0], told) if kind == "alias" and versions else told
            )
        return found[0]

    def find(self, reference: str) -> ModelVersion:
        """Find a version in the registry that is meant when none is named, and note which that was."""
        with self.default.chosen(None) as uri:
            return replace(self.resolve(reference, uri), registry=uri)

    def download_model(self, version: ModelVersion, folder: Path, uri: str | None = None) -> Path:
        """Fetch a version's files; they lie directly in ``folder`` (MLmodel, requirements.txt, ...)."""
        where = version.registry if uri is None else uri
        if self.shelf.copy_of_version(version.name, version.version, folder, where or OWN):
            return folder
        return self.registries.download(where, "version", [version.name, version.version], folder)

    def download_artifact(self, source: str, path: str, folder: Path, uri: str | None = None) -> Path:
        """Fetch the artifact ``path`` of a run (by id), or of an artifact URI; return where it lies in ``folder``."""
        if ":/" not in source:
            return self.registries.download(uri, "run", [source, path], folder)
        return self.registries.download(uri, "uri", ["/".join(part for part in (source, path) if part)], folder)

    def reference_dataset(
        self, run_id: str, uri: str | None = None, contexts: Sequence[str] | None = None
    ) -> DatasetInput:
        """Return the dataset a run was trained on: by its context, or the first that was logged. Raises NotFound.

        With ``contexts`` it is the first of one of these, and no other.
        """
        datasets = self.registries.read(uri).datasets(run_id)
        for context in contexts or _CONTEXTS:
            for dataset in datasets:
                if dataset.context == context:
                    return dataset
        if not datasets or contexts:
            wanted = contexts[0] if contexts else "training"
            hint = f'Log it while training: mlflow.log_input(dataset, context="{wanted}").'
            kind = f"{wanted} dataset" if contexts else "dataset"
            raise NotFound(f"Run {plain(run_id)} has no {kind} logged with it.", hint)
        return datasets[0]

    def model(self, name: str, uri: str | None = None) -> Model:
        """Return a registered model. Raises NotFound."""
        return self.registries.read(uri).model(name)

    def run(self, run_id: str, uri: str | None = None) -> Run:
        return self.registries.read(uri).run(run_id)

    def metric_histories(self, run_ids: Sequence[str], name: str) -> Mapping[str, Sequence[float]]:
        """Return what runs on the own server have logged of a metric; nothing while no server runs."""
        own = self.registries.running()
        return {} if own is None else own.metric_histories(run_ids, name)

    def versions_of_run(self, run_id: str, uri: str | None = None) -> list_of[ModelVersion]:
        """List the model versions that a run registered, oldest first."""
        return self.registries.read(uri).versions_of_run(run_id)

    def set_alias(
        self, model: str, alias: str, version: str, uri: str | None = None, expected: str | None = None
    ) -> Model:
        """Point an alias at a version, and tell everybody. Raises Refused where it is not at the ``expected`` one."""
        moved = self.aliases.move(model, alias, version, uri, expected)
        self.changed(uri)
        return moved

    def _files_of(self, model: str, version: str, uri: str | None) -> ModelFileFacts:
        return self.shelf.facts_of_version(model, version, uri or OWN)

    def _files_of_logged(self, model_id: str, uri: str | None) -> ModelFileFacts:
        return self.shelf.facts_of_logged(model_id, uri or OWN)

    def _fresh(self, uri: str | None) -> RegistryClient:
        """Return a registry to read from, as it is now: what the mirror keeps may be a moment old."""
        self.registries.look_again(uri)
        return self.registries.read(uri)

    def _models_at(self, uri: str | None) -> list_of[Model]:
        return self._fresh(uri).models()

    def _own_aliases(self) -> Mapping[str, Mapping[str, str]]:
        if self.server.used:
            return stored_aliases(self.server.ledger.store)
        own = self.registries.running()  # that of a demo, which has no store
        return {} if own is None else aliases_of(own.models())

    def _compared(self, model: str, a: str, b: str, uri: str | None) -> list_of[ComparedValue]:
        return compared_versions(self.registries.mirror(uri), [(model, a), (model, b)], uri, self.outside)

    def _opened(self, uri: str | None) -> RegistryClient:
        return self.registries.open(uri)  # asked each time: the demo puts its own in their place

    def _identity(self, uri: str | None) -> str:
        return self.registries.identity(uri)

    def is_same(self, one: str | None, other: str | None) -> bool:
        """Tell whether two addresses or names mean one registry (None: the desk's own)."""
        return self.registries.identity(one) == self.registries.identity(other)


def _refused(refusal: LogRefusal) -> Notice:
    """Tell of a job that the tracking server takes no more of."""
    job_id = refusal.attempt_id.rpartition("-a")[0]
    text = f"The registry takes no more of what job {plain(job_id)} logs. {refusal.text}"
    hint = Hint("mlops-desk settings set jobs.logged_mebibytes N", before="To allow jobs that start from now on more: ")
    return Notice("warning", "registry", text, hint, time.time(), about=("job", job_id))


def _run_with(registry: RegistryClient, experiment: str, tags: Mapping[str, str]) -> str | None:
    """Find the run that was made for the same thing before: whoever asks twice must not get two."""
    try:
        newest = registry.runs(experiment, "start_time:desc", _LOOKED_BACK)
    except NotFound:
        return None
    return next((run.run_id for run in newest if tags.items() <= run.tags.items()), None)


def split_reference(reference: str) -> tuple[str, str, str]:
    """Split NAME@ALIAS, NAME/VERSION or NAME into the name, what it asks for, and which. Raises Invalid."""
    text = reference.strip()
    name, at, alias = text.rpartition("@")
    if at and name and alias:
        return name, "alias", alias
    name, slash, version = text.rpartition("/")
    if slash and name and version.isdecimal():
        return name, "version", version
    if not text or "/" in text or text.endswith("@"):
        raise Invalid(f"{plain(reference)!r} names no model.", "Write NAME, NAME@ALIAS or NAME/VERSION.")
    return text, "latest", ""


def _way_to_alias(model: str, alias: str, newest: ModelVersion, told: str) -> Hint:
    """Return how a model gets an alias that it has not."""
    words = ["mlops-desk", "models", "promote", model, "--alias", alias, "--version", newest.version]
    return Hint(shlex.join(words), before=f"{told} The newest one is called so by ", after=".")
