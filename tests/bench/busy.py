"""What a desk with much to do costs: 1,000 queued jobs and 50 running containers; 5 % of a core is allowed.

    python tests/bench/busy.py [QUEUED] [RUNNING]

Real containers that sleep, on the real engine, and the simulated driver. The processor time of the agent is told beside
that of the same agent with nothing to do, and that of the engine for the same containers.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests import nvml_sim
from tests.end2end.desk import Desk
from tests.images import busybox_image

SCENARIO = "system driver=580.95.05 cuda=13.0\ngpus 8 model=h100\n"
SPEC = "apiVersion: mlops-desk/v1\nkind: Job\nname: {name}\nimage: {image}\ncommand: [sleep, '3600']\narray: {count}\n"
LOOKED_SECONDS = 60.0
STARTED_WITHIN_SECONDS = 600.0


def main(queued: int = 1000, running: int = 50) -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory(prefix="mld-busy-") as place:
        root = Path(place)
        environment = nvml_sim.Simulator(root, SCENARIO).environment
        desk = Desk(root / "data", {**environment, "MLOPS_DESK_LEASE_DIR": str(root / "leases")})
        try:
            measure(desk, queued, running)
        finally:
            desk.stop()  # first: whoever is taken away would make room for the next
            subprocess.run(f"docker rm -f $(docker ps -qa --filter name=mld-{instance(desk)})", shell=True, check=False)


def measure(desk: Desk, queued: int, running: int) -> None:
    desk.run("settings", "set", "queue.jobs_without_gpus", str(running))
    desk.run("settings", "set", "queue.jobs_per_user", str(queued + running))
    agent = psutil.Process(int(desk.json("agent", "status")["pid"]))
    engine = [process for process in psutil.process_iter() if process.name() == "dockerd"]
    time.sleep(20.0)
    rows = [("nothing to do", *costs(agent, engine))]
    image = busybox_image()
    submit(desk, image, "run", running)
    desk.wait(lambda: brief(desk, "running"), lambda jobs: len(jobs) >= running, STARTED_WITHIN_SECONDS)
    time.sleep(20.0)
    rows.append((f"{running} containers", *costs(agent, engine)))
    submit(desk, image, "wait", queued)
    time.sleep(30.0)
    rows.append((f"{running} containers, {len(brief(desk, 'queued'))} queued", *costs(agent, engine)))
    print("| the agent with | its share of a core | its memory (RSS) | dockerd |\n|---|---|---|---|")
    for what, ours, memory, theirs in rows:
        print(f"| {what} | {ours:.2f} % | {memory:.0f} MiB | {theirs:.2f} % |")


def submit(desk: Desk, image: str, name: str, count: int) -> None:
    file = desk.folder.parent / f"{name}.yaml"
    file.write_text(SPEC.format(name=name, image=image, count=count))
    desk.run("jobs", "submit", str(file))


def brief(desk: Desk, state: str) -> list[object]:
    found: list[object] = desk.json("jobs", "list", "--state", state, "--limit", "10000")
    return found


def instance(desk: Desk) -> str:
    from mlops_desk.kit.base.disk.paths import DataFolder

    return DataFolder(desk.folder).instance


def costs(agent: psutil.Process, engine: list[psutil.Process]) -> tuple[float, float, float]:
    """Return the agent's share of a core in percent, its memory in MiB, and the engine's share."""
    before = [used(process) for process in (agent, *engine)]
    time.sleep(LOOKED_SECONDS)
    after = [used(process) for process in (agent, *engine)]
    shares = [100 * (late - early) / LOOKED_SECONDS for early, late in zip(before, after, strict=True)]
    return shares[0], agent.memory_info().rss / (1 << 20), sum(shares[1:])


def used(process: psutil.Process) -> float:
    """Return the processor time that a process has used, in seconds."""
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
