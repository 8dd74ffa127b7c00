"""The hardened profile: how every container is made, as the body of the engine's create call. Pure but for mounts.

No capability, no new privileges, a read-only root with a /tmp in memory, an init process, limits on
processes, files, memory and log, ports on this machine's own address only, GPUs by UUID only, and no restart by the
engine. Named points of it can be relaxed.

The points of the hardened profile that a person may relax for a job (``OPENS`` has them by name). Pure.
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlops_desk.engines.daemon import listener
from mlops_desk.engines.dialects import CDI, DOCKER, GPUS_LABEL, Dialect
from mlops_desk.engines.engine import ContainerSpec
from mlops_desk.engines.mounts import check_mounts
from mlops_desk.engines.records import relaxations
from mlops_desk.jobs.records.spec import Mount
from mlops_desk.kit.base.errors import Hint, Refused
from mlops_desk.kit.base.text import plain

# How far an engine can raise the limits of what it starts: a container asked for more does not start at all.
#
# The engine's process is found by the credentials of its socket. One with CAP_SYS_RESOURCE (the usual case) may raise
# all; one without (rootless, or itself in a container) only up to its own limits.

_CAP_SYS_RESOURCE = 1 << 24  # bit 24 of linux/capability.h


@dataclass(frozen=True, slots=True)
class FileLimits:
    """``most_files``: the highest limit of open files; ``may_raise``: whether others can be raised at all."""

    most_files: int = 1 << 20
    may_raise: bool = True


def engine_limits(address: str) -> FileLimits:
    """Return what the engine at ``address`` can set; what can't be seen is taken to be as usual."""
    if not address.startswith("unix://"):
        return FileLimits()
    try:
        process = Path(f"/proc/{listener(address.removeprefix('unix://'))}")
        if process.stat().st_uid == 0 and _capabilities(process) & _CAP_SYS_RESOURCE:
            return FileLimits(int(Path("/proc/sys/fs/nr_open").read_text("ascii")))
        return FileLimits(_most_files(process), may_raise=False)
    except (OSError, ValueError):
        return FileLimits()


def _capabilities(process: Path) -> int:
    lines = process.joinpath("status").read_text("ascii", "replace").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("CapEff:")), 16)


def _most_files(process: Path) -> int:
    lines = process.joinpath("limits").read_text("ascii", "replace").splitlines()
    hard = next(line for line in lines if line.startswith("Max open files")).split()[4]
    return os.sysconf("SC_OPEN_MAX") if hard == "unlimited" else int(hard)


def check_relaxed(asked: Collection[str], allowed: Collection[str]) -> None:
    """Refuse a point that there is not, or that the administrator does not allow."""
    for name in asked:
        if name not in relaxations.OPENS:
            raise Refused(
                f"{plain(name, 40)} is no point that can be relaxed.", f"There are: {', '.join(relaxations.OPENS)}."
            )
        if name not in allowed:
            text = f"{name} is not to be relaxed on this machine: {relaxations.OPENS[name]}."
            raise Refused(text, Hint("mlops-desk settings show jobs.relaxable", after="    says what is allowed."))


MEMORY_SHARE = 0.9  # the rest is for the machine: without it the kernel may end other people's processes
PIDS_LIMIT = 4096  # chosen: hundreds of loader processes with their threads, and no fork bomb

_SHM_PER_GPU_BYTES = 16 << 30
"""Chosen: loaders of PyTorch and NCCL share batches there; Docker's own 64 MiB are too few."""
_SHM_LEAST_BYTES = 64 << 20  # Docker's own default
_FILES_SOFT, _FILES_HARD = 65_536, 524_288
"""The hard one is what systemd gives. The soft one is chosen: loaders of many shards need more than the usual 1,024."""
# Peers talk through pinned memory and deep stacks as soon as there is more than one GPU.
_MANY_GPUS = ({"Name": "memlock", "Soft": -1, "Hard": -1}, {"Name": "stack", "Soft": 64 << 20, "Hard": 64 << 20})
_MORE = 10  # what the point more_processes says
_PORTS = 1 << 16  # as many numbers as a port can have (RFC 9293)
_LOADER = ("LD_PRELOAD", "LD_AUDIT")
JOBS_NETWORK = "mlops-desk"
"""The bridge that our containers share, none of which reaches another: one, as Docker's pools end after thirty."""
JOBS_INTERFACE = "mld-jobs"
"""What the kernel calls that bridge, for rules of a firewall."""
_RESERVED_NETWORKS = ("host", "container:")


@dataclass(frozen=True, slots=True)
class Machine:
    """What the profile needs to know of the engine's machine. ``gpu_route``: nvidia, cdi or None (not known).

    ``rootless``: root in its containers is the person who started the engine, and all others are nobody outside.
    """

    memory_bytes: int
    gpu_route: str | None
    limits: FileLimits = field(default_factory=FileLimits)
    dialect: Dialect = DOCKER
    rootless: bool = False


def container_body(spec: ContainerSpec, machine: Machine) -> dict[str, Any]:
    """Return the create call's body for ``spec``. Raises Refused for what no container gets."""
    memory_bytes = _memory(spec, machine)
    body: dict[str, Any] = {
        "Image": spec.image,
        "Env": _environment(spec, machine),
        "Labels": {**spec.labels, GPUS_LABEL: ",".join(spec.gpus)},
        "Tty": False,
        "OpenStdin": False,
        "StopTimeout": spec.stop_grace_seconds,
        "ExposedPorts": {f"{port}/tcp": {} for port in spec.ports},
        "HostConfig": {
            **_isolation(spec, jobs_network(spec.name, machine.dialect)),
            "Ulimits": _ulimits(spec, machine.limits),
            "Memory": memory_bytes,
            "MemorySwap": memory_bytes,
            "ShmSize": _shared_memory(spec, machine),
            "NanoCpus": round((spec.cpus or 0) * 1e9),
            "Mounts": [_bind(mount) for mount in (*check_mounts(spec.mounts, spec.user), *spec.own_mounts)],
            "LogConfig": dict(machine.dialect.log),
            **machine.dialect.gpus(spec.gpus, machine.gpu_route),
        },
    }
    optional = {"Cmd": spec.command, "Entrypoint": spec.entrypoint}
    body.update({key: list(value) for key, value in optional.items() if value is not None})
    # Without root an engine gives other numbers to all but root: only root's files belong to the person outside.
    user = "0:0" if machine.rootless else spec.user
    body.update({"User": user} if user else {})
    body.update({"WorkingDir": spec.working_dir} if spec.working_dir else {})
    return body


def check_spec(spec: ContainerSpec) -> None:
    """Raise Refused for what no container gets, whatever the engine."""
    for name in spec.env:
        if "=" in name or not name or "\0" in name + spec.env[name]:
            raise Refused(f"{plain(name)!r} can't be the name of a variable.")
        if name.upper().startswith("NVIDIA_") or name in _LOADER:
            text = f"The variable {plain(name)} can't be set for a container: it decides which GPUs and code it sees."
            raise Refused(text, "Ask for GPUs in the resources; the desk sets the rest.")
    if (spec.network or "").startswith(_RESERVED_NETWORKS):
        raise Refused("A container never shares the network of the host or of another container.")
    if spec.beside is not None and (spec.network is not None or spec.ports):
        raise Refused("A container beside another one has neither a network nor ports of its own.")
    check_relaxed(spec.relax, relaxations.OPENS)
    if len(set(spec.ports)) != len(spec.ports) or any(not 0 < port < _PORTS for port in spec.ports):
        raise Refused(f"Ports are numbers from 1 to {_PORTS - 1}, each once.")
    if spec.ports and spec.network == "none":
        raise Refused("A container without a network has no ports.")
    if len(set(spec.gpus)) != len(spec.gpus) or any(not gpu.startswith(("GPU-", "MIG-")) for gpu in spec.gpus):
        raise Refused("GPUs are given by their UUIDs, each once.")
    check_mounts(spec.mounts, spec.user)


def needs_bridge(spec: ContainerSpec) -> bool:
    """Tell whether a container is to be on a bridge of ours."""
    return spec.network is None and spec.beside is None


def jobs_network(container: str, dialect: Dialect) -> str:
    """Return what the bridge is called that a container of ours is on when it asks for no network."""
    return JOBS_NETWORK if dialect.shared_bridge else f"{JOBS_NETWORK}-{container}"


def _isolation(spec: ContainerSpec, bridge: str) -> dict[str, Any]:
    relaxed = frozenset(spec.relax)
    options = "exec" if relaxations.EXEC_TMP in relaxed else "noexec"
    host = "0.0.0.0" if relaxations.LAN_PORTS in relaxed else "127.0.0.1"  # noqa: S104 - the point that was relaxed
    return {
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges", *(["seccomp=unconfined"] if relaxations.SECCOMP in relaxed else ())],
        "Privileged": False,
        "ReadonlyRootfs": relaxations.WRITABLE_ROOT not in relaxed,
        "Tmpfs": {"/tmp": f"rw,nosuid,nodev,{options},mode=1777,size={spec.tmpfs_bytes}"},  # noqa: S108 - in the container
        "Init": True,
        "IpcMode": "private",
        "NetworkMode": f"container:{spec.beside}" if spec.beside else spec.network or bridge,
        "PidsLimit": PIDS_LIMIT * (_MORE if relaxations.MORE_PROCESSES in relaxed else 1),
        "RestartPolicy": {"Name": "no"},
        "PortBindings": {f"{port}/tcp": [{"HostIp": host, "HostPort": ""}] for port in spec.ports},
        "PublishAllPorts": False,
    }


def _ulimits(spec: ContainerSpec, limits: FileLimits) -> list[Mapping[str, Any]]:
    hard = min(_FILES_HARD, limits.most_files)
    files = {"Name": "nofile", "Soft": min(_FILES_SOFT, hard), "Hard": hard}
    return [files, *(_MANY_GPUS if len(spec.gpus) > 1 and limits.may_raise else ())]


def _environment(spec: ContainerSpec, machine: Machine) -> list[str]:
    check_spec(spec)
    env: dict[str, str] = {"HOME": "/tmp", **spec.env}  # noqa: S108 - the only folder that any user can write to
    if not spec.gpus or machine.gpu_route == CDI:
        # An image may ask for all GPUs by itself; where the NVIDIA runtime is the default one, it gets them.
        env["NVIDIA_VISIBLE_DEVICES"] = "void"
    # A name without a value takes the image's own variable away: GPU hooks run with what the image sets.
    return [f"{name}={value}" for name, value in env.items()] + (list(_LOADER) if spec.gpus else [])


def _memory(spec: ContainerSpec, machine: Machine) -> int:
    most = int(machine.memory_bytes * MEMORY_SHARE)
    if spec.memory_bytes is not None and spec.memory_bytes > most:
        text = (
            f"{spec.memory_bytes / 2**30:.4g} GiB of memory are more than a container gets here ({most / 2**30:.4g})."
        )
        raise Refused(text, "Ask for less memory.")
    return spec.memory_bytes or most


def _shared_memory(spec: ContainerSpec, machine: Machine) -> int:
    if spec.shm_bytes is not None:
        return spec.shm_bytes
    quarter = machine.memory_bytes // 4
    return max(_SHM_LEAST_BYTES, min(quarter, _SHM_PER_GPU_BYTES * max(1, len(spec.gpus))))


def _bind(mount: Mount) -> dict[str, Any]:
    return {
        "Type": "bind",
        "Source": mount.source,
        "Target": mount.target,
        "ReadOnly": mount.mode == "ro",
        "BindOptions": {"Propagation": "rprivate", "CreateMountpoint": False},
    }
