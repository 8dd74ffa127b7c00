"""The doctor's checks of GPUs in containers: what was seen there, and whether CDI names the GPUs that there are."""

from collections.abc import Callable, Collection
from pathlib import Path
from time import localtime, strftime

from mlops_desk.engines.dialects import CDI
from mlops_desk.engines.engine import EngineInfo
from mlops_desk.engines.profile import JOBS_INTERFACE
from mlops_desk.records.agent import Check
from mlops_desk.records.engine import GpuProof

PROOF = "gpus seen in containers"
FILES = "cdi files"
LIMITS = "limits of containers"
APART = "network of jobs"
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTENS = "0A"  # TCP_LISTEN of the kernel (net/tcp_states.h)
_SHOWN_PORTS = 12  # chosen: a line
_GENERATE = "sudo nvidia-ctk cdi generate --device-name-strategy=uuid --output=/etc/cdi/nvidia.yaml"
_HOW = {"uuid": "by their UUIDs", "minor": "by their device files"}


def proof_check(proof: GpuProof | None, has_gpus: bool) -> Check:
    """Tell whether GPUs were ever seen inside a container of this machine's engine: no setting says so."""
    if proof is not None:
        when = strftime("%Y-%m-%d %H:%M", localtime(proof.at))
        count = "1 GPU" if len(proof.gpus) == 1 else f"{len(proof.gpus)} GPUs"
        return Check(PROOF, "ok", f"{count} seen {_HOW.get(proof.level, proof.level)} on {when}")
    if not has_gpus:
        return Check(PROOF, "ok", "no GPU to see")
    return Check(PROOF, "unknown", "not yet: the first job with a GPU proves it before its command runs")


def limits_check(info: EngineInfo) -> Check:
    """Tell whether jobs are held to the processors and the memory that they ask for."""
    if info.holds_limits:
        return Check(LIMITS, "ok", f"{info.name} holds containers to their processors and memory")
    text = f"{info.name} without root holds no container to its processors and memory with cgroup v1"
    return Check(LIMITS, "warning", f"{text}; the kernel option systemd.unified_cgroup_hierarchy=1 brings v2")


def open_ports(tables: Collection[Path] = _TABLES) -> set[int] | None:
    """Return the ports at which programs of this machine listen on all its addresses; None: not known."""
    found: set[int] = set()
    try:
        for table in tables:
            for line in table.read_text("ascii", "replace").splitlines()[1:]:
                words = line.split()
                address, _, port = words[1].partition(":")
                if words[3] == _LISTENS and not int(address, 16):
                    found.add(int(port, 16))
    except (OSError, ValueError, IndexError):
        return None
    return found


def apart_check(info: EngineInfo, listening: set[int] | None) -> Check:
    """Tell whether jobs are kept from one another, and which services of this machine they reach besides."""
    if not info.keeps_apart:
        text = f"jobs on {info.name} reach one another's ports: it has no network that keeps its containers apart"
        return Check(APART, "warning", f"{text}; network: none in a job file closes that job's off")
    if listening is None:
        return Check(APART, "unknown", "jobs are kept apart; which services of this machine they reach is not known")
    if not listening:
        return Check(APART, "ok", "jobs are kept apart, and no service of this machine listens on all its addresses")
    ports = sorted(listening)
    shown = ", ".join(map(str, ports[:_SHOWN_PORTS])) + (
        f" and {len(ports) - _SHOWN_PORTS} more" * (len(ports) > _SHOWN_PORTS)
    )
    text = (
        f"jobs are kept apart; unless a firewall is in the way they reach the services that listen on all addresses of "
        f"this machine: ports {shown}. Let these listen on 127.0.0.1, or keep jobs off them"
    )
    rule = f"sudo iptables -I INPUT -i {JOBS_INTERFACE} -p tcp --dport {ports[0]} -j DROP"
    return Check(APART, "warning", text, None if info.rootless else rule)  # without root the bridge is not seen here


def files_check(info: EngineInfo, uuids: Collection[str], named: Callable[[], set[str] | None]) -> Check:
    """Tell whether CDI names this machine's GPUs, where the engine hands them over by it."""
    if info.gpu_route != CDI or not uuids:
        return Check(FILES, "ok", "GPUs are not handed over by CDI" if uuids else "no GPU to name")
    names = named()
    if names is None:
        return Check(FILES, "problem", f"{info.name} hands GPUs over by CDI, and no file names them", _GENERATE)
    missing = sorted(set(uuids) - names)
    if missing:
        text = f"not named by UUID: {', '.join(missing[:4])}; the files are older than the GPUs, or name them by number"
        return Check(FILES, "problem", text, _GENERATE)
    stale = sorted(name for name in names - set(uuids) if name.startswith("GPU-"))
    if stale:
        text = f"all GPUs are named, and some that are not there: {', '.join(stale[:4])}"
        return Check(FILES, "warning", text, _GENERATE)
    return Check(FILES, "ok", f"all {len(uuids)} GPUs are named by UUID")
