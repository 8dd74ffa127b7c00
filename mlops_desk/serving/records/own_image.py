"""An image that serves by itself, as an endpoint's revision keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class GoldenRequest:
    """A request that what serves must be able to answer, as JSON, and answers alike every time.

    Of an answer that is an object only what is ``compared`` has to be the same; nothing named: all of it.
    """

    path: str
    body: bytes
    compared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnImage:
    """An image with a port and a health path. ``command`` stands in the place of the image's own, if there is any.

    ``ready`` is asked until it first answers with 200 (None: ``health`` is). What a runtime's template adds: variables
    of the ``environment``, where the model's files stand in the container (``mount``), in which folder of the revision
    they lie (``files``), a ``golden`` request, and points of the container's profile to ``relax``. ``never_run``: the
    template was never tried with a real one of these images.
    """

    reference: str
    port: int
    health: str
    command: tuple[str, ...] = ()
    ready: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    mount: str | None = None
    files: str = "model"
    golden: GoldenRequest | None = None
    relax: tuple[str, ...] = ()
    never_run: bool = False
