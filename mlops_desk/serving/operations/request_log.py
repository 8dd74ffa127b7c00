"""The verbs about an endpoint's logged requests, and what drift reads of them: the service has them from here."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from mlops_desk.drift.records.columns import KINDS_OF_SIGNATURES
from mlops_desk.governance.records.data.retention import LogKeep
from mlops_desk.kit.storage.request_log.query import RequestQuery
from mlops_desk.kit.storage.request_log.reader import newest
from mlops_desk.kit.storage.requests import LogWindow
from mlops_desk.serving.endpoint_store import EndpointBoard
from mlops_desk.serving.records.endpoint import Endpoint
from mlops_desk.serving.records.request import FeedbackTaken, LoggedRequest
from mlops_desk.serving.request_log.redaction import Columns
from mlops_desk.serving.request_log.requests import REQUESTS_LIMIT, RequestDesk, own_file, query_of
from mlops_desk.serving.revision import Shelf
from mlops_desk.serving.routing_sync import Switchboard


class LoggedVerbs(ABC):
    """Stands on what the service has made."""

    _board: EndpointBoard
    _shelf: Shelf
    _requests: RequestDesk
    _switchboard: Switchboard

    @abstractmethod
    def show(self, name: str) -> Endpoint:
        """Return an endpoint. Raises NotFound."""

    def requests(
        self,
        name: str,
        since: float | None = None,
        status: str | None = None,
        slower: str | None = None,
        limit: int = 100,
        until: float | None = None,
        revision: int | None = None,
    ) -> list[LoggedRequest]:
        """List logged requests, newest first. Raises Invalid, NotFound, TimedOut."""
        query = query_of(since, status, slower, limit, until, revision)
        return self._requests.find(self.show(name).name, query)

    def logged(self, name: str, request_id: str) -> list[LoggedRequest]:
        """Return the rows of one logged request, however old. Raises NotFound, TimedOut."""
        return self._requests.find(self.show(name).name, RequestQuery(REQUESTS_LIMIT, request_id=request_id))

    def told_later(self, name: str) -> list[LoggedRequest]:
        """Return the newest rows of requests that have feedback, as many as a list gives. Raises NotFound, TimedOut."""
        return self._requests.find(self.show(name).name, RequestQuery(REQUESTS_LIMIT, has_feedback=True))

    def feedback(self, name: str, file: str) -> FeedbackTaken:
        """Take what turned out later from a file. Raises Invalid, NotFound, Refused, TimedOut."""
        return self._requests.take_feedback(self.show(name).name, own_file(file), self._switchboard.redaction.of(name))

    def written_log(self, name: str) -> Path:
        """Return where an endpoint's log lies, with all that was answered until now. Raises NotFound."""
        folder = self._switchboard.log_folder(name)
        self._switchboard.gatekeeper.roll()
        return folder

    def redaction_key(self, name: str) -> str:
        """Return the key by which values of an endpoint's log are hashed, in hex. Raises Unavailable."""
        return self._switchboard.redaction.key(name)

    def follow_redaction(self, columns: Columns) -> None:
        """Have logs written by these rules, from the gateway's next table on."""
        self._switchboard.redaction.columns = columns

    def follow_keeping(self, keep: Callable[[str], LogKeep]) -> None:
        """Have logs kept as long as ``keep`` says of each endpoint, from the gateway's next table on."""
        self._switchboard.keep_of = keep

    def apply_redaction(self) -> bool | None:
        """Have a gateway that runs go by the rules of now; False when it does not within some seconds, None without."""
        is_there = self._switchboard.gatekeeper.state is not None
        is_followed = self._switchboard.bring_in()
        return is_followed if is_there else None

    def request_window(self, name: str, rows: int, target: Path) -> LogWindow:
        """Write the newest ``rows`` answered rows of the live revision as one Parquet file of features."""
        endpoint = self._board.get(name)
        self._switchboard.gatekeeper.roll()
        folder = self._switchboard.log_folder(name)
        return newest(folder, rows, target, revision=endpoint.revision, since=endpoint.created_at)

    def first_rows(self, name: str, rows: int, target: Path, after: int = 0) -> LogWindow:
        """Write the first ``rows`` answered rows of the live revision, after some, as one Parquet file of features."""
        endpoint = self._board.get(name)
        self._switchboard.gatekeeper.roll()
        folder = self._switchboard.log_folder(name)
        return newest(folder, rows, target, revision=endpoint.revision, since=endpoint.created_at, oldest_after=after)

    def log_place(self, name: str) -> tuple[Path, tuple[int, ...], float]:
        """Return where an endpoint's log lies with all that was answered until now, and which of its rows count.

        Those of the revisions that serve the live model version, from a Unix time on. Raises NotFound.
        """
        endpoint = self._board.get(name)
        self._switchboard.gatekeeper.roll()
        model = endpoint.model.name, endpoint.model.version
        same = {one.revision for one in endpoint.revisions if (one.model.name, one.model.version) == model}
        return self._switchboard.log_folder(name), tuple(sorted(same | {endpoint.revision})), endpoint.created_at

    def kinds(self, name: str) -> dict[str, str | None]:
        """Return the live model's inputs by its signature, each with its kind for drift; None where it tells none."""
        revision = self._shelf.read(name, self._board.get(name).revision)
        features = revision.features if revision else ()
        return {feature.name: KINDS_OF_SIGNATURES.get(feature.kind) for feature in features}
