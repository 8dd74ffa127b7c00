"""Verbs about secrets that jobs get as files."""

from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.kit.records.setting import KEYRING
from mlops_desk.kit.verbs.declaration import FileText, changes, reads

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.kit.records.setting import SecretName

_LARGEST_BYTES = 64 << 10  # chosen: a key or a file of credentials; data belongs on a mount
_OWN = "each has secrets of their own, which nobody else sees and nobody else's jobs get"


class Secrets(Protocol):
    """Your own secrets, which jobs that name them get as files in /run/secrets, and which nothing ever shows."""

    @reads
    def list(self) -> "list_of[SecretName]":
        """List the names of your secrets."""
        ...

    @reads
    def show(self, name: str) -> "SecretName":
        """Tell whether you have a secret of a name, and since when it is as it is."""
        ...

    @changes(before="show", why=_OWN)
    def set(self, name: str, value: Annotated[str, FileText("FILE", _LARGEST_BYTES, stdin=True)]) -> "SecretName":
        """Keep a secret, or another value for it; it is read from standard input unless a file is named."""
        ...

    @changes(before="show", why=_OWN)
    def move(self, name: str, to: str = KEYRING) -> "SecretName":
        """Put a secret into your keyring (keyring) or into a file of the agent's (file), wherever it is now."""
        ...

    @changes(before="show", why=_OWN)
    def remove(self, name: str) -> "SecretName":
        """Forget a secret; jobs that run already keep what they have."""
        ...
