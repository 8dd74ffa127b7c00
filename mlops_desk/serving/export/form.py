"""What an exported endpoint is: how its image is called, and what the worker that writes it is told. Pure."""

import re
from dataclasses import dataclass
from enum import StrEnum

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain

IMAGE_FILE = "image.tar"
SBOM_FILE = "sbom.cdx.json"
DIGEST_FILE = "image.digest"
_MARKS = re.compile(r"[._-]{2,}")


class Format(StrEnum):
    """As what an endpoint is written: one file, or a folder."""

    OCI = "oci"
    COMPOSE = "compose"
    SYSTEMD = "systemd"
    BUNDLE = "bundle"


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """What the worker writes into ``folder``, of the image that lies in it as ``saved``. Times are Unix seconds."""

    folder: str
    saved: str
    model_folder: str
    format: Format
    endpoint: str
    revision: int
    model: str
    version: str
    created_at: float
    key: str | None = None


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
