"""The verbs about endpoints: deploy, show, stop, remove, logs; and what goes on between them.

The work is done elsewhere: ``deployment`` brings revisions up, ``watch`` keeps them up, ``switchboard``
tells the gateway. Containers and gateway outlive the agent; the next one adopts them.

Making a token while the endpoint answers: what is told holds at the gateway by then.

The verbs about what an endpoint goes with: an alias, by canary or at once, or nothing but its own version.
"""

import logging
import threading
import time
from abc import ABC
from builtins import list as list_of
from collections.abc import Callable, Iterator
from dataclasses import replace

from mlops_desk.engines.engine import Engine
from mlops_desk.jobs.runtimes.local.ports import GpuLeases
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import Hint, NotFound, Refused, TimedOut
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.agent import Check
from mlops_desk.kit.storage.state import State
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving import custom_image as anyimage
from mlops_desk.serving import deploy_options, socket_handover
from mlops_desk.serving.access import EndpointTokens
from mlops_desk.serving.alias_sync import AliasFollower, LedVersions, MovedDeployments, ResolveAt
from mlops_desk.serving.deployment import DeployAsked, Deployments
from mlops_desk.serving.endpoint_store import EndpointBoard
from mlops_desk.serving.experiments.acts import BesideTraffic
from mlops_desk.serving.experiments.verbs import BesideVerbs
from mlops_desk.serving.gateway.wake_signal import BELL
from mlops_desk.serving.image.example import kept_example, served_example
from mlops_desk.serving.image.maker import Download, FindTrained, Maker
from mlops_desk.serving.images import EndpointImages
from mlops_desk.serving.launch import Trial
from mlops_desk.serving.meters import EndpointMeters, EndpointPast
from mlops_desk.serving.operations.fit import FitVerbs, Weigh, not_weighed
from mlops_desk.serving.operations.pause import PauseVerbs
from mlops_desk.serving.operations.request_log import LoggedVerbs
from mlops_desk.serving.operations.rollout import RolloutVerbs
from mlops_desk.serving.operations.runtimes import RuntimeVerbs
from mlops_desk.serving.operations.scale import ScaleVerbs
from mlops_desk.serving.records.access import DeployedEndpoint, NewToken, deployed
from mlops_desk.serving.records.endpoint import (
    AliasFollowing,
    DeployStep,
    Endpoint,
    EndpointScale,
    EndpointState,
    PastTraffic,
    Replica,
)
from mlops_desk.serving.replicas import Crew, EndpointClaims, check_gpus, scale_of
from mlops_desk.serving.request_log.requests import RequestDesk
from mlops_desk.serving.revision import Shelf
from mlops_desk.serving.rollout import Pilot, StepBases
from mlops_desk.serving.routing_sync import GATEWAY, Switchboard
from mlops_desk.serving.runtimes import choice
from mlops_desk.serving.runtimes.gpus import ReplicaGpus
from mlops_desk.serving.scaling import gpu_claims
from mlops_desk.serving.scaling.demand import Demand
from mlops_desk.serving.scaling.gpu_lending import Preempt, Truce, nobody_gives_way
from mlops_desk.serving.scaling.scaler import Scaler
from mlops_desk.serving.scaling.sleeper import Sleeper
from mlops_desk.serving.supervisor.orphans import OrphanEndpoints
from mlops_desk.serving.supervisor.watch import Watch
from mlops_desk.serving.supervisor.write_retries import EndpointDebts
from mlops_desk.serving.templates.catalogue import RuntimeTemplates
from mlops_desk.serving.templates.revision_builder import TemplateMaker
from mlops_desk.serving.traffic_shift import Stages

_log = logging.getLogger(__name__)


class FollowVerbs(ABC):
    """Stands on what the service has made. ``resolve_at`` finds what an alias names in an endpoint's registry."""

    _board: EndpointBoard
    _follower: AliasFollower
    _resolve_at: ResolveAt

    def follow(self, name: str, alias: str, canary: float | None = None) -> Endpoint:
        """Have an endpoint go with an alias from now on; raises Invalid, NotFound, Refused, Unavailable."""
        known = self._board.get(name)
        percent = deploy_options.first_percent(shadow=False, canary=canary)
        if known.runtime == choice.IMAGE:
            text = f"Endpoint {name} serves an image, which has no aliases to follow."
            raise Refused(text, "Deploy the next image to it by hand.")
        deploy_options.followed(deploy_options.ModelQuery(known.model.name), alias)
        version = self._resolve_at(f"{known.model.name}@{alias}", known.model.registry)
        following = AliasFollowing(plain(version.version), time.time(), percent)
        changed = self._board.change(name, lambda one: replace(one, follows=alias, following=following))
        self._follower.look_soon()
        return changed

    def pin(self, name: str) -> Endpoint:
        """Have an endpoint stay on its version whatever an alias names; raises NotFound."""
        return self._board.change(name, lambda one: replace(one, follows=None, following=None))


class TokenIssue:
    """Gives out tokens. ``bring_in`` has the gateway follow, and tells whether it goes by the newest tokens."""

    def __init__(self, tokens: EndpointTokens, bring_in: Callable[[], bool]) -> None:
        self._tokens = tokens
        self._bring_in = bring_in

    def give(self, endpoint: Endpoint, *, revokes: bool) -> NewToken:
        """Return a new token; earlier ones open nothing any more if it ``revokes`` them.

        Raises Refused, OSError, and TimedOut where the gateway may still go by the earlier ones.
        """
        token, rules = self._tokens.make(endpoint, revokes=revokes)
        if not self._bring_in() and revokes:
            text = f"The earlier tokens of endpoint {endpoint.name} are revoked, but its gateway does not know it yet."
            raise TimedOut(text, Hint(f"mlops-desk endpoints token {endpoint.name} --revoke", before="Try again: "))
        return NewToken(endpoint.name, token, len(rules.tokens), not rules.is_open, endpoint.url)


_LOOK_SECONDS = 2.0  # chosen: how late an endpoint that is gone is noticed
_GATEWAY_SECONDS = 0.25  # chosen: with its start in half a second, callers of a gateway that was killed wait below one
_NETWORK_SECONDS = 1.0  # chosen: how late a setting, or a certificate that was replaced, is taken up
_SCALE_SECONDS = 1.0  # chosen: how late a further replica is begun with; a look without need reads memory alone
_SPARE_SECONDS = 120.0  # for what comes between build and start: download, stop of the one before
_RETIRE_SECONDS = 3600.0  # chosen: what is kept for days
_LINES_LIMIT = 10_000  # chosen: more than one reads; the wire carries it at once
_UNDER_WAY = frozenset({EndpointState.BUILDING, EndpointState.STARTING})

Resolve = Callable[[str], ModelVersion]


class EndpointsService(
    RolloutVerbs, ScaleVerbs, PauseVerbs, FollowVerbs, LoggedVerbs, RuntimeVerbs, FitVerbs, BesideVerbs
):
    """Implements ``verbs.Endpoints``. ``resolve`` finds the version that a MODEL[@ALIAS|/VERSION] means.

    ``past`` keeps figures of endpoints in the history. ``find_trained`` finds the image that a version was trained in.
    ``gpus`` is the machine's ledger, ``preempt`` asks a job to give way, ``resolve_at`` finds a version in the registry
    of a URI, ``weigh`` tells what a version's files have.
    """

    def __init__(
        self,
        folder: DataFolder,
        state: State,
        bus: Bus,
        loop: Loop,
        settings: SettingsStore,
        engine: Engine,
        resolve: Resolve,
        download_model: Download,
        past: EndpointPast | None = None,
        find_trained: FindTrained = lambda _version: None,
        gpus: GpuLeases | None = None,
        preempt: Preempt = nobody_gives_way,
        resolve_at: ResolveAt | None = None,
        weigh: Weigh = not_weighed,
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._engine = engine
        self._loop = loop
        self._bus = bus
        self._resolve = resolve
        self._weigh = weigh
        self._shelf = Shelf(folder.endpoints)
        self._tokens = EndpointTokens(folder.endpoints)
        self._board = EndpointBoard(state.endpoints, self._shelf, self._tokens, bus)
        self._templates = RuntimeTemplates(folder.runtimes, settings, engine)
        self._maker = Maker(
            folder.instance, self._shelf, settings, engine, download_model, find_trained,
            TemplateMaker(self._shelf, self._templates, engine),
        )  # fmt: skip
        leased = self._replica_gpus = ReplicaGpus(gpus, lambda: gpu_claims.spoken_for(self._board.all()), loop.ending)
        self._trial = Trial(folder.instance, self._shelf, settings, engine, loop.ending, leased)
        self._meters = EndpointMeters(past or EndpointPast())
        self._switchboard = Switchboard(
            folder.endpoints, self._board, self._shelf, self._tokens, settings, self._meters
        )
        self._token_issue = TokenIssue(self._tokens, self._switchboard.bring_in)
        self._requests = RequestDesk(self._switchboard.log_folder, self._switchboard.gatekeeper.roll, loop)
        self._images = EndpointImages(folder.instance, self._board, self._shelf, engine)
        self._beside = BesideTraffic(
            folder, self._shelf, self._trial, self._maker, self._images, engine, settings, self._requests.find, loop
        )
        self._stages = Stages(
            self._board, self._shelf, self._trial, self._switchboard, self._images, settings, loop, bus
        )
        self._debts = EndpointDebts(self._board, self._shelf, self._switchboard, bus)
        self._switchboard.tell_moved = self._debts.tell_moved
        self._claims = EndpointClaims()
        crew = Crew(self._trial, loop)
        self._scaler = Scaler(self._board, self._shelf, self._trial, crew, self._stages, self._claims, loop)
        self._switchboard.pilot = self._made_pilot()
        self._watch = self._made_watch()
        self._deployments = self._made_deployments(crew)
        self._sleeper = Sleeper(self._board, self._shelf, self._stages, self._deployments, self._claims, loop)
        self._truce = Truce(self._board, self._sleeper, leased, loop, self._switchboard.route, preempt, settings)
        self._resolve_at = resolve_at or (lambda text, _uri: resolve(text))
        self._follower, self.led = self._made_followers(self._resolve_at)
        self._switchboard.hearers.append(Demand(self._board, self._scaler, self._sleeper, settings).hear)

    def _made_pilot(self) -> Pilot:
        kept = StepBases(self._folder.endpoints / GATEWAY / "canaries.json")
        return Pilot(self._board.all, self._scaler.promote, self._scaler.go_on, self._stages.go_back, kept=kept)

    def _made_watch(self) -> Watch:
        orphans = OrphanEndpoints(self._board, self._shelf, self._trial, self._switchboard, self._bus)
        return Watch(
            self._folder.instance, self._board, self._shelf, self._engine, self._trial, self._bus, self._loop,
            self._switchboard, orphans, self._stages.go_back, self._claims, self._meters.see,
        )  # fmt: skip

    def _made_deployments(self, crew: Crew) -> Deployments:
        return Deployments(
            self._board, self._shelf, self._maker, self._trial, self._switchboard, self._stages, self._claims, crew,
            self._loop, self._engine,
        )  # fmt: skip

    def _made_followers(self, resolve_at: ResolveAt) -> tuple[AliasFollower, LedVersions]:
        """Return what goes with aliases, and what leads endpoints beside that."""
        moved = MovedDeployments(self._shelf, self._claims, self._deployments, self._switchboard.gatekeeper.ensure)
        follower = AliasFollower(self._board, resolve_at, moved.begin)
        go_on, promote = self._scaler.go_on, self.promote
        return follower, LedVersions(self._board, self._stages, moved, go_on, promote, follower.look_soon)

    # -- life ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Take up what an earlier agent left: adopt what runs, go on with what was under way, then watch."""
        for endpoint in self._board.all():
            if endpoint.state in _UNDER_WAY:
                self._deployments.take_up(endpoint)
        if self._board.all():
            self._switchboard.route()
        self._stages.take_up()
        self._truce.take_up()
        self._beside.sweep()
        self._loop.repeat("endpoint-network", _NETWORK_SECONDS, self._switchboard.look_at_network)
        self._loop.repeat("endpoints", _LOOK_SECONDS, self._watch.look)
        self._loop.repeat("endpoint-logs", _RETIRE_SECONDS, self._switchboard.retire_logs)
        self._loop.repeat("endpoint-debts", _LOOK_SECONDS, self._debts.look)
        self._loop.repeat("gateway", self._gateway_pause, self._switchboard.watch)
        self._loop.start("endpoint-gpus", self.keep_gpus)
        self._follower.start(self._loop, self._bus)
        self._sleeper.listen(self._folder.endpoints / GATEWAY / BELL)
        self._loop.repeat("endpoint-scale", _SCALE_SECONDS, self._scaler.look)
        if names := [endpoint.name for endpoint in self._board.all()]:
            self._loop.start("endpoint-errors", lambda: self._meters.remember(names, self._loop.ending))
        self._loop.repeat("endpoint-load", _LOOK_SECONDS, self._switchboard.poll)

    def _gateway_pause(self) -> float:
        return _SCALE_SECONDS if self._switchboard.is_at_rest else _GATEWAY_SECONDS

    def close(self) -> None:
        """End with the loop. Containers and gateway go on."""
        self._switchboard.gatekeeper.refuse()

    def end_gateway(self) -> None:
        """End the gateway too (``agent stop --all``). Raises TimedOut."""
        self._switchboard.gatekeeper.end()

    # -- verbs ---------------------------------------------------------------------------------

    def deploy(
        self,
        model: str,
        name: str,
        *,
        runtime: str = choice.AUTO,
        shadow: bool = False,
        canary: float | None = None,
        replicas: int | None = None,
        open: bool | None = None,  # noqa: A002 - the word that people write
        gpus: int | None = None,
        follow: str | None = None,
        sleep_after: float | None = None,
        image: str | None = None,
        port: int | None = None,
        health: str | None = None,
        command: list_of[str] | None = None,
        wait: bool = True,
    ) -> DeployedEndpoint:
        """Deploy a version or an image; raises Invalid, NotFound, Refused, Unavailable when it can't even begin."""
        deploy_options.check_name(name)
        served = anyimage.alone(anyimage.asked(model, image, port, health, command), follow)
        query = deploy_options.parse_model(model) if served is None else None
        alias = (deploy_options.followed(query, follow) or query.alias) if query is not None else None
        model = model if query is None or follow is None else f"{query.name}@{follow}"
        percent, of_each = deploy_options.first_percent(shadow=shadow, canary=canary), check_gpus(gpus)
        scale = self._scale_asked(name, replicas, sleep_after)
        done = threading.Event()
        with self._claims.held(name):
            self._engine.info()
            at, began = time.time(), time.monotonic()
            version = self._resolve(model) if served is None else anyimage.version_of(self._engine, served)
            if served is None:
                self._check_runtime(runtime, version, of_each)
            self._switchboard.gatekeeper.ensure()
            found = f"{plain(version.name)}/{version.version} is meant by {plain(model or version.name)}"
            resolved = DeployStep("resolve", found, at, time.monotonic() - began)
            following = None if follow is None else AliasFollowing(version.version, at, percent)
            asked = DeployAsked(alias, runtime, resolved, percent, scale, of_each, follow, following, served)
            token = self._tokens.settle(name, self._board.find(name), is_open=open)
            self._deployments.begin(name, asked, version, current_caller(), done)
        return deployed(self._awaited(name, done, wait=wait), token)

    def token(self, name: str, *, revoke: bool = False) -> NewToken:
        """Make a new token; raises NotFound, Refused, TimedOut."""
        return self._token_issue.give(self._board.get(name), revokes=revoke)

    def list(self) -> list_of[Endpoint]:
        return self._board.all()

    def images(self, name: str) -> set[str]:
        """Return the names of the images that an endpoint's revisions use."""
        return self._images.of(name)

    def show(self, name: str) -> Endpoint:
        endpoint = self._board.get(name)
        revision = self._shelf.read(name, endpoint.revision)
        if revision is not None and (golden := served_example(revision.served)) is not None:
            return replace(endpoint, example=golden.body, example_path=golden.path, example_of="runtime")
        example, of = kept_example(self._shelf.place(name, endpoint.revision) / "model")
        return replace(endpoint, example=example, example_of=of)

    def load(self, name: str, seconds: float = 300.0) -> list_of[PastTraffic]:
        return self._board.past(name, seconds)

    def stop(self, name: str) -> Endpoint:
        stopped = self._stopped(name)
        self._switchboard.check_followed(f"Endpoint {name} is stopped")
        return stopped

    def _stopped(self, name: str) -> Endpoint:
        endpoint = self._board.get(name)
        self._deployments.forget(name)
        stopped = self._board.change(
            name,
            lambda known: replace(
                known,
                state=EndpointState.STOPPED,
                replicas=(),
                traffic={},
                rollout=None,
                reason=None,
                shortage=None,
                asleep_since=None,
                lent=None,
                claimed=(),
                paused=None,
            ),
        )
        self._switchboard.bring_in()
        for container in {*self._trial.containers_of(name), *(one.container for one in endpoint.replicas)}:
            self._trial.end(container)
        return stopped

    def remove(self, name: str) -> Endpoint:
        removed = self._stopped(name)
        images = self._images.of(name)
        self._shelf.clear(name)  # first: files without a record would be taken for a record that was lost
        self._tokens.forget(name)  # before its name is free: they must not open the next one of that name
        self._board.remove(name)
        self._switchboard.forget(name)
        self._switchboard.bring_in()
        self._images.drop(images)
        if not self._board.all():
            self._trial.drop_network()
        self._switchboard.check_followed(f"Endpoint {name} is removed")
        return removed

    def logs(self, name: str, tail: int = 200, replica: str | None = None, *, build: bool = False) -> Iterator[str]:
        """Return the newest lines of a replica, or of the newest revision's build; raises NotFound, Unavailable."""
        endpoint = self._board.get(name)
        lines = max(1, min(tail, _LINES_LIMIT))
        if endpoint.replicas and not build:
            return self._engine.logs(self._trial.speaker(name, _replica_of(endpoint, replica)), tail=lines)
        return iter(self._shelf.build_output(endpoint, lines))

    # -- for other features --------------------------------------------------------------------

    def keep_gpus(self) -> None:
        """Go on holding the GPUs of what an earlier agent has started."""
        for endpoint in self._board.all():
            for replica in (one for one in endpoint.replicas if one.gpus):
                revision = self._shelf.read(endpoint.name, replica.revision)
                if revision is not None:
                    self._trial.keep_gpus(revision, replica)

    def check(self) -> Check:
        """Tell the doctor which endpoints still run on a bridge, from where they reach services of this machine."""
        return socket_handover.check(self._board.all())

    # -- small things --------------------------------------------------------------------------

    def _awaited(self, name: str, done: threading.Event, *, wait: bool) -> Endpoint:
        if wait:
            done.wait(self._longest_seconds())
        return self._board.get(name)

    def _scale_asked(self, name: str, replicas: int | None, sleep_after: float | None) -> EndpointScale | None:
        """Return how many replicas a deployment asks for; None for as many as there have been. Raises Invalid."""
        known = self._board.find(name)
        if replicas is None and sleep_after is None:
            return None
        return scale_of(known.scale if known else EndpointScale(), replicas, sleep_after=sleep_after)

    def _longest_seconds(self) -> float:
        build = self._settings.number("serving.build_timeout_seconds")
        return build + self._settings.number("serving.start_timeout_seconds") + _SPARE_SECONDS


def _replica_of(endpoint: Endpoint, wanted: str | None) -> Replica:
    """Return the replica that is meant: the newest one where none is named. Raises NotFound."""
    known = {replica.container: replica for replica in endpoint.replicas}
    if wanted is not None and wanted not in known:
        raise NotFound(f"Endpoint {endpoint.name} has no replica {plain(wanted, 80)}.", f"It has {', '.join(known)}.")
    return endpoint.replicas[-1] if wanted is None else known[wanted]
