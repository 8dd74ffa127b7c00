"""An image that serves by itself, as an endpoint's revision keeps it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OwnImage:
    """An image with a port and a health path. ``command`` stands in the place of the image's own, if there is any."""

    reference: str
    port: int
    health: str
    command: tuple[str, ...] = ()
