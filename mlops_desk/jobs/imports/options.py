"""The options of ``docker run``: which take a value, and what becomes of each in a job file."""

import csv
from collections.abc import Callable
from dataclasses import dataclass

from mlops_desk.jobs.imports.draft import JobDraft, Take

_OWN_NETWORK = "A job has a network of its own; its ports are reached from this machine."
_HARDENED = "It holds for every job anyway."
_RELAX = "Jobs are hardened; a point that has to hold no more is named under relax, and is in the audit trail."
_HOST = "It belongs to the engine or to this machine, and no job decides on it."


@dataclass(frozen=True, slots=True)
class RunOption:
    """One option. ``take`` gets the draft, how it was written and its value ("" where it takes none)."""

    takes_value: bool
    take: Take


def _lost(why: str) -> Take:
    return lambda draft, option, value: draft.lost(option, value, why)


def _env(draft: JobDraft, option: str, value: str) -> None:
    name, equals, text = value.partition("=")
    draft.variable(option, name, text if equals else None)


def _volume(draft: JobDraft, option: str, value: str) -> None:
    source, _, rest = value.partition(":")
    target, _, modes = rest.partition(":")
    if not target:
        draft.lost(option, value, "A volume without a folder here goes with its container.")
        return
    words = {word for word in modes.split(",") if word}
    draft.mount(option, value, source, target, writable="ro" not in words)
    if words - {"ro", "rw"}:
        draft.changed(option, value, "Of the words after the paths only ro and rw come over.")


def _mount(draft: JobDraft, option: str, value: str) -> None:
    pairs = dict(part.partition("=")[::2] for part in next(csv.reader([value]), []))
    source = pairs.get("source") or pairs.get("src") or ""
    target = pairs.get("target") or pairs.get("destination") or pairs.get("dst") or ""
    if pairs.get("type", "volume") != "bind":
        draft.lost(option, value, "Only folders and files of this machine (type=bind) are mounted.")
        return
    read_only = any(pairs.get(word, "false") in {"", "true", "1"} for word in ("readonly", "ro"))
    draft.mount(option, value, source, target, writable=not read_only)


def _gpus(draft: JobDraft, option: str, value: str) -> None:
    text = value.strip("\"'")
    parts = next(csv.reader([text.replace('"', "")]), [])
    devices = [part for part in parts if "=" not in part or part.startswith(("device=", "count="))]
    draft.gpus(option, ",".join(devices).removeprefix("count="), value)


def _device(draft: JobDraft, option: str, value: str) -> None:
    kind, _, which = value.partition("=")
    if kind == "nvidia.com/gpu":
        draft.gpus(option, which if which == "all" else f"device={which}", value)
    elif value.startswith("/dev/nvidia"):
        draft.lost(option, value, "A job asks for GPUs by their number: gpus: 1 under resources.")
    else:
        draft.lost(option, value, _RELAX)


def _publish(draft: JobDraft, option: str, value: str) -> None:
    draft.port(option, value)


def _memory(key: str) -> Take:
    return lambda draft, option, value: draft.amount(option, key, value)


def _name(draft: JobDraft, _option: str, value: str) -> None:
    draft.name = value


def _workdir(draft: JobDraft, option: str, value: str) -> None:
    draft.workdir = (option, value)


def _entrypoint(draft: JobDraft, option: str, value: str) -> None:
    draft.command[:0] = [value]
    draft.changed(option, value, "It became the first word of the command; an entry point of the image runs before it.")


def _restart(draft: JobDraft, option: str, value: str) -> None:
    kind, _, times = value.partition(":")
    if kind == "no":
        return
    if kind == "on-failure" and times.isdecimal():
        draft.keep(option, value, "retries", {"exit_nonzero": int(times)})
        draft.changed(option, value, "It became retries, with a longer pause before each.")
    else:
        draft.lost(option, value, "A job ends; add retries: {exit_nonzero: 3} for more attempts.")


def _runtime(draft: JobDraft, option: str, value: str) -> None:
    if value == "nvidia":
        draft.gpus(option, "all", value)
    else:
        draft.lost(option, value, "The desk chooses the runtime.")


def _security(draft: JobDraft, option: str, value: str) -> None:
    name, _, text = value.replace(":", "=", 1).partition("=")
    if (name, text) == ("seccomp", "unconfined"):
        draft.keep(option, value, "relax", ["seccomp"])
        draft.changed(option, value, "It became relax: [seccomp], which is in the audit trail.")
    elif name == "no-new-privileges":
        draft.lost(option, value, _HARDENED)
    else:
        draft.lost(option, value, _RELAX)


def _stop_timeout(draft: JobDraft, option: str, value: str) -> None:
    draft.keep(option, value, "grace", f"{value}s")


def _cpus(draft: JobDraft, option: str, value: str) -> None:
    draft.cpus(option, value)


def _all(names: str, why: str, *, takes_value: bool = True) -> dict[str, RunOption]:
    return {name: RunOption(takes_value, _lost(why)) for name in names.split()}


def _one(take: Callable[[JobDraft, str, str], None]) -> RunOption:
    return RunOption(takes_value=True, take=take)


OPTIONS: dict[str, RunOption] = {
    "name": _one(_name),
    "env": _one(_env),
    "volume": _one(_volume),
    "mount": _one(_mount),
    "gpus": _one(_gpus),
    "device": _one(_device),
    "publish": _one(_publish),
    "memory": _one(_memory("memory")),
    "shm-size": _one(_memory("shm")),
    "cpus": _one(_cpus),
    "workdir": _one(_workdir),
    "entrypoint": _one(_entrypoint),
    "restart": _one(_restart),
    "runtime": _one(_runtime),
    "stop-timeout": _one(_stop_timeout),
    "security-opt": _one(_security),
    **_all("env-file", "Its variables stand in a file: write them under env, and secrets under secrets."),
    **_all("detach", "Every job runs in the background; its log is kept.", takes_value=False),
    **_all("rm", "A job's container is removed when it is over.", takes_value=False),
    **_all("interactive tty", "A job has no terminal; a shell is opened in it while it runs.", takes_value=False),
    **_all("attach detach-keys", "A job has no terminal; a shell is opened in it while it runs."),
    **_all("privileged", f"It would show every GPU and the whole machine. {_RELAX}", takes_value=False),
    **_all("cap-add device-cgroup-rule userns", _RELAX),
    **_all("network net network-alias ip ip6 link mac-address add-host dns dns-option dns-search", _OWN_NETWORK),
    **_all("hostname domainname uts", _OWN_NETWORK),
    **_all("publish-all", "Ports are named one by one: add ports: [8888].", takes_value=False),
    **_all("expose", "Ports are named one by one: add ports: [8888]."),
    **_all("ipc", "Its shared memory is its own: shm: 8GiB under resources says how large."),
    **_all("pid cgroupns cgroup-parent", "A job sees its own processes only."),
    **_all("ulimit", "The limits are set for every job: 65536 open files, and for several GPUs more."),
    **_all("cap-drop pids-limit", _HARDENED),
    **_all("init read-only", _HARDENED, takes_value=False),
    **_all("tmpfs", "Temporary files have a place; more goes to mounts with mode: rw, or to outputs."),
    **_all("user group-add", "A job runs as who submits it, so that its files are theirs."),
    **_all("volumes-from volume-driver", "A volume of the engine has no folder here: mount a folder instead."),
    **_all("cpuset-cpus cpuset-mems cpu-shares cpu-period cpu-quota", "Only cpus comes over."),
    **_all("cpu-rt-period cpu-rt-runtime", "Only cpus comes over."),
    **_all("memory-swap memory-swappiness memory-reservation kernel-memory", "Only memory comes over."),
    **_all("oom-kill-disable", "A job that takes too much memory is ended, and told so.", takes_value=False),
    **_all("oom-score-adj", _HOST),
    **_all("log-driver log-opt", "The desk keeps the log, within a limit of its own."),
    **_all("label label-file annotation", "Labels are the desk's, by which it finds its containers again."),
    **_all("pull platform isolation", "An image is pulled if it is not here, and pinned when the job is submitted."),
    **_all("quiet disable-content-trust sig-proxy", "It is about the command docker itself.", takes_value=False),
    **_all("cidfile", "It is about the command docker itself."),
    **_all("health-cmd health-interval health-retries health-timeout", "Jobs have no health check."),
    **_all("health-start-period health-start-interval", "Jobs have no health check."),
    **_all("no-healthcheck", "Jobs have no health check.", takes_value=False),
    **_all("stop-signal", "A job is asked to end by TERM; warning: {signal: USR1} comes ahead of a time limit."),
    **_all("blkio-weight blkio-weight-device device-read-bps device-read-iops device-write-bps", _HOST),
    **_all("device-write-iops storage-opt sysctl", _HOST),
}  # fmt: skip
"""By their long names."""

SHORT = {
    "a": "attach", "c": "cpu-shares", "d": "detach", "e": "env", "h": "hostname", "i": "interactive", "l": "label",
    "m": "memory", "P": "publish-all", "p": "publish", "q": "quiet", "t": "tty", "u": "user", "v": "volume",
    "w": "workdir",
}  # fmt: skip
"""Long names by their letters."""
