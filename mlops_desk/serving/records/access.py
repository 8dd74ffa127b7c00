"""What is told once, to whoever made it: a new token of an endpoint. It is kept nowhere."""

from dataclasses import dataclass, fields, replace
from typing import Self

from mlops_desk.serving.records.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made. ``held`` tokens open the endpoint now, this one among them.

    With ``token_required`` False the endpoint answers without one too.
    """

    endpoint: str
    token: str | None
    held: int
    token_required: bool = True
    url: str | None = None

    def without_secrets(self) -> Self:
        return replace(self, token=None)


@dataclass(frozen=True, slots=True)
class DeployedEndpoint(Endpoint):
    """What ``deploy`` answers: the endpoint, and its first token where it has just got one."""

    token: str | None = None

    def without_secrets(self) -> Self:
        return replace(self, token=None)


def deployed(endpoint: Endpoint, token: str | None) -> DeployedEndpoint:
    """Return an endpoint as ``deploy`` answers it."""
    told = {one.name: getattr(endpoint, one.name) for one in fields(Endpoint)}
    return DeployedEndpoint(**told, token=token)
