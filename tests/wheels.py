"""A wheelhouse without an index: the distributions of this environment, packed as wheels again.

A wheel is a zip of what its RECORD lists; installing only adds scripts and bytecode, which are left out. So are the
packages' own tests: half of all files, which every image that is built would copy and compile.
"""

import base64
import csv
import hashlib
import io
import os
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

MODEL_NEEDS = ("mlflow-skinny", "scikit-learn", "skops", "pandas", "numpy")
"""What a user's training takes, and README's first model among them."""
SERVING_NEEDS = (*MODEL_NEEDS, "fastapi", "uvicorn", "flask", "aiohttp")
_RECIPE = "1"  # part of the name of what is kept: raise it when what goes into a wheel changes


def closure(names: Iterable[str]) -> list[str]:
    """Return the names of the installed distributions that ``names`` need, themselves included."""
    found: dict[str, None] = {}
    waiting = [(_plain(name), frozenset[str]()) for name in names]
    while waiting:
        name, extras = waiting.pop()
        if name in found and not extras:
            continue
        found[name] = None
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            wanted = any(_applies(requirement, extra) for extra in ("", *extras))
            if wanted and _plain(requirement.name) not in found:
                waiting.append((_plain(requirement.name), frozenset(requirement.extras)))
    return sorted(found)


def wheelhouse(names: Iterable[str], folder: Path) -> Path:
    """Write a wheel for each of ``names`` and of what they need into ``folder``, where it is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in closure(names):
        _pack(metadata.distribution(name), folder)
    return folder


def kept_wheelhouse(names: Iterable[str]) -> Path:
    """Return a wheelhouse that is made once on a machine, for all processes of all runs; nobody writes into it.

    To make it costs 400 MB of writing, and from wheels that are the same byte for byte an engine builds an image once.
    It may be removed at any time when no test runs.
    """
    wanted = closure(names)
    stamp = "\n".join([_RECIPE, sys.version, *(f"{name} {metadata.version(name)}" for name in wanted)])
    digest = hashlib.sha256(stamp.encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir(), f"mlops-desk-test-wheels-{os.getuid()}-{digest}")
    if not folder.exists():
        half = Path(tempfile.mkdtemp(prefix=f"{folder.name}-"))
        wheelhouse(wanted, half)
        try:
            half.rename(folder)
        except OSError:  # another process was first
            shutil.rmtree(half)
    return folder


def _pack(distribution: metadata.Distribution, folder: Path) -> None:
    name = distribution.metadata["Name"].replace("-", "_").replace(".", "_")
    tags = re.findall(r"^Tag: (\S+)", distribution.read_text("WHEEL") or "", re.MULTILINE)
    target = folder / f"{name}-{distribution.version}-{_joined(tags)}.whl"
    if target.exists():
        return
    half = target.with_suffix(".part")
    record: list[tuple[str, str, str]] = []
    with zipfile.ZipFile(half, "w", zipfile.ZIP_STORED) as wheel:
        for file in distribution.files or []:
            path, place = str(file), Path(str(file.locate()))
            if (
                path.startswith("..")
                or {"__pycache__", "tests"} & {*file.parts}
                or file.name == "RECORD"
                or not place.is_file()
            ):
                continue
            data = place.read_bytes()
            wheel.writestr(path, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append((path, f"sha256={digest}", str(len(data))))
        info = next(path for path, _, _ in record if path.endswith(".dist-info/METADATA")).partition("/")[0]
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows([*record, (f"{info}/RECORD", "", "")])
        wheel.writestr(f"{info}/RECORD", lines.getvalue())
    half.rename(target)


def _joined(tags: list[str]) -> str:
    parts = [tag.split("-") for tag in tags]
    return "-".join(".".join(dict.fromkeys(part[index] for part in parts)) for index in range(3))


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
