"""Verbs about endpoints."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.kit.verbs.declaration import (
    AbsolutePath,
    FileText,
    Length,
    Moment,
    Option,
    Rest,
    Switch,
    Ticket,
    Who,
    Word,
    changes,
    reads,
    reads_own,
)

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.serving.records.access import DeployedEndpoint, NewToken
    from mlops_desk.serving.records.endpoint import Endpoint, PastTraffic
    from mlops_desk.serving.records.export import ExportedEndpoint
    from mlops_desk.serving.records.model_fit import ModelFit
    from mlops_desk.serving.records.network import NetworkEntrance
    from mlops_desk.serving.records.request import FeedbackTaken, LoggedRequest
    from mlops_desk.serving.records.runtime_choice import RuntimeChoice
    from mlops_desk.serving.records.task_progress import Undertaking
    from mlops_desk.serving.records.test_request import Replayed, Tried
    from mlops_desk.serving.records.variants import VariantComparison


class Endpoints(Protocol):
    """Registered model versions that answer requests from containers behind the gateway."""

    @changes(who=Who.OWNER, timeout_seconds=7200.0, before="show", of=("endpoint", "name"))
    def deploy(
        self,
        model: Annotated[str, Word("MODEL", "MODEL, MODEL@ALIAS or MODEL/VERSION")],
        name: Annotated[str, Option("NAME")],
        *,
        runtime: Annotated[str, Option("RUNTIME", "auto, or a word of endpoints runtimes")] = "auto",
        shadow: bool = False,
        canary: Annotated[float | None, Option("PERCENT")] = None,
        replicas: Annotated[int | None, Option("NUMBER")] = None,
        open: Annotated[bool | None, Switch()] = None,  # noqa: A002 - the word that people write
        gpus: Annotated[int | None, Option("NUMBER")] = None,
        follow: Annotated[str | None, Option("ALIAS")] = None,
        sleep_after: Annotated[float | None, Length("sleep-after")] = None,
        image: Annotated[str | None, Option("IMAGE", "serve any image instead of a model")] = None,
        port: Annotated[int | None, Option("PORT", "port that the image's program listens on")] = None,
        health: Annotated[str | None, Option("PATH", "path by which the image says that it is well")] = None,
        command: Annotated["list_of[str] | None", Rest("COMMAND")] = None,
        wait: bool = True,
    ) -> "DeployedEndpoint":
        """Deploy MODEL, MODEL@ALIAS, MODEL/VERSION or any image under a name; an existing endpoint gets a new revision.

        It takes over once it answers; as a canary it begins with a share of the requests, as a shadow with copies. One
        that follows an alias gets a new revision when the alias moves; any other stays as it is. Who asks it needs a
        token, unless it is open; the first one is told here, once.
        """
        ...

    @changes(who=Who.OWNER, before="show", of=("endpoint", "name"))
    def token(self, name: str, *, revoke: bool = False) -> "NewToken":
        """Make a new token for an endpoint, and tell it once; earlier ones hold until they are revoked."""
        ...

    @changes(who=Who.OWNER, before="show", of=("endpoint", "name"))
    def split(self, name: str, shares: "list_of[str]") -> "Endpoint":
        """Share requests out by hand, as REVISION=PERCENT of all; a canary under way stays where it is put."""
        ...

    @changes(who=Who.OWNER, timeout_seconds=600.0, before="show", of=("endpoint", "name"))
    def promote(self, name: str, revision: Annotated[int | None, Option("REVISION")] = None) -> "Endpoint":
        """Let the revision on its way, or one that is remembered, answer all requests."""
        ...

    @changes(who=Who.OWNER, timeout_seconds=600.0, before="show", of=("endpoint", "name"))
    def rollback(self, name: str) -> "Endpoint":
        """Take the revision on its way out again; without one, go back to the revision that answered before."""
        ...

    @changes(who=Who.OWNER, timeout_seconds=600.0, before="show", of=("endpoint", "name"))
    def scale(
        self,
        name: str,
        replicas: Annotated[int | None, Word("REPLICAS", "so many, always")] = None,
        least: Annotated[int | None, Option("NUMBER", "at least so many", word="min")] = None,
        most: Annotated[int | None, Option("NUMBER", "at most so many, while requests wait", word="max")] = None,
        sleep_after: Annotated[float | None, Length("sleep-after")] = None,
    ) -> "Endpoint":
        """Have an endpoint answer from so many replicas, or between --min and --max as requests wait.

        With --sleep-after its containers end when nobody has asked for so long; 0 keeps it awake.
        """
        ...

    @changes(who=Who.OWNER, before="show", of=("endpoint", "name"))
    def follow(self, name: str, alias: str, canary: Annotated[float | None, Option("PERCENT")] = None) -> "Endpoint":
        """Have an endpoint go with an alias of its model: what that names now, and after each move, is deployed to it.

        It takes over at once when it answers, or begins as a canary with a share of the requests.
        """
        ...

    @changes(who=Who.OWNER, before="show", of=("endpoint", "name"))
    def pin(self, name: str) -> "Endpoint":
        """Have an endpoint stay on the version that it serves, whatever an alias names."""
        ...

    @changes(who=Who.OWNER, before="show", of=("endpoint", "name"))
    def lend(self, name: str) -> "Endpoint":
        """Let jobs have an endpoint's GPUs: its containers end, and no request wakes it until it is claimed."""
        ...

    @changes(who=Who.OWNER, before="show", of=("endpoint", "name"))
    def claim(self, name: str) -> "Endpoint":
        """Ask for an endpoint's GPUs back: jobs that may be preempted give way, and it answers once it has them."""
        ...

    @changes(who=Who.OWNER, before="show", of=("endpoint", "name"))
    def pause(self, name: str, why: Annotated[str | None, Option("TEXT", "callers are told so")] = None) -> "Endpoint":
        """Turn callers away (503, and when to ask again) until an endpoint is resumed; its containers stay up.

        Requests under way are answered. A try of its owner's still is, so that one can look before it is resumed.
        """
        ...

    @changes(who=Who.OWNER, before="show", of=("endpoint", "name"))
    def resume(self, name: str) -> "Endpoint":
        """Let an endpoint that was paused answer again."""
        ...

    @changes(who=Who.OWNER, before="show", of=("endpoint", "name"))
    def sleep(self, name: str) -> "Endpoint":
        """Let an endpoint's containers end until the next request, or until it is woken."""
        ...

    @changes(who=Who.OWNER, timeout_seconds=600.0, before="show", of=("endpoint", "name"))
    def wake(self, name: str) -> "Endpoint":
        """Start the containers of an endpoint that sleeps, without waiting for a request."""
        ...

    @reads
    def runtimes(
        self,
        model: Annotated[str | None, Word("MODEL", "MODEL, MODEL@ALIAS or MODEL/VERSION")] = None,
        gpus: Annotated[int | None, Option("NUMBER")] = None,
    ) -> "list_of[RuntimeChoice]":
        """List what a version can be served by, in the order of choice, and why one is not possible here now."""
        ...

    @reads
    def fit(
        self,
        model: str,
        gpus: Annotated[int | None, Option("NUMBER")] = None,
    ) -> "ModelFit":
        """Tell whether a version fits before it is placed: into memory, or with --gpus into GPUs that are free now."""
        ...

    @reads
    def list(self) -> "list_of[Endpoint]":
        """List endpoints with their load."""
        ...

    @reads
    def show(self, name: str) -> "Endpoint":
        """Show one endpoint."""
        ...

    @reads
    def load(self, name: str, seconds: float = 300.0) -> "list_of[PastTraffic]":
        """Show an endpoint's load of the last seconds (up to 900), oldest first."""
        ...

    @reads
    def network(self) -> "NetworkEntrance":
        """Show how endpoints are reached from other machines: where, by which certificate, and what callers trust."""
        ...

    @changes(who=Who.OWNER, before="show", of=("endpoint", "name"))
    def stop(self, name: str) -> "Endpoint":
        """Stop an endpoint's containers; its request log stays."""
        ...

    @changes(who=Who.OWNER, before="show", of=("endpoint", "name"))
    def remove(self, name: str) -> "Endpoint":
        """Stop an endpoint and forget it; its request log stays on disk."""
        ...

    @reads_own(before="show", of=("endpoint", "name"))
    def requests(
        self,
        name: str,
        since: Annotated[float | None, Moment()] = None,
        status: str | None = None,
        slower: Annotated[str | None, Option("TIME", "only those that took longer: 100ms, 2s")] = None,
        limit: int = 100,
        until: Annotated[float | None, Moment()] = None,
        revision: Annotated[int | None, Option("N", "only those that this revision answered")] = None,
    ) -> "list_of[LoggedRequest]":
        """List logged requests to their owner, newest first: what was asked, answered, and what turned out later.

        With ``status`` only those of a class (5xx) or a code (404).
        """
        ...

    @changes(who=Who.OWNER, timeout_seconds=120.0, before="show", of=("endpoint", "name"))
    def try_(self, name: str, data: Annotated[str | None, FileText("FILE", 3 << 20, option=True)] = None) -> "Tried":
        """Send the model's own example, or the JSON or CSV of a file, and show what it answers; it is no traffic."""
        ...

    @changes(timeout_seconds=7200.0, why="nothing of anybody's is changed, and one at a time is measured")
    def compare(
        self,
        model: str,
        *,
        variants: str = "float32,float16,int8",
        threads: str = "",
        data: Annotated[str | None, FileText("FILE", 3 << 20, option=True)] = None,
        label: Annotated[str | None, Option("COLUMN", "the column of the data that has the right answers")] = None,
        ticket: Annotated[str | None, Ticket()] = None,
    ) -> "VariantComparison":
        """Measure variants of a version on this machine: how well, how fast and in how much memory they answer.

        ONNX models are tried as float32, float16 and int8, any other as it is; each by numbers of threads.
        """
        ...

    @changes(who=Who.OWNER, timeout_seconds=7200.0, before="show", of=("endpoint", "name"))
    def replay(
        self,
        name: str,
        *,
        revision: Annotated[int, Option("REVISION")],
        since: Annotated[float | None, Moment()] = None,
        limit: int = 200,
        rate: float = 20.0,
        ticket: Annotated[str | None, Ticket()] = None,
    ) -> "Replayed":
        """Send logged requests to a revision that is kept and gets none, and compare answers and latencies."""
        ...

    @changes(who=Who.OWNER, timeout_seconds=7200.0, before="show", of=("endpoint", "name"))
    def export(
        self,
        name: str,
        out: Annotated[str, AbsolutePath("OUT")],
        *,
        format: Annotated[str, Option("FORMAT", "oci, compose, systemd or bundle")],  # noqa: A002 - the option's word
        revision: Annotated[int | None, Option("REVISION", "another one that is kept than the live one")] = None,
        key: Annotated[str | None, AbsolutePath("FILE")] = None,
        base: Annotated[str | None, AbsolutePath("ARCHIVE")] = None,
        wheels: Annotated[str | None, AbsolutePath("FOLDER")] = None,
        platform: Annotated[str | None, Option("PLATFORM", "as linux/arm64, where the base has several")] = None,
        ticket: Annotated[str | None, Ticket()] = None,
    ) -> "ExportedEndpoint":
        """Write an endpoint down to be run elsewhere: image and model in one, and the files that start it.

        A bundle is signed, by the private SSH key of a file or by one of the desk's own. For a machine of another kind,
        as arm64, the image is made of a base image and wheels for it: nothing of either is run.
        """
        ...

    @reads
    def progress(self, ticket: str) -> "Undertaking":
        """Show how far what takes minutes is (a replay, an export, a dry run of a rule), by its ticket."""
        ...

    @changes(before="progress", why="nobody but who began it is answered by its ticket")
    def cancel(self, ticket: str) -> "Undertaking":
        """Stop what takes minutes (a replay, an export, a dry run of a rule), by its ticket; nothing is left."""
        ...

    @changes(who=Who.OWNER, timeout_seconds=300.0, before="show", of=("endpoint", "name"))
    def feedback(self, name: str, file: Annotated[str, AbsolutePath("FILE")]) -> "FeedbackTaken":
        """Take what turned out later from CSV, JSON lines or Parquet: request_id, perhaps row, and your own columns."""
        ...

    @reads_own(before="show", of=("endpoint", "name"))
    def logs(
        self,
        name: str,
        tail: int = 200,
        replica: Annotated[str | None, Option("CONTAINER", "of which replica")] = None,
        *,
        build: bool = False,
    ) -> Iterator[str]:
        """Print the last lines that a container of the endpoint has written: the newest one, or the one named.

        With --build those of the newest revision's build, and the cause where that failed.
        """
        ...
