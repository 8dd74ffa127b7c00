"""Verbs about registries as such: which ones a person keeps, and how they are."""

from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.verbs.declaration import Option, changes, reads

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.records.registry.tracker import Tracker

LOGIN = Option("SECRET", "the secret that logs in: USER:PASSWORD or a token; of a database its password")
KIND = Option("KIND", "what lies there, where it can't be told: tensorboard, trackio, wandb, folder, sqlite, http, …")
_NOTHING_LOST = "the list is this desk's: what is taken off it stays as it is, and can be named again at any time"


class RegistryKeeping(Protocol):
    """The registries that you keep in a list, by names that every --uri takes, and what can be done with them."""

    @reads
    def list(self) -> "list_of[Tracker]":
        """List the registries that are kept, the desk's own first; those that can't be reached say why."""
        ...

    @reads
    def show(self, name: str) -> "Tracker":
        """Look at one registry: how it is read, its schema, and how many runs and models it has."""
        ...

    @changes(before="show", why=_NOTHING_LOST)
    def add(
        self,
        name: str,
        uri: str,
        login: Annotated[str | None, LOGIN] = None,
        kind: Annotated[str | None, KIND] = None,
    ) -> "Tracker":
        """Keep a registry, or a folder of runs, under a name. A password in its URI goes to your secrets."""
        ...

    @changes(before="show", why=_NOTHING_LOST)
    def remove(self, name: str) -> "Tracker":
        """Take a registry off the list; nothing is changed at the registry."""
        ...
