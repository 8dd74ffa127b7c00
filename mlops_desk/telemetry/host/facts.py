"""What seldom changes about the machine: kernel, distribution, processors, NUMA nodes. Read once, title and text."""

import platform
from pathlib import Path

from mlops_desk.base.text import plain
from mlops_desk.telemetry.host.kernel_files import number, word


def facts(proc: Path, sys: Path, etc: Path = Path("/etc")) -> dict[str, str]:
    """Return the facts that this machine tells, in the order they are shown."""
    cpu = sys / "devices" / "system" / "cpu"
    sockets, cores, threads = topology(cpu)
    found = {
        "Machine": _machine(sys),
        "Distribution": distribution(_text(etc / "os-release")),
        "Kernel": f"{platform.system()} {platform.release()}",
        "Architecture": platform.machine(),
        "Processor": processor(_text(proc / "cpuinfo")),
        "Sockets": str(sockets) if sockets else None,
        "Cores": str(cores) if cores else None,
        "Logical processors": str(threads) if threads else None,
        "Frequency governor": word(cpu / "cpu0" / "cpufreq" / "scaling_governor"),
        "Swappiness": word(proc / "sys" / "vm" / "swappiness"),
        **nodes(sys / "devices" / "system" / "node"),
    }
    return {title: plain(text) for title, text in found.items() if text}


def distribution(release: str) -> str | None:
    """Return the distribution's name from os-release(5)."""
    for line in release.splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip().strip("\"'") or None
    return None


def processor(cpuinfo: str) -> str | None:
    """Return the model's name from /proc/cpuinfo; some architectures have none."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "cpu model"):
            return " ".join(value.split()) or None
    return None


def topology(cpu: Path) -> tuple[int, int, int]:
    """Return how many sockets, cores and logical processors there are; 0 where it is not told."""
    packages, cores, threads = set(), set(), 0
    for folder in cpu.glob("cpu[0-9]*"):
        package = number(folder / "topology" / "physical_package_id")
        core = number(folder / "topology" / "core_id")
        if package is None or core is None:
            continue
        threads += 1
        packages.add(package)
        cores.add((package, core))
    return len(packages), len(cores), threads


def nodes(folder: Path) -> dict[str, str]:
    """Return which processors each NUMA node has; nothing on a machine with one node."""
    lists = {}
    for node in sorted(folder.glob("node[0-9]*"), key=lambda path: (len(path.name), path.name)):
        lists[node.name.removeprefix("node")] = word(node / "cpulist") or "none"
    if len(lists) < 2:
        return {}
    return {f"NUMA node {name}": f"processors {processors}" for name, processors in lists.items()}


def _machine(sys: Path) -> str | None:
    folder = sys / "class" / "dmi" / "id"
    return " ".join(part for name in ("sys_vendor", "product_name") if (part := word(folder / name))) or None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(1 << 16).decode("utf-8", "replace")
    except OSError:
        return ""
