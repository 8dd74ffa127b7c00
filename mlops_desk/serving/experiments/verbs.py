"""The verbs about an endpoint's model beside its traffic, which the service of endpoints has from here."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.background_tasks import BesideWork
from mlops_desk.serving.experiments.acts import BesideTraffic
from mlops_desk.serving.experiments.version_scorer import ReadyVersion, Weighed, WeighingOrder
from mlops_desk.serving.export.form import foreign_place, format_of
from mlops_desk.serving.records.endpoint import Endpoint
from mlops_desk.serving.records.export import ExportedEndpoint
from mlops_desk.serving.records.network import NetworkEntrance
from mlops_desk.serving.records.task_progress import Undertaking
from mlops_desk.serving.records.test_request import Replayed, Tried
from mlops_desk.serving.records.variants import VariantComparison
from mlops_desk.serving.request_log.requests import own_file
from mlops_desk.serving.routing_sync import Switchboard


class BesideVerbs(ABC):
    """Stands on what the service has made."""

    _beside: BesideTraffic
    _switchboard: Switchboard
    _resolve: Callable[[str], ModelVersion]

    @abstractmethod
    def show(self, name: str) -> Endpoint:
        """Return an endpoint. Raises NotFound."""

    def begun(self, what: str, ticket: str | None) -> AbstractContextManager[BesideWork]:
        """Give work that is done inside, and known by its ticket, as all of minutes is. Raises Refused."""
        return self._beside.works.begun(what, ticket)

    def network(self) -> NetworkEntrance:
        """Return how endpoints are reached from other machines."""
        return self._switchboard.entrance.told()

    def try_(self, name: str, data: str | None = None) -> Tried:
        """Send one request by hand; raises Invalid, NotFound, TimedOut, Unavailable."""
        return self._beside.tries.send(self.show(name), data, self._switchboard.gatekeeper.state)

    def compare(
        self,
        model: str,
        *,
        variants: str = "float32,float16,int8",
        threads: str = "",
        data: str | None = None,
        label: str | None = None,
        ticket: str | None = None,
    ) -> VariantComparison:
        """Measure variants of a version. Raises Invalid, NotFound, Refused, TimedOut, Unavailable."""
        with self._beside.works.begun("The comparison", ticket) as work:
            return self._beside.variants.compare(self._resolve(model), variants, threads, data, label, work)

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
        """Send logged requests to a revision beside its traffic. Raises Invalid, NotFound, Refused, Unavailable."""
        with self._beside.works.begun("The replay", ticket) as work:
            return self._beside.replays.replay(self.show(name).name, revision, since, limit, rate, work)

    def export(
        self,
        name: str,
        out: str,
        *,
        format: str,  # noqa: A002 - the option's word
        revision: int | None = None,
        key: str | None = None,
        base: str | None = None,
        wheels: str | None = None,
        platform: str | None = None,
        ticket: str | None = None,
    ) -> ExportedEndpoint:
        """Write a revision down to be run elsewhere. Raises Invalid, NotFound, Refused, Unavailable."""
        wanted = format_of(format)
        to, signed_by = own_file(out), None if key is None else own_file(key)
        read = [None if one is None else own_file(one) for one in (base, wheels)]
        foreign = foreign_place(read[0], read[1], platform)
        endpoint = self.show(name)
        with self._beside.works.begun("The export", ticket) as work:
            number = revision or endpoint.revision
            return self._beside.exports.export(name, number, to, wanted, signed_by, work, foreign)

    @contextmanager
    def answering(self, version: ModelVersion, what: str, gpus: int = 0) -> Iterator[tuple[ReadyVersion, BesideWork]]:
        """Start a version beside everything else, with so many GPUs; raises Refused, TimedOut, Unavailable.

        It ends with the agent.
        """
        with self._beside.works.begun(what, None) as work, self._beside.scoring.ready(version, work, gpus) as ready:
            yield ready, work

    def weigh(self, version: ModelVersion, order: WeighingOrder, ticket: str | None) -> Weighed:
        """Find how much a version looks at its columns. Raises Invalid, Refused, TimedOut, Unavailable."""
        with self._beside.works.begun("The weighing", ticket) as work:
            return self._beside.weighing.weigh(version, order, work)

    def progress(self, ticket: str) -> Undertaking:
        """Tell how far something is that takes minutes; raises NotFound."""
        return self._beside.works.progress(ticket)

    def cancel(self, ticket: str) -> Undertaking:
        """Stop something that takes minutes; raises NotFound."""
        return self._beside.works.cancel(ticket)
