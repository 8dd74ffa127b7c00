"""Verbs about pipelines of git repositories."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from mlops_desk.kit.verbs.declaration import CURSOR, AbsolutePath, FileText, Option, Pairs, Who, changes, reads

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.automation.records.approval import Approval
    from mlops_desk.automation.records.ci.repository_watch import WatchedRepository
    from mlops_desk.automation.records.ci.run import CiBrief, CiPlan, CiRun
    from mlops_desk.kit.records.list_page import ListPage

_FREEZE_SECONDS = 150.0  # its code is read first, which is given 110 s at most


class Ci(Protocol):
    """Pipelines of git repositories: what mlops-desk.yaml says is run as leased jobs, and told as JUnit and Markdown.

    A run is named by its id, or by the beginning of it.
    """

    @changes(why="its jobs are theirs", timeout_seconds=_FREEZE_SECONDS)
    def run(
        self,
        folder: Annotated[str, AbsolutePath("FOLDER")],
        file: str = "mlops-desk.yaml",
        branch: str | None = None,
        tag: str | None = None,
        data: Annotated[Mapping[str, str] | None, Pairs("TARGET=PATH", paths=True)] = None,
        secrets: str = "",
        *,
        dirty: bool = False,
        attended: bool = False,
        reports: Annotated[Mapping[str, str] | None, Pairs("KIND=PATH", paths=True)] = None,
    ) -> "CiRun":
        """Run the pipeline of a repository's folder, at the commit that is checked out there.

        Its jobs wait in the queue and lease GPUs as any other. Exit code 0: all passed; 1: something did not.
        Files that are written as its ``reports`` are no code of it.
        """
        ...

    @reads
    def check(self, file: Annotated[str, FileText("FILE")]) -> "CiPlan":
        """Tell whether a pipeline's file is right, and in which order its stages run; nothing is run."""
        ...

    @reads
    def schema(self) -> dict[str, Any]:
        """Print the JSON Schema of mlops-desk.yaml, for editors and other programs."""
        ...

    @reads
    def list(self, repository: str | None = None, state: str | None = None, limit: int = 50) -> "list_of[CiBrief]":
        """List runs of pipelines, newest first."""
        ...

    @reads
    def page(
        self,
        repository: str | None = None,
        state: str | None = None,
        limit: int = 100,
        cursor: Annotated[str | None, CURSOR] = None,
    ) -> "ListPage[CiBrief]":
        """List a page of runs, newest first."""
        ...

    @reads
    def show(self, run_id: str) -> "CiRun":
        """Show one run: its stages, what came of each, and the jobs that they are."""
        ...

    @reads
    def watched(self) -> "list_of[WatchedRepository]":
        """List the repositories that rules watch: what was seen there last, and what came of the last push."""
        ...

    @reads
    def follow(self, run_id: str, revision: int = -1, wait_seconds: float = 0.0) -> "CiRun":
        """Show one run as soon as it is another than at a revision, or after some seconds.

        Who runs one attended asks for it again and again: a minute without ends it.
        """
        ...

    @changes(why="the tag's key decides, by the policy", timeout_seconds=_FREEZE_SECONDS)
    def promote(
        self,
        repository: str,
        tag: str,
        alias: Annotated[str, Option("ALIAS", "name of the alias that moves")] = "champion",
    ) -> "Approval":
        """Take a repository's signed tag promote/MODEL/VERSION as the word that a policy wants for an alias.

        The policy names the keys (policies set --signed-tag --signers FILE); one that was moved counts no more.
        """
        ...

    @changes(who=Who.OWNER, before="show", of=("run", "run_id"))
    def cancel(self, run_id: str) -> "CiRun":
        """End a run: its jobs are cancelled, and what they leased is free."""
        ...
