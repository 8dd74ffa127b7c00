"""What becomes of each key of a Compose service."""

import shlex
from collections.abc import Callable, Mapping
from typing import Any

from mlops_desk.jobs.imports.draft import JobDraft
from mlops_desk.jobs.imports.options import OPTIONS

TakeKey = Callable[[JobDraft, str, Any], None]


def shown(value: Any) -> str:
    """Return a value as a note shows it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {shown(item)}" for key, item in value.items())
    return ", ".join(map(shown, value)) if isinstance(value, list) else "" if value is None else str(value)


def _texts(value: Any) -> list[str]:
    """Return a list of texts, whatever was written."""
    if value is None:
        return []
    return [shown(item) for item in value] if isinstance(value, list) else [shown(value)]


def _table(value: Any) -> Mapping[str, Any]:
    """Return a table; an empty one where something else was written."""
    return value if isinstance(value, Mapping) else {}


def _pairs(value: Any) -> list[tuple[str, str | None]]:
    """Return ``A=B`` lines or a table as pairs; None is a value that the shell would have handed on."""
    if isinstance(value, Mapping):
        return [(name, None if item is None else str(item)) for name, item in value.items()]
    parts = [text.partition("=") for text in _texts(value)]
    return [(name, text if equals else None) for name, equals, text in parts]


def _words(value: Any) -> list[str]:
    if not isinstance(value, str):
        return _texts(value)
    try:
        return shlex.split(value)
    except ValueError:  # a quote that is not closed: Compose's own shell would read it otherwise as well
        return [value]


def _as_option(name: str) -> TakeKey:
    """Take a key in as the option of ``docker run`` that says the same."""

    def take(draft: JobDraft, option: str, value: Any) -> None:
        for text in _texts(value) or [""]:
            OPTIONS[name].take(draft, option, text)

    return take


def _flag(name: str) -> TakeKey:
    def take(draft: JobDraft, option: str, value: Any) -> None:
        if value is not None and str(value).lower() not in {"false", "no"}:
            OPTIONS[name].take(draft, option, "")

    return take


def _environment(draft: JobDraft, option: str, value: Any) -> None:
    for name, text in _pairs(value):
        draft.variable(option, name, text)


def _volumes(draft: JobDraft, option: str, value: Any) -> None:
    for item in value if isinstance(value, list) else []:
        if isinstance(item, Mapping):
            told = ", ".join(f"{key}={text}" for key, text in item.items() if isinstance(text, str))
            if item.get("type", "volume") != "bind":
                draft.lost(option, told, "Only folders and files of this machine (type: bind) are mounted.")
                continue
            source, target = str(item.get("source", "")), str(item.get("target", ""))
            draft.mount(option, told, source, target, writable=item.get("read_only") != "true")
        else:
            OPTIONS["volume"].take(draft, option, str(item))


def _ports(draft: JobDraft, option: str, value: Any) -> None:
    for item in value if isinstance(value, list) else []:
        long = isinstance(item, Mapping)
        draft.port(option, f"{item.get('target', '')}/{item.get('protocol', 'tcp')}" if long else str(item))


def _command(draft: JobDraft, _option: str, value: Any) -> None:
    draft.command += _words(value)


def _entrypoint(draft: JobDraft, option: str, value: Any) -> None:
    words = _words(value)
    for word in reversed(words):
        draft.command.insert(0, word)
    if words:
        text = "It became the first words of the command; an entry point of the image runs before it."
        draft.changed(option, " ".join(words), text)


def _build(draft: JobDraft, option: str, value: Any) -> None:
    given = value if isinstance(value, Mapping) else {"context": value}
    known = {key: shown(given[key]) for key in ("context", "dockerfile") if given.get(key) is not None}
    context = str(given.get("context", "."))
    if "://" not in context:
        known["context"] = draft.on_this_machine(context)
    draft.keep(option, context, "build", known)
    for key in given:
        if key not in {"context", "dockerfile"}:
            draft.lost(f"{option}.{key}", shown(given[key]), "Of a build only context and dockerfile come over.")


def _deploy(draft: JobDraft, option: str, value: Any) -> None:
    given = _table(value)
    resources = _table(given.get("resources"))
    limits, reserved = _table(resources.get("limits")), _table(resources.get("reservations"))
    if "cpus" in limits:
        draft.cpus(f"{option}.resources.limits.cpus", str(limits["cpus"]))
    if "memory" in limits:
        draft.amount(f"{option}.resources.limits.memory", "memory", str(limits["memory"]))
    for device in reserved.get("devices") or []:
        _device(draft, f"{option}.resources.reservations.devices", _table(device))
    for key in reserved:
        if key != "devices":
            draft.lost(f"{option}.resources.reservations.{key}", shown(reserved[key]), "Only limits come over.")
    for key in given:
        if key != "resources":
            draft.lost(f"{option}.{key}", shown(given[key]), "A job runs once: array: 4 makes several of it.")


def _device(draft: JobDraft, option: str, device: Mapping[str, Any]) -> None:
    capabilities = _texts(device.get("capabilities"))
    if "gpu" not in capabilities and device.get("driver") != "nvidia":
        draft.lost(option, ", ".join(capabilities), "Of devices only GPUs come over.")
        return
    ids = _texts(device.get("device_ids"))
    text = f"device={','.join(ids)}" if ids else str(device.get("count") or "all")
    draft.gpus(option, text, text)


def _gpus(draft: JobDraft, option: str, value: Any) -> None:
    if isinstance(value, list):
        for device in value:
            _device(draft, option, {"driver": "nvidia", **_table(device)})
        return
    draft.gpus(option, str(value), str(value))


def _secrets(draft: JobDraft, option: str, value: Any) -> None:
    names = [str(item.get("source")) if isinstance(item, Mapping) else str(item) for item in value or []]
    draft.keep(option, ", ".join(names), "secrets", names)
    draft.changed(option, ", ".join(names), "They are kept by the desk, by these names: put them there once.")


def _depends_on(draft: JobDraft, option: str, value: Any) -> None:
    given = _table(value) or dict.fromkeys(_texts(value))
    ended = [name for name, about in given.items() if _condition(about) == "service_completed_successfully"]
    for name in given:
        if name not in ended:
            draft.lost(option, name, "A job waits for another's end (afterSuccess), never for its start.")
    if ended:
        draft.keep(option, ", ".join(ended), "afterSuccess", ended)


def _condition(about: Any) -> str:
    return str(_table(about).get("condition"))


def _image(draft: JobDraft, _option: str, value: Any) -> None:
    draft.file["image"] = str(value)


def _name(draft: JobDraft, option: str, value: Any) -> None:
    draft.lost(option, str(value), "The job is called as its service, and its container by the desk.")


def _grace(draft: JobDraft, option: str, value: Any) -> None:
    draft.keep(option, str(value), "grace", str(value))


def _service_text(draft: JobDraft, option: str, value: Any) -> None:
    draft.lost(option, str(value), "It is about how Compose runs services.")


KEYS: dict[str, TakeKey] = {
    "image": _image,
    "container_name": _name,
    "build": _build,
    "command": _command,
    "entrypoint": _entrypoint,
    "environment": _environment,
    "env_file": _as_option("env-file"),
    "volumes": _volumes,
    "ports": _ports,
    "deploy": _deploy,
    "gpus": _gpus,
    "secrets": _secrets,
    "depends_on": _depends_on,
    "stop_grace_period": _grace,
    "runtime": _as_option("runtime"),
    "shm_size": _as_option("shm-size"),
    "mem_limit": _as_option("memory"),
    "cpus": _as_option("cpus"),
    "working_dir": _as_option("workdir"),
    "restart": _as_option("restart"),
    "user": _as_option("user"),
    "network_mode": _as_option("network"),
    "networks": _as_option("network"),
    "ipc": _as_option("ipc"),
    "pid": _as_option("pid"),
    "ulimits": _as_option("ulimit"),
    "cap_add": _as_option("cap-add"),
    "cap_drop": _as_option("cap-drop"),
    "devices": _as_option("device"),
    "security_opt": _as_option("security-opt"),
    "tmpfs": _as_option("tmpfs"),
    "labels": _as_option("label"),
    "logging": _as_option("log-driver"),
    "healthcheck": _as_option("health-cmd"),
    "hostname": _as_option("hostname"),
    "dns": _as_option("dns"),
    "extra_hosts": _as_option("add-host"),
    "expose": _as_option("expose"),
    "platform": _as_option("platform"),
    "pull_policy": _as_option("pull"),
    "stop_signal": _as_option("stop-signal"),
    "privileged": _flag("privileged"),
    "tty": _flag("tty"),
    "stdin_open": _flag("interactive"),
    "init": _flag("init"),
    "read_only": _flag("read-only"),
    "profiles": _service_text,
    "extends": _service_text,
    "scale": _service_text,
}
