"""A worker: which data a .dvc file or a dvc.lock names, as one digest of their paths and hashes.

DVC itself is not needed, and no data are read. The file is the one that lies there, or the one of a branch or tag.
Nothing of it is constructed: a hash such as 1234e5 stays the text that it is. Rules ask for the digest; the catalogue
of data asks what is said of the ``one`` thing that a file names: {"digest", "size_bytes", "files"}, what is not said
is null.
"""

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from mlops_desk.automation.watch_workers.push_worker import commit_of, repository_of
from mlops_desk.kit.base.disk.files import open_plain
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain

_MOST_BYTES = 32 << 20  # chosen: a lock of 100,000 outputs
_HASHES = ("md5", "sha256", "etag", "checksum", "version_id")
"""By what DVC tells data apart (dvc.schema): files and folders, those of web servers, clouds and HDFS."""
_LEVELS = 2  # a file of a folder, and a remote of that
_HINT = "dvc add and dvc repro write such files; a rule reads them as its owner."


def answer(request: dict[str, Any]) -> Any:
    """Return the digest; "" where the branch or its file is not there (yet). Raises Invalid, NotFound, Refused."""
    path, ref, output = Path(str(request["file"])), request["ref"], request["output"]
    text = _lying(path) if ref is None else _committed(path, str(ref))
    if text is None:
        return ""
    shown = plain(str(path), 300)
    try:
        found = yaml.load(text, yaml.CBaseLoader)  # noqa: S506 - the loader of texts, lists and tables alone
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise Invalid(f"{shown} is no file of DVC's: it is no YAML.", _HINT) from error
    if request.get("one"):
        return _told(found, shown)
    known = {*_hashed(found, output)}
    if not known:
        what = "names no data by a hash" if output is None else f"names no hash of {plain(str(output), 200)}"
        raise Invalid(f"{shown} {what}.", _HINT)
    return sha256("\0".join(sorted(known)).encode("utf-8", "surrogateescape")).hexdigest()


def _told(found: Any, shown: str) -> dict[str, Any]:
    """Return what a file says of the one output that it names. Raises Invalid where that is none, or several."""
    outs = found.get("outs") if isinstance(found, Mapping) else None
    if not isinstance(outs, list) or len(outs) != 1 or not isinstance(outs[0], Mapping):
        raise Invalid(f"{shown} names no data, or several.", "dvc add FOLDER writes a file that names one.")
    out = outs[0]
    kind = next((one for one in _HASHES if isinstance(out.get(one), str)), None)
    if kind is None:
        raise Invalid(f"{shown} has no hash of the data.", "dvc commit writes it.")
    return {
        "digest": f"{kind}:{plain(out[kind], 100)}",
        "size_bytes": _count(out.get("size")),
        # Of one file DVC does not say how many there are; what ends with .dir is a folder.
        "files": _count(out.get("nfiles")) if out[kind].endswith(".dir") else 1,
    }


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None


def _lying(path: Path) -> bytes:
    try:
        with open_plain(path, links=True) as file:
            text = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise NotFound(f"{plain(str(path), 300)} can't be read: {error.strerror}.", _HINT) from error
    return _short(path, text)


def _committed(path: Path, ref: str) -> bytes | None:
    folder = next((one for one in path.parents if one.is_dir()), Path("/"))
    git = repository_of(str(folder))
    commit, top = commit_of(git, ref), git.text("rev-parse", "--show-toplevel")
    if not commit or top is None:
        return None
    inside = path.parent.resolve() / path.name
    if not inside.is_relative_to(top):
        raise Invalid(f"{plain(str(path), 300)} does not lie in a repository.", _HINT)
    found = git.ask("cat-file", "blob", f"{commit}:{inside.relative_to(top)}")
    return None if found.code else _short(path, found.output)


def _short(path: Path, text: bytes) -> bytes:
    if len(text) > _MOST_BYTES:
        raise Refused(f"{plain(str(path), 300)} has more than {_MOST_BYTES >> 20} MiB.", _HINT)
    return text


def _hashed(found: Any, output: str | None) -> Iterator[str]:
    """Yield a line for each path and hash: of what stages make, or of what they need where that has none."""
    stages = found.get("stages", found) if isinstance(found, Mapping) else {}
    tables = [found, *(stages.values() if isinstance(stages, Mapping) else ())]
    for table in tables:
        if isinstance(table, Mapping):
            made, needed = ([*_entries(table.get(kind))] for kind in ("outs", "deps"))
            if output is None:
                yield from made or needed
            else:
                yield from (line for line in (*made, *needed) if json.loads(line)[0] == output)


def _entries(items: Any) -> Iterator[str]:
    for item in items if isinstance(items, list) else ():
        if isinstance(item, Mapping) and (marks := sorted(_marks(item))):
            yield json.dumps([str(item.get("path")), *marks])


def _marks(item: Mapping[str, Any], within: str = "", depth: int = _LEVELS) -> Iterator[str]:
    """Yield the hashes of an entry: its own, those of a cloud that keeps versions, and those of a folder's files."""
    yield from (f"{within}{name}:{item[name]}" for name in _HASHES if isinstance(item.get(name), str))
    remotes, files = item.get("cloud"), item.get("files")
    parts = [*remotes.items()] if isinstance(remotes, Mapping) else []
    parts += [(one.get("relpath"), one) for one in files if isinstance(one, Mapping)] if isinstance(files, list) else []
    for name, part in parts if depth else ():
        if isinstance(part, Mapping):
            yield from _marks(part, f"{within}{name}/", depth - 1)


if __name__ == "__main__":
    serve_one(answer)
