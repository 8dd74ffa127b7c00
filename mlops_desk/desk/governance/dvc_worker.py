"""A worker: what a .dvc file says of the data that it names.

Request: {"path"}; the answer: {"digest", "size_bytes", "files"}, what is not said is null. Nothing of DVC is run, and
the data are not looked at.
"""

from pathlib import Path
from typing import Any

import yaml

from mlops_desk.base.errors import Invalid, NotFound
from mlops_desk.base.process import serve_one
from mlops_desk.base.text import plain

MODULE = "mlops_desk.desk.governance.dvc_worker"
_MOST_BYTES = 1 << 20  # chosen: DVC writes some hundred
_HASHES = ("md5", "sha256", "etag", "checksum")
"""What DVC calls the hash of an output, by the remote that it lies at."""


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types. Raises NotFound, Invalid."""
    path = Path(str(request["path"]))
    shown = plain(str(path), 300)
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
        # Texts, lists and tables alone: a hash such as 1234e5 is no number.
        document = yaml.load(text[:_MOST_BYTES].decode(), yaml.CBaseLoader)  # noqa: S506 - it constructs nothing
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {shown}.") from error
    except OSError as error:
        raise Invalid(f"{shown} can't be read: {error.strerror}.") from error
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise Invalid(f"{shown} is no file of DVC.", "dvc add FOLDER writes one.") from error
    outs = document.get("outs") if isinstance(document, dict) else None
    if len(text) > _MOST_BYTES or not isinstance(outs, list) or len(outs) != 1 or not isinstance(outs[0], dict):
        raise Invalid(f"{shown} names no data, or several.", "dvc add FOLDER writes a file that names one.")
    return told(outs[0])


def told(out: dict[str, Any]) -> dict[str, Any]:
    """Return what an output of DVC says of itself. Raises Invalid without a hash."""
    kind = next((one for one in _HASHES if isinstance(out.get(one), str)), None)
    if kind is None:
        raise Invalid("The .dvc file has no hash of the data.", "dvc commit writes it.")
    return {
        "digest": f"{kind}:{plain(str(out[kind]), 100)}",
        "size_bytes": _count(out.get("size")),
        # Of one file DVC does not say how many there are; what ends with .dir is a folder.
        "files": _count(out.get("nfiles")) if str(out[kind]).endswith(".dir") else 1,
    }


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None


if __name__ == "__main__":
    serve_one(answer)
