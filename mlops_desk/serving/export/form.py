"""What an exported endpoint is: how its image is called, and what the worker that writes it is told. Pure."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

IMAGE_FILE = "image.tar"
SBOM_FILE = "sbom.cdx.json"
DIGEST_FILE = "image.digest"
_PLATFORM = re.compile(r"linux/[a-z0-9]{1,20}(/v\d{1,2})?")
_MARKS = re.compile(r"[._-]{2,}")


class Format(StrEnum):
    """As what an endpoint is written: one file, or a folder."""

    OCI = "oci"
    COMPOSE = "compose"
    SYSTEMD = "systemd"
    BUNDLE = "bundle"


@dataclass(frozen=True, slots=True)
class ForeignPlace:
    """Of what an image for another machine is made: a base image's archive and a folder of wheels.

    ``platform`` (``linux/arm64``) tells which one is meant where the archive has several.
    """

    base: str
    wheels: str
    platform: str | None = None


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """What the worker writes into ``folder``. Times are Unix seconds.

    Of the image that lies at ``saved``, or of a base and wheels; these are only looked through where it ``is_survey``.
    """

    folder: str
    saved: str
    model_folder: str
    format: Format
    endpoint: str
    revision: int
    model: str
    version: str
    created_at: float
    foreign: ForeignPlace | None = None
    is_survey: bool = False


def format_of(word: str) -> Format:
    """Return the format of a word. Raises Invalid."""
    try:
        return Format(word)
    except ValueError:
        raise Invalid(f"{plain(word, 40)!r} is no format.", f"There are: {', '.join(Format)}.") from None


def repository(endpoint: str) -> str:
    """Return what the image of an endpoint is called: registries take single marks between letters only."""
    return f"mlops-desk-export/{_MARKS.sub('-', endpoint)}"


def tag(endpoint: str, revision: int) -> str:
    return f"{repository(endpoint)}:r{revision}"


def foreign_place(base: Path | None, wheels: Path | None, platform: str | None) -> ForeignPlace | None:
    """Return of what an image for another machine is made; None for one like this. Raises Invalid for half of it."""
    if base is not None and wheels is not None:
        if platform is not None and not _PLATFORM.fullmatch(platform):
            raise Invalid(f"{plain(platform, 40)!r} is no platform.", "linux/arm64 is one.")
        return ForeignPlace(str(base), str(wheels), platform)
    if base is not None or wheels is not None or platform is not None:
        text = "An image for another machine is made of a base image and a folder of wheels for it."
        raise Invalid(text, "Name both, by --base and --wheels; --platform only beside them.")
    return None
