"""What the verbs' parts need of the core that they share. Declared apart, so that the core may import the parts."""

from typing import Protocol

from mlops_desk.registry.default_registry import Default
from mlops_desk.registry.registries import Registries


class RegistryAccess(Protocol):
    """The registries, which one is meant, and who is told of changes."""

    default: Default
    registries: Registries

    def asked(self, uri: str | None = None) -> None:
        """Note that somebody looks at a registry (None: the desk's own)."""
        ...

    def changed(self, uri: str | None = None) -> None:
        """Tell that something on ``uri`` has changed."""
        ...
