"""A job file becomes a JobSpec, and a JobSpec a job file; what is wrong is said with line, key and remedy."""

import difflib
import posixpath
import re
from collections.abc import Callable
from typing import TypeVar

import yaml

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.jobs.file import units
from mlops_desk.jobs.file.document import Items, Node, Table, Text, read_document
from mlops_desk.records.job import JobSpec, MlflowSpec, Mount, Resources

API_VERSION = "mlops-desk/v1"
RESERVED_TARGET = "/mlops-desk"

_T = TypeVar("_T")
_TOP = ("apiVersion", "kind", "name", "image", "command", "env", "resources", "mounts", "mlflow")
_RESOURCES = ("gpus", "gpu_memory", "cpus", "memory", "shm")
_MOUNT = ("source", "target", "mode")
_MLFLOW = ("experiment",)
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,510}", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,3}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?", re.ASCII)
_KERNEL_TARGETS = ("/proc", "/sys", "/dev")
_LOADER = frozenset({"LD_PRELOAD", "LD_AUDIT"})
_LIMITS = {"command": 1000, "env": 500, "mounts": 100}
_LINE_BREAKS = frozenset("\x85\u2028\u2029")
_TEXT_LIMIT = 32 * 1024  # the kernel takes at most 128 KiB for one argument or variable
_SMALLEST_MEMORY_BYTES = 6 << 20  # Docker refuses less


def parse_spec(text: str, folder: str = "/") -> JobSpec:
    """Read a job file; relative mount sources are taken from ``folder``. Raises Invalid."""
    top = _table(read_document(text), "the file", _TOP)
    _exactly(top, "apiVersion", API_VERSION)
    _exactly(top, "kind", "Job")
    return JobSpec(
        name=_need(top, "name", _name),
        image=_need(top, "image", _image),
        command=_maybe(top, "command", _command, ()),
        env=_maybe(top, "env", _env, {}),
        resources=_maybe(top, "resources", _resources, Resources()),
        mounts=_maybe(top, "mounts", lambda node, key: _mounts(node, key, folder), ()),
        mlflow=_maybe(top, "mlflow", _mlflow, None),
    )


def format_spec(spec: JobSpec) -> str:
    """Write ``spec`` as a job file that ``parse_spec`` reads back as the same."""
    resources = {
        "gpus": str(spec.resources.gpus) if spec.resources.gpus else None,
        "gpu_memory": _amount(spec.resources.gpu_memory_bytes),
        "cpus": None if spec.resources.cpus is None else f"{spec.resources.cpus:.3f}",
        "memory": _amount(spec.resources.memory_bytes),
        "shm": _amount(spec.resources.shm_bytes),
    }
    document = {
        "apiVersion": API_VERSION,
        "kind": "Job",
        "name": spec.name,
        "image": spec.image,
        "command": list(spec.command),
        "env": dict(spec.env),
        "resources": {key: value for key, value in resources.items() if value is not None},
        "mounts": [{"source": m.source, "target": m.target, "mode": m.mode} for m in spec.mounts],
        "mlflow": None if spec.mlflow is None else {"experiment": spec.mlflow.experiment},
    }
    written = {key: value for key, value in document.items() if value}
    text = yaml.safe_dump(written, sort_keys=False, allow_unicode=True, width=4096)
    if _LINE_BREAKS.isdisjoint(text):
        return text
    # YAML takes these for line breaks and would read them back as blanks.
    return yaml.safe_dump(written, sort_keys=False, allow_unicode=False, width=4096)


def _amount(amount_bytes: int | None) -> str | None:
    return None if amount_bytes is None else units.format_bytes(amount_bytes)


# -- values ------------------------------------------------------------------------------------


def _name(node: Node, key: str) -> str:
    text = _text(node, key, "a name of up to 100 characters")
    if text != text.strip() or len(text) > 100 or plain(text) != text:
        raise _wrong(node, key, text, "a name of up to 100 visible characters, without blanks around it")
    return text


def _image(node: Node, key: str) -> str:
    text = _text(node, key, "an image such as registry/name:tag")
    if not _IMAGE.fullmatch(text):
        raise _wrong(node, key, text, "an image such as registry/name:tag")
    return text


def _command(node: Node, key: str) -> tuple[str, ...]:
    return tuple(_argument(item, f"{key}[{index}]") for index, item in enumerate(_items(node, key, "command")))


def _argument(node: Node, key: str) -> str:
    return _text(node, key, "a text or a number", empty=True)


def _env(node: Node, key: str) -> dict[str, str]:
    table = _table(node, key)
    if len(table.entries) > _LIMITS["env"]:
        raise Invalid(f"Line {table.line}: env has more than {_LIMITS['env']} entries.", "Put them into a file.")
    for name in table.entries:
        line = table.key_lines[name]
        if not _ENV_NAME.fullmatch(name):
            raise Invalid(f"Line {line}: env: {plain(name)!r} is not the name of a variable.", "Expected: NAME: value.")
        if name.upper().startswith("NVIDIA_") or name in _LOADER:
            text = f"Line {line}: env: {name} can't be set: it decides which GPUs and code a container sees."
            raise Invalid(text, "Ask for GPUs with resources: {gpus: N}; set other variables inside the command.")
    return {name: _argument(value, f"{key}.{name}") for name, value in table.entries.items()}


def _resources(node: Node, key: str) -> Resources:
    table = _table(node, key, _RESOURCES)
    memory = _maybe(table, "memory", _bytes, None, key)
    if memory is not None and memory < _SMALLEST_MEMORY_BYTES:
        raise _wrong(table.entries["memory"], f"{key}.memory", str(memory), "at least 6MiB")
    return Resources(
        gpus=_maybe(table, "gpus", _gpus, 0, key),
        gpu_memory_bytes=_maybe(table, "gpu_memory", _bytes, None, key),
        cpus=_maybe(table, "cpus", _cpus, None, key),
        memory_bytes=memory,
        shm_bytes=_maybe(table, "shm", _bytes, None, key),
    )


def _gpus(node: Node, key: str) -> int:
    text = _text(node, key, "a number of GPUs")
    if not _WHOLE.fullmatch(text):
        raise _wrong(node, key, text, "a whole number of GPUs, 0 to 999")
    return int(text)


def _cpus(node: Node, key: str) -> float:
    text = _text(node, key, "a number of CPUs")
    if not _NUMBER.fullmatch(text) or float(text) <= 0:
        raise _wrong(node, key, text, "a number of CPUs above 0 such as 2 or 0.5")
    return float(text)


def _bytes(node: Node, key: str) -> int:
    text = _text(node, key, units.EXPECTED)
    try:
        return units.parse_bytes(text)
    except ValueError as error:
        raise _wrong(node, key, text, str(error).removeprefix("expected ")) from error


def _mounts(node: Node, key: str, folder: str) -> tuple[Mount, ...]:
    mounts: list[Mount] = []
    for index, item in enumerate(_items(node, key, "mounts")):
        mount = _mount(_table(item, f"{key}[{index}]", _MOUNT), f"{key}[{index}]", folder)
        if mount.target in {other.target for other in mounts}:
            raise _wrong(item, f"{key}[{index}].target", mount.target, "a target that no other mount has")
        mounts.append(mount)
    return tuple(mounts)


def _mount(table: Table, key: str, folder: str) -> Mount:
    source = _need(table, "source", lambda node, name: _text(node, name, "a path on this machine"), key)
    if source.startswith("~"):
        expected = "an absolute path, or one relative to the job file (~ is the shell's, not ours)"
        raise _wrong(table.entries["source"], f"{key}.source", source, expected)
    return Mount(
        source=_clean(posixpath.join(folder, source)),
        target=_need(table, "target", _target, key),
        mode=_maybe(table, "mode", _mode, "ro", key),
    )


def _target(node: Node, key: str) -> str:
    text = _text(node, key, "an absolute path in the container")
    target = _clean(text)
    if not target.startswith("/") or target == "/":
        raise _wrong(node, key, text, "an absolute path in the container, other than /")
    for taken in (RESERVED_TARGET, *_KERNEL_TARGETS):
        if target == taken or target.startswith(f"{taken}/"):
            raise _wrong(node, key, text, f"a path outside {taken}, which is not for data")
    return target


def _mode(node: Node, key: str) -> str:
    text = _text(node, key, "ro or rw")
    if text not in {"ro", "rw"}:
        raise _wrong(node, key, text, "ro (read only) or rw")
    return text


def _mlflow(node: Node, key: str) -> MlflowSpec:
    table = _table(node, key, _MLFLOW)
    experiment = _need(table, "experiment", lambda item, name: _text(item, name, "an experiment's name"), key)
    if len(experiment) > 250 or plain(experiment, 250) != experiment or not experiment.strip():
        raise _wrong(table.entries["experiment"], f"{key}.experiment", experiment, "up to 250 visible characters")
    return MlflowSpec(experiment)


def _clean(path: str) -> str:
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


# -- shapes ------------------------------------------------------------------------------------


def _need(table: Table, key: str, read: Callable[[Node, str], _T], parent: str = "") -> _T:
    path = f"{parent}.{key}" if parent else key
    if key not in table.entries:
        raise Invalid(f"Line {table.line}: {path} is missing.", f"Add a line {key}: ... to the file.")
    return read(table.entries[key], path)


def _maybe(table: Table, key: str, read: Callable[[Node, str], _T], default: _T, parent: str = "") -> _T:
    node = table.entries.get(key)
    if node is None or (isinstance(node, Text) and node.null):
        return default
    return _need(table, key, read, parent)


def _exactly(table: Table, key: str, value: str) -> None:
    text = _need(table, key, lambda node, path: _text(node, path, value))
    if text != value:
        raise _wrong(table.entries[key], key, text, value)


def _table(node: Node, key: str, known: tuple[str, ...] | None = None) -> Table:
    """Return ``node`` as a table that has no keys but the ``known`` ones (None: any)."""
    if not isinstance(node, Table):
        raise Invalid(f"Line {node.line}: {key} is {_kind(node)}.", "Expected: a table of KEY: VALUE lines.")
    for name in node.entries:
        if known is not None and name not in known:
            near = difflib.get_close_matches(name[:100], known, n=1, cutoff=0.0)
            meant = f"Did you mean {near[0]}? " if near else ""
            text = f"Line {node.key_lines[name]}: {plain(name)!r} is not a key of {key}."
            raise Invalid(text, f"{meant}Known keys: {', '.join(known)}.")
    return node


def _items(node: Node, key: str, limit: str) -> tuple[Node, ...]:
    if not isinstance(node, Items):
        raise Invalid(f"Line {node.line}: {key} is {_kind(node)}.", "Expected: a list such as [a, b, c].")
    if len(node.items) > _LIMITS[limit]:
        raise Invalid(f"Line {node.line}: {key} has more than {_LIMITS[limit]} items.", "Put them into a file.")
    return node.items


def _text(node: Node, key: str, expected: str, *, empty: bool = False) -> str:
    if not isinstance(node, Text):
        raise Invalid(f"Line {node.line}: {key} is {_kind(node)}.", f"Expected: {expected}.")
    if node.null or (not node.text and not empty):
        raise Invalid(f"Line {node.line}: {key} is empty.", f"Expected: {expected}.")
    if "\0" in node.text or any("\ud800" <= character <= "\udfff" for character in node.text):
        raise _wrong(node, key, node.text, f"{expected}, without characters that no program can be given")
    if len(node.text) > _TEXT_LIMIT:
        raise Invalid(f"Line {node.line}: {key} is longer than {_TEXT_LIMIT} characters.", "Put it into a file.")
    return node.text


def _kind(node: Node) -> str:
    if isinstance(node, Table):
        return "a table"
    if isinstance(node, Items):
        return "a list"
    return "empty" if node.null else f"the text {plain(node.text, 60)!r}"


def _wrong(node: Node, key: str, text: str, expected: str) -> Invalid:
    return Invalid(f"Line {node.line}: {key}: {plain(text, 80)!r} does not fit.", f"Expected: {expected}.")
