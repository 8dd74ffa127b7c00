"""An endpoint that was written down to be run elsewhere."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExportedEndpoint:
    """What was written: ``to`` is a file or a folder, ``files`` all that belongs to it, ``size_bytes`` together.

    ``digest`` is the image's at a registry, ``image_id`` its id at an engine, ``packages`` how many Python packages
    the list beside it names. ``signer`` is the fingerprint of the key that a bundle is signed with. ``platform`` is
    what it runs on, as ``linux/arm64``, and ``notes`` what to know of it beside.
    """

    endpoint: str
    revision: int
    format: str
    to: str
    image: str
    digest: str
    image_id: str
    size_bytes: int
    packages: int
    files: tuple[str, ...]
    signer: str | None = None
    platform: str = ""
    notes: tuple[str, ...] = ()
