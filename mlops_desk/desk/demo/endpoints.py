"""Endpoints that are only told of, for the demo; their load follows the hours of the day, and slow waves."""

import itertools
import math
import time
from builtins import list as list_of
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mlops_desk.desk.demo import endpoint_lifecycle, experiments, traffic
from mlops_desk.desk.demo.build_failure import BUILD_OUTPUT, failed_endpoint
from mlops_desk.desk.demo.pipelines import DemoLed
from mlops_desk.desk.demo.scenario.labels import PlayedLabels
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import Hint, NotFound, Refused
from mlops_desk.kit.storage.history.chunks import TIER_SECONDS
from mlops_desk.kit.storage.request_log.query import RequestQuery
from mlops_desk.machine.records.event import EndpointChanged, EndpointRemoved
from mlops_desk.machine.records.history import SeriesName
from mlops_desk.machine.telemetry.simulation.workloads import SERVER_GPUS
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving import deploy_options
from mlops_desk.serving.access import fresh_token
from mlops_desk.serving.alias_sync import decide
from mlops_desk.serving.custom_image import asked
from mlops_desk.serving.experiments.version_scorer import Weighed, WeighingOrder
from mlops_desk.serving.export.form import foreign_place, format_of
from mlops_desk.serving.gateway.traffic import KEPT_SECONDS, Past
from mlops_desk.serving.meters import LONG_STEP_SECONDS
from mlops_desk.serving.metrics import ENDPOINT
from mlops_desk.serving.records.access import DeployedEndpoint, NewToken, deployed
from mlops_desk.serving.records.endpoint import (
    AliasFollowing,
    Endpoint,
    EndpointPause,
    EndpointRevision,
    EndpointScale,
    EndpointState,
    ModelRef,
    PastTraffic,
    Replica,
    RevisionState,
    Traffic,
)
from mlops_desk.serving.records.export import ExportedEndpoint
from mlops_desk.serving.records.model_fit import ModelFit
from mlops_desk.serving.records.request import FeedbackTaken, LoggedRequest
from mlops_desk.serving.records.rollout import RolloutGuard
from mlops_desk.serving.records.test_request import Replayed, Tried
from mlops_desk.serving.records.variants import VariantComparison
from mlops_desk.serving.replicas import check_gpus, scale_of
from mlops_desk.serving.request_log.requests import own_file, query_of
from mlops_desk.serving.rollout import begin
from mlops_desk.serving.service import EndpointsService

if TYPE_CHECKING:
    from mlops_desk.desk.desk import Desk

QUARTER_SECONDS = TIER_SECONDS[-1]
_LOGGED = 100_000  # chosen: two days of the log
_CLAIM_SECONDS = 3.0  # chosen: long enough to be seen, and a third of what a real one may take
_TICK_SECONDS = 2.0  # chosen: the load moves while one looks
_DRAFTS_A_SECOND = 1.6  # chosen: a small team of support
_AGE_SECONDS = 21 * 86_400.0  # chosen: they are as old as the model's first version
_FINE_SECONDS = 6 * 3600.0  # chosen: what one looks at first has a point a minute
_DEPLOYED = (("churn-prod", "churn@champion", 42.0), ("churn-eu", "churn/2", 7.5))
ON_GPU = ("support-drafts", "mistral-support@champion")
_ASLEEP = ("line-defects", "resnet50@champion", 1800.0)  # it sleeps after half an hour without a request
_COLUMNS = {"tenure_months": 14, "monthly_charge": 71.5, "support_calls": 2}
_SAID = "The invoice came twice. What do I do?"
_OUTPUT = (
    "INFO: Started server process [1]",
    "INFO: Application startup complete.",
    'INFO: 127.0.0.1:0 - "POST /invocations HTTP/1.1" 200 OK',
)


class DemoEndpoints(EndpointsService):
    """The verbs of the real service, without containers and gateway."""

    def __init__(self, desk: "Desk") -> None:
        super().__init__(
            desk.folder, desk.state, desk.bus, desk.loop, desk.store, desk.engine, desk.registry_core.find,
            desk.registry_core.download_model,
        )  # fmt: skip
        self._desk = desk
        self._played: dict[str, Endpoint] = {}
        self._past = Past()
        self._labels = PlayedLabels()
        self.led = DemoLed(self, self._tell, desk.loop)
        self._told_until = time.time()
        self._rates = {name: rate for name, _, rate in _DEPLOYED} | {ON_GPU[0]: _DRAFTS_A_SECOND}

    def start(self) -> None:
        now = time.time()
        for name, model, rate in _DEPLOYED:
            self.deploy("churn/1", name)
            self.deploy(model, name)
            made = replace(self.show(name), created_at=now - _AGE_SECONDS)
            for ago in range(int(KEPT_SECONDS), 0, -int(_TICK_SECONDS)):
                at = now - ago
                made = replace(made, load=self._load(made, at, round(rate * (_AGE_SECONDS - ago))))
                if made.load is not None:
                    self._past.note(name, made.load, at)
            self._tell(made)
            self._record(made, _starts(now - _AGE_SECONDS, now - _FINE_SECONDS, QUARTER_SECONDS))
            self._record(made, _starts(now - _FINE_SECONDS, now, LONG_STEP_SECONDS))
        name, model, sleep_after = _ASLEEP
        self.deploy(model, name, sleep_after=sleep_after)
        idle = Reason("idle", "Nobody has asked it anything for 30 minutes. The next request wakes it.")
        asleep = endpoint_lifecycle.asleep(self.show(name), now - sleep_after, idle)
        self._tell(replace(asleep, load=Traffic()))  # nobody has ever asked it
        self._tell(failed_endpoint(now, "churn-lab", self._desk.registry_core.resolve("churn@champion")))
        self._told_until = now
        self._desk.loop.repeat("demo-endpoints", _TICK_SECONDS, self._move)

    def end_gateway(self) -> None:
        """There is none."""

    def deploy(
        self,
        model: str,
        name: str,
        *,
        runtime: str = "auto",  # noqa: ARG002 - nothing runs
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
        wait: bool = True,  # noqa: ARG002 - ready at once
    ) -> DeployedEndpoint:
        deploy_options.check_name(name)
        if asked(model, image, port, health, command) is not None:
            raise Refused("The demo has no images.", "Name one of its models: churn@champion.")
        percent = deploy_options.first_percent(shadow=shadow, canary=canary)
        known = self._played.get(name)
        scale = scale_of(known.scale if known else EndpointScale(), replicas, sleep_after=sleep_after)
        of_each = check_gpus(gpus)
        query = deploy_options.parse_model(model)
        model = model if deploy_options.followed(query, follow) is None else f"{query.name}@{follow}"
        version = self._desk.registry_core.resolve(model)
        number = max((one.revision for one in known.revisions), default=0) + 1 if known else 1
        now = time.time()
        uri = f"models:/{version.name}/{version.version}"
        ref = ModelRef(version.name, version.version, uri, model.partition("@")[2] or None, version.run_id)
        if of_each is None:
            of_each = known.revisions[-1].gpus if known and known.revisions else 0
        made = EndpointRevision(
            number, ref, RevisionState.LIVE, 100.0, "training", now, "lab/tabular:1.4", is_kept=True, gpus=of_each
        )
        following = None if follow is None else AliasFollowing(version.version, now, percent)
        required = (known is None or known.token_required) if open is None else not open
        token = fresh_token() if required and not (known and known.token_required) else None
        if known is None or not known.replicas or percent is None:
            live = replace(self._with_live(known, name, made, now), follows=follow, following=following)
            told = endpoint_lifecycle.scaled(replace(live, token_required=required), scale, self._gpus_of(live))
            return deployed(self._tell(told), token)
        known = replace(known, token_required=required, follows=follow, following=following, scale=scale)
        begun = begin(number, percent, RolloutGuard(), now)
        shares = {str(known.revision): 1.0 - percent / 100.0, str(number): percent / 100.0}
        made = replace(made, state=RevisionState.CANARY if percent else RevisionState.SHADOW)
        beside = (*known.replicas, Replica(f"mld-demo-{name}-r{number}", number, "running", "127.77.1.3"))
        changed = replace(known, rollout=begun, revisions=(*known.revisions, made), replicas=beside, updated_at=now)
        return deployed(self._tell(endpoint_lifecycle.shared(changed, shares)), token)

    def token(self, name: str, *, revoke: bool = False) -> NewToken:
        endpoint = self.show(name)
        return NewToken(name, fresh_token(), 1 if revoke else 2, endpoint.token_required, endpoint.url)

    def scale(
        self,
        name: str,
        replicas: int | None = None,
        least: int | None = None,
        most: int | None = None,
        sleep_after: float | None = None,
    ) -> Endpoint:
        known = self.show(name)
        scale = scale_of(known.scale, replicas, least, most, sleep_after)
        return self._tell(endpoint_lifecycle.scaled(known, scale, self._gpus_of(known)))

    def follow(self, name: str, alias: str, canary: float | None = None) -> Endpoint:
        known = self.show(name)
        percent = deploy_options.first_percent(shadow=False, canary=canary)
        deploy_options.followed(deploy_options.ModelQuery(known.model.name), alias)
        version = self._desk.registry_core.resolve(f"{known.model.name}@{alias}")
        changed = self._tell(endpoint_lifecycle.following(known, alias, version.version, time.time(), percent))
        if version.version == known.model.version:
            return changed
        return self.deploy(f"{known.model.name}@{alias}", name, canary=percent, follow=alias)

    def pin(self, name: str) -> Endpoint:
        return self._tell(replace(self.show(name), follows=None, following=None))

    def split(self, name: str, shares: list_of[str]) -> Endpoint:
        percents = deploy_options.parse_shares(shares)
        return self._tell(
            endpoint_lifecycle.shared(self.show(name), {str(number): part / 100.0 for number, part in percents.items()})
        )

    def promote(self, name: str, revision: int | None = None) -> Endpoint:
        endpoint = self.show(name)
        wanted = revision or (endpoint.rollout.revision if endpoint.rollout else endpoint.revision)
        made = next((one for one in endpoint.revisions if one.revision == wanted), None)
        if made is None:
            raise NotFound(f"Endpoint {name} has no revision {wanted}.", Hint(f"mlops-desk endpoints show {name}"))
        return self._tell(self._with_live(endpoint, name, made, time.time()))

    def rollback(self, name: str) -> Endpoint:
        endpoint = self.show(name)
        before = [one.revision for one in endpoint.revisions if one.revision < endpoint.revision]
        if endpoint.rollout is not None:
            return self.promote(name, endpoint.revision)
        if not before:
            raise Refused(f"Endpoint {name} has no revision to go back to.", Hint(f"mlops-desk endpoints show {name}"))
        return self.promote(name, before[-1])

    def _with_live(self, known: Endpoint | None, name: str, made: EndpointRevision, now: float) -> Endpoint:
        return endpoint_lifecycle.with_live(known, name, made, now, self._gpus_of(known))

    def _gpus_of(self, known: Endpoint | None) -> list_of[str]:
        """Return GPUs for an endpoint: those that it has, then the server's; each other one is held by a job."""
        held = [gpu for replica in (known.replicas if known else ()) for gpu in replica.gpus]
        lent = list(known.lent.gpus) if known is not None and known.lent is not None else []
        known_gpus = self._desk.telemetry.gpu_facts()
        others = [gpu.uuid for gpu in sorted(known_gpus, key=lambda gpu: (gpu.index not in SERVER_GPUS, -gpu.index))]
        return list(dict.fromkeys((*held, *lent, *others)))

    def lend(self, name: str) -> Endpoint:
        return self._tell(endpoint_lifecycle.lent(self.show(name), time.time()))

    def claim(self, name: str) -> Endpoint:
        known = self.show(name)
        waits = self._tell(endpoint_lifecycle.claimed(known))
        self._desk.loop.start(f"demo-claim-{name}", partial(self._come_back, name, self._gpus_of(known)))
        return waits

    def _come_back(self, name: str, gpus: list_of[str]) -> None:
        """Have an endpoint back that had lent its GPUs, unless it is gone by then."""
        if not self._desk.loop.ending.wait(_CLAIM_SECONDS) and name in self._played:
            known = self._played[name]
            if known.state is EndpointState.ASLEEP and known.lent is None:
                self._tell(endpoint_lifecycle.awake(known, gpus))

    def pause(self, name: str, why: str | None = None) -> Endpoint:
        pause = EndpointPause(time.time(), current_caller().user, why)
        return self._tell(replace(self.show(name), paused=pause))

    def resume(self, name: str) -> Endpoint:
        return self._tell(replace(self.show(name), paused=None))

    def sleep(self, name: str) -> Endpoint:
        reason = Reason("put_to_sleep", "It was put to sleep. The next request wakes it.")
        return self._tell(endpoint_lifecycle.asleep(self.show(name), time.time(), reason))

    def wake(self, name: str) -> Endpoint:
        known = self.show(name)
        if known.lent is not None:
            raise Refused(f"Endpoint {name} has lent its GPUs.", Hint(f"mlops-desk endpoints claim {name}"))
        if known.state is not EndpointState.ASLEEP:
            return known
        return self._tell(endpoint_lifecycle.awake(known, self._gpus_of(known)))

    def list(self) -> list_of[Endpoint]:
        return sorted(self._played.values(), key=lambda endpoint: endpoint.name)

    def try_(self, name: str, data: str | None = None) -> Tried:
        endpoint = self.show(name)
        if not endpoint.replicas:
            raise Refused(f"Endpoint {name} is {endpoint.state}, so it can't be tried.")
        return traffic.tried(endpoint, data, time.time())

    def replay(
        self,
        name: str,
        *,
        revision: int,
        since: float | None = None,
        limit: int = 200,
        rate: float = 20.0,
        ticket: str | None = None,
    ) -> Replayed:
        with self._beside.works.begun("The replay", ticket) as work:
            asked = self.requests(name, since, "2xx", limit=limit)
            return experiments.replayed(self.show(name), revision, asked, rate, work)

    def compare(
        self,
        model: str,
        *,
        variants: str = "float32,float16,int8",
        threads: str = "",
        data: str | None = None,  # noqa: ARG002 - nothing is asked
        label: str | None = None,  # noqa: ARG002 - likewise
        ticket: str | None = None,
    ) -> VariantComparison:
        version = self._desk.registry_core.resolve(model)
        with self._beside.works.begun("The comparison", ticket) as work:
            return experiments.compared(version.name, version.version, variants, threads, work)

    def export(
        self,
        name: str,
        out: str,
        *,
        format: str,  # noqa: A002 - the option's word
        revision: int | None = None,
        key: str | None = None,  # noqa: ARG002 - nothing is signed
        base: str | None = None,
        wheels: str | None = None,
        platform: str | None = None,
        ticket: str | None = None,
    ) -> ExportedEndpoint:
        endpoint, wanted = self.show(name), format_of(format)
        read = [None if one is None else own_file(one) for one in (base, wheels)]
        if foreign_place(read[0], read[1], platform) is not None:
            raise Refused("The demo has no image to lay upon a base.", "Leave --base and --wheels out.")
        with self._beside.works.begun("The export", ticket) as work:
            return experiments.exported(endpoint, revision or endpoint.revision, own_file(out), wanted, work)

    def weigh(self, _version: ModelVersion, order: WeighingOrder, ticket: str | None) -> Weighed:
        with self._beside.works.begun("The weighing", ticket) as work:
            return experiments.weighed(order, work)

    def fit(self, model: str, gpus: int | None = None) -> ModelFit:
        version = self._desk.registry_core.resolve(model)
        free = [gpu.index for gpu in self._desk.telemetry.gpu_facts()]
        return experiments.fitted(version.name, version.version, check_gpus(gpus) or 0, free)

    def show(self, name: str) -> Endpoint:
        try:
            return replace(self._played[name], **_example(self._played[name]))
        except KeyError:
            raise NotFound(f"There is no endpoint {name!r}.", Hint("mlops-desk endpoints list")) from None

    def load(self, name: str, seconds: float = 300.0) -> list_of[PastTraffic]:
        self.show(name)
        return self._past.since(name, seconds)

    def stop(self, name: str) -> Endpoint:
        return self._tell(replace(self.show(name), state=EndpointState.STOPPED, replicas=(), traffic={}, load=None))

    def remove(self, name: str) -> Endpoint:
        endpoint = self.show(name)
        del self._played[name]
        self._past.forget(name)
        self._desk.bus.publish(EndpointRemoved(name))
        return endpoint

    def logs(self, name: str, tail: int = 200, replica: str | None = None, *, build: bool = False) -> Iterator[str]:  # noqa: ARG002 - all say the same
        known = self.show(name)
        lines = BUILD_OUTPUT if build or known.state is EndpointState.FAILED else _OUTPUT
        return iter(lines[-tail:])

    def requests(
        self,
        name: str,
        since: float | None = None,
        status: str | None = None,
        slower: str | None = None,
        limit: int = 100,
        until: float | None = None,
        revision: int | None = None,
    ) -> list_of[LoggedRequest]:
        query = query_of(since, status, slower, limit, until, revision)
        made = self._made(self.show(name), min(until or math.inf, time.time()))
        return list(itertools.islice(filter(partial(_fits, query), made), limit))

    def logged(self, name: str, request_id: str) -> list_of[LoggedRequest]:
        made = self._made(self.show(name), time.time())
        return list(itertools.islice((one for one in made if one.request_id == request_id), 1))

    def feedback(self, name: str, file: str) -> FeedbackTaken:
        return self._labels.take(self.show(name).name, own_file(file))

    def _made(self, endpoint: Endpoint, until: float) -> Iterator[LoggedRequest]:
        """Yield what is logged of an endpoint, newest first, with what people said of it."""
        canary = endpoint.rollout.revision if endpoint.rollout is not None else None
        made = itertools.islice(traffic.logged(endpoint.revision, canary, until), _LOGGED)
        return self._labels.labelled(endpoint.name, made if endpoint.replicas else ())

    def _tell(self, endpoint: Endpoint) -> Endpoint:
        if endpoint.following is not None:
            waits = decide(endpoint, endpoint.following).waits_for
            endpoint = replace(endpoint, following=replace(endpoint.following, waits_for=waits))
        self._played[endpoint.name] = endpoint
        self._desk.bus.publish(EndpointChanged(endpoint))
        return endpoint

    def _move(self) -> None:
        now = time.time()
        for endpoint in self.list():
            if endpoint.state is EndpointState.LIVE:
                load = self._load(endpoint, now, endpoint.load.requests_total if endpoint.load else 0)
                self._past.note(endpoint.name, load)
                errors = traffic.errors_of(self._rates.get(endpoint.name, 1.0))
                # It may have been there before the driver told of any GPU.
                lacks = endpoint_lifecycle.lacks_gpus(endpoint)
                shown = endpoint_lifecycle.awake(endpoint, self._gpus_of(endpoint)) if lacks else endpoint
                self._tell(replace(shown, load=load, latency=traffic.latency_of(load), errors=errors))
                self._record(endpoint, _starts(self._told_until, now, LONG_STEP_SECONDS))
        self._told_until = now

    def _record(self, endpoint: Endpoint, times: Sequence[float]) -> None:
        """Put figures of some times into the history, of an endpoint and of its revisions."""
        usual = self._rates.get(endpoint.name, 1.0)
        shares = {f"{endpoint.name}/{number}": share for number, share in endpoint.traffic.items()}
        for key, share in {endpoint.name: 1.0, **shares}.items():
            loads = [(at, traffic.load_of(usual * share, at, _TICK_SECONDS, 0)) for at in times]
            figures = [(at, traffic.figures(load, at)) for at, load in loads]
            for metric in figures[0][1] if figures else ():
                points = [(at, value) for at, one in figures if (value := one[metric]) is not None]
                self._desk.telemetry.record(SeriesName(ENDPOINT, key, metric), points)

    def _load(self, endpoint: Endpoint, at: float, before: int) -> Traffic:
        return traffic.load_of(self._rates.get(endpoint.name, 1.0), at, _TICK_SECONDS, before)


def _starts(start: float, end: float, every: float) -> list[float]:
    """Return where the stretches of ``every`` seconds begin that begin between two times."""
    return [number * every for number in range(math.ceil(start / every), math.ceil(end / every))]


def _example(endpoint: Endpoint) -> dict[str, Any]:
    """Return a request that works: a row of numbers, or for one that writes, what somebody says to it."""
    if endpoint.model.name == ON_GPU[1].partition("@")[0]:
        return {"example": {"messages": [{"role": "user", "content": _SAID}], "max_tokens": 200}, "example_of": "model"}
    return {"example": {"dataframe_records": [_COLUMNS]}, "example_of": "model"}


def _fits(query: RequestQuery, one: LoggedRequest) -> bool:
    return (
        query.since <= one.received_at
        and (query.until is None or one.received_at < query.until)
        and query.least_status <= one.status <= query.most_status
        and (query.slower_seconds is None or one.latency_seconds > query.slower_seconds)
        and query.revision in {None, one.revision}
        and (bool(one.feedback) or not query.has_feedback)
    )
