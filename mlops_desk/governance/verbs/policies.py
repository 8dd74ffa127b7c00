"""Verbs about policies: who has to agree before an alias of a model moves."""

from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.governance.verbs.cards import Uri
from mlops_desk.kit.verbs.declaration import FileText, Option, Who, changes, reads

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.governance.records.policy import ApprovalPolicy, PolicyStanding

ALIAS = Option("ALIAS", "name of the alias, such as champion")
PEOPLE = Option("N", "so many have to approve: 0, 1 or 2; twice the same person counts once")
ACCOUNTS = Option("USER,USER", "only these accounts may approve; without it whoever the agent lets in")
SIGNERS = FileText("ALLOWED_SIGNERS", 1 << 16, option=True)


class Policies(Protocol):
    """What has to be agreed to before an alias of a model moves, whichever verb moves it."""

    @reads
    def list(self) -> "list_of[ApprovalPolicy]":
        """List all policies, by model and alias."""
        ...

    @reads
    def show(self, model: str, alias: Annotated[str, ALIAS] = "champion", uri: Uri = None) -> "ApprovalPolicy":
        """Show the policy of an alias."""
        ...

    @changes(who=Who.ADMINISTRATOR, before="show")
    def set(
        self,
        model: str,
        alias: Annotated[str, ALIAS] = "champion",
        people: Annotated[int, PEOPLE] = 1,
        who: Annotated[str, ACCOUNTS] = "",
        uri: Uri = None,
        signers: Annotated[str | None, SIGNERS] = None,
        *,
        card: bool = False,
        not_author: bool = False,
        signed_tag: bool = False,
        free_rollback: bool = False,
    ) -> "ApprovalPolicy":
        """Say what an alias wants before it moves; what was said before is replaced.

        --card: the version's card has to be approved. --not-author: not by whoever trained it or asks for the move.
        --signed-tag: a tag is wanted too, signed by a key of --signers (an OpenSSH allowed_signers file, in
        which armoured public GPG keys may stand too).
        --free-rollback: it may go back to a version that it pointed at before without asking anew.
        """
        ...

    @changes(who=Who.ADMINISTRATOR, before="show")
    def remove(self, model: str, alias: Annotated[str, ALIAS] = "champion", uri: Uri = None) -> "ApprovalPolicy":
        """Forget a policy; its alias moves again as it did without one."""
        ...

    @reads
    def check(
        self,
        model: str,
        version: Annotated[str, Option("VERSION", "number of the version that the alias is to mean")],
        alias: Annotated[str, ALIAS] = "champion",
        uri: Uri = None,
    ) -> "PolicyStanding":
        """Tell what a version lacks to be put under an alias, who has agreed, and how to get the rest."""
        ...
