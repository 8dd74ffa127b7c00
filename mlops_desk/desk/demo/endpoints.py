"""Endpoints that are only told of, for the demo; their load follows the hours of the day, and slow waves."""

import itertools
import math
import time
from builtins import list as list_of
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mlops_desk.base.errors import Hint, NotFound, Refused
from mlops_desk.desk.demo import traffic
from mlops_desk.desk.demo.failed_endpoint import BUILD_OUTPUT, failed_endpoint
from mlops_desk.records.event import EndpointChanged, EndpointRemoved
from mlops_desk.records.history import SeriesName
from mlops_desk.records.serving.access import DeployedEndpoint, NewToken, deployed
from mlops_desk.records.serving.asking import Tried
from mlops_desk.records.serving.endpoint import (
    Endpoint,
    EndpointRevision,
    EndpointScale,
    EndpointState,
    ModelRef,
    PastTraffic,
    Replica,
    RevisionState,
    Traffic,
)
from mlops_desk.records.serving.request import LoggedRequest
from mlops_desk.records.serving.rollout import RolloutGuard
from mlops_desk.serving import plan
from mlops_desk.serving.access.tokens import fresh_token
from mlops_desk.serving.anyimage.facts import asked
from mlops_desk.serving.gateway.traffic import KEPT_SECONDS, Past
from mlops_desk.serving.logged.requests import query_of
from mlops_desk.serving.meters.series import LONG_STEP_SECONDS
from mlops_desk.serving.metrics import ENDPOINT
from mlops_desk.serving.replicas.wishes import check_gpus, scale_of
from mlops_desk.serving.rollout.ladder import begin
from mlops_desk.serving.service import EndpointsService
from mlops_desk.storage.history.chunks import TIER_SECONDS
from mlops_desk.storage.request_log.query import RequestQuery

if TYPE_CHECKING:
    from mlops_desk.desk.house import Desk

QUARTER_SECONDS = TIER_SECONDS[-1]
_LOGGED = 100_000  # chosen: two days of the log
_TICK_SECONDS = 2.0  # chosen: the load moves while one looks
_AGE_SECONDS = 21 * 86_400.0  # chosen: they are as old as the model's first version
_FINE_SECONDS = 6 * 3600.0  # chosen: what one looks at first has a point a minute
_DEPLOYED = (("churn-prod", "churn@champion", 42.0), ("churn-eu", "churn/2", 7.5))
_COLUMNS = {"tenure_months": 14, "monthly_charges": 71.5, "support_tickets": 2}
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
        self._told_until = time.time()
        self._rates = {name: rate for name, _, rate in _DEPLOYED}

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
        plan.check_name(name)
        if asked(model, image, port, health, command) is not None:
            raise Refused("The demo has no images.", "Name one of its models: churn@champion.")
        percent = plan.first_percent(shadow=shadow, canary=canary)
        scale_of(EndpointScale(), replicas, sleep_after=sleep_after)
        check_gpus(gpus)
        query = plan.parse_model(model)
        model = model if plan.followed(query, follow) is None else f"{query.name}@{follow}"
        version = self._desk.registry_core.resolve(model)
        known = self._played.get(name)
        number = max((one.revision for one in known.revisions), default=0) + 1 if known else 1
        now = time.time()
        uri = f"models:/{version.name}/{version.version}"
        ref = ModelRef(version.name, version.version, uri, model.partition("@")[2] or None, version.run_id)
        made = EndpointRevision(
            number, ref, RevisionState.LIVE, 100.0, "training", now, "lab/tabular:1.4", is_kept=True
        )
        required = (known is None or known.token_required) if open is None else not open
        token = fresh_token() if required and not (known and known.token_required) else None
        if known is None or not known.replicas or percent is None:
            shown = self._tell(replace(self._with_live(known, name, made, now), token_required=required))
            return deployed(shown if replicas is None else self.scale(name, replicas), token)
        known = replace(known, token_required=required)
        begun = begin(number, percent, RolloutGuard(), now)
        shares = {str(known.revision): 1.0 - percent / 100.0, str(number): percent / 100.0}
        made = replace(made, state=RevisionState.CANARY if percent else RevisionState.SHADOW)
        beside = (*known.replicas, Replica(f"mld-demo-{name}-r{number}", number, "running", "127.77.1.3"))
        changed = replace(known, rollout=begun, revisions=(*known.revisions, made), replicas=beside, updated_at=now)
        return deployed(self._tell(_shared(changed, shares)), token)

    def token(self, name: str, *, revoke: bool = False) -> NewToken:
        endpoint = self.show(name)
        return NewToken(name, fresh_token(), 1 if revoke else 2, endpoint.token_required, endpoint.url)

    def scale(
        self, name: str, replicas: int | None = None, least: int | None = None, most: int | None = None
    ) -> Endpoint:
        known = self.show(name)
        scale = scale_of(known.scale, replicas, least, most)
        wanted = min(max(known.wanted, scale.least), scale.most)
        replicas_of = tuple(
            Replica(
                plan.container_name("demo", name, known.revision, number),
                known.revision,
                "running",
                "127.77.1.2",
                number,
            )
            for number in range(1, wanted + 1)
        )
        return self._tell(replace(known, scale=scale, wanted=wanted, ready=wanted, replicas=replicas_of))

    def split(self, name: str, shares: list_of[str]) -> Endpoint:
        percents = plan.parse_shares(shares)
        return self._tell(_shared(self.show(name), {str(number): part / 100.0 for number, part in percents.items()}))

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
        """Return the endpoint with a revision that answers all requests."""
        others = tuple(
            replace(one, state=RevisionState.RETIRED, traffic=0.0)
            for one in (known.revisions if known else ())
            if one.revision != made.revision
        )
        live = replace(made, state=RevisionState.LIVE, traffic=100.0)
        return Endpoint(
            name=name,
            state=EndpointState.LIVE,
            url=f"http://127.0.0.1:8900/{name}",
            revision=made.revision,
            model=made.model,
            replicas=(Replica(f"mld-demo-{name}-r{made.revision}", made.revision, "running", "127.77.1.2"),),
            traffic={str(made.revision): 1.0},
            created_at=known.created_at if known else now,
            updated_at=now,
            revisions=tuple(sorted((*others, live), key=lambda one: one.revision)),
            token_required=known is None or known.token_required,
        )

    def lend(self, name: str) -> Endpoint:
        raise Refused(f"Endpoint {name} of the demo has no GPU to lend.")

    def claim(self, name: str) -> Endpoint:
        raise Refused(f"Endpoint {name} of the demo has lent none.")

    def wake(self, name: str) -> Endpoint:
        return self.show(name)

    def list(self) -> list_of[Endpoint]:
        return sorted(self._played.values(), key=lambda endpoint: endpoint.name)

    def try_(self, name: str, data: str | None = None) -> Tried:
        endpoint = self.show(name)
        if not endpoint.replicas:
            raise Refused(f"Endpoint {name} is {endpoint.state}, so it can't be tried.")
        return traffic.tried(endpoint, data, time.time())

    def show(self, name: str) -> Endpoint:
        try:
            return replace(self._played[name], example={"dataframe_records": [_COLUMNS]})
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

    def logs(self, name: str, tail: int = 200, replica: str | None = None) -> Iterator[str]:  # noqa: ARG002 - all say the same
        self.show(name)
        lines = BUILD_OUTPUT if self._played[name].state is EndpointState.FAILED else _OUTPUT
        return iter(lines[-tail:])

    def requests(
        self,
        name: str,
        since: float | None = None,
        status: str | None = None,
        slower: str | None = None,
        limit: int = 100,
    ) -> list_of[LoggedRequest]:
        endpoint, query = self.show(name), query_of(since, status, slower, limit)
        canary = endpoint.rollout.revision if endpoint.rollout is not None else None
        made = itertools.islice(traffic.logged(endpoint.revision, canary, time.time()), _LOGGED)
        if not endpoint.replicas:
            return []
        return list(itertools.islice(filter(partial(_fits, query), made), limit))

    def _tell(self, endpoint: Endpoint) -> Endpoint:
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
                self._tell(replace(endpoint, load=load, latency=traffic.latency_of(load), errors=errors))
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


def _shared(endpoint: Endpoint, shares: dict[str, float]) -> Endpoint:
    """Return the endpoint with its requests shared out so."""
    told = tuple(replace(one, traffic=100.0 * shares.get(str(one.revision), 0.0)) for one in endpoint.revisions)
    return replace(endpoint, traffic=shares, revisions=told)


def _fits(query: RequestQuery, one: LoggedRequest) -> bool:
    return (
        one.received_at >= query.since
        and query.least_status <= one.status <= query.most_status
        and (query.slower_seconds is None or one.latency_seconds > query.slower_seconds)
    )
