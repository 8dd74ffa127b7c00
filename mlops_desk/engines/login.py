"""A login at a registry of images: handed to the engine with one pull, and written down nowhere."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RegistryLogin:
    """Who asks ``registry`` (``host`` or ``host:port``): user and password, or a token that stands for both.

    What is secret of it is in no repr, so that no log and no error shows it.
    """

    registry: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
