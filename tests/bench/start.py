"""From submit to the container's process, beside ``docker run`` of the same image, in turns; 1.5 times is allowed.

    python tests/bench/start.py [TIMES]

Both are asked by their command line, and the end is the engine's own note of when the process started. What of ours is
the command line alone stands in a row of its own: the window and other programs ask the agent without it. The floor of
any command in Python stands beside it, as does what each command takes of a processor: on a machine that others use too
only that, and the ratio of neighbours in one round, can be compared.

``docker run`` is asked twice: as people type it, on the engine's bridge, where a job's container is as well, and without
a network, which is less than any job gets.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mlops_desk.kit.api.client import connect
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from tests import nvml_sim
from tests.end2end.desk import Desk
from tests.images import busybox_image

SCENARIO = "system driver=580.95.05 cuda=13.0\ngpus 8 model=h100\n"
STAY_SECONDS = "6"
"""Long enough to be looked at; a job's container is gone soon after its end."""
PEER = "docker run"
PAUSE_SECONDS = 3.0
"""What one start leaves to tidy up does not count for the next one."""


def main(times: int = 15) -> None:
    """Print a table."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its bytecode
    image = busybox_image()
    with tempfile.TemporaryDirectory(prefix="mld-start-") as place:
        root = Path(place)
        environment = nvml_sim.Simulator(root, SCENARIO).environment
        desk = Desk(root / "data", {**environment, "MLOPS_DESK_LEASE_DIR": str(root / "leases")})
        try:
            measure(desk, image, times)
        finally:
            desk.stop()


def measure(desk: Desk, image: str, times: int) -> None:
    desk.json("jobs", "list")  # an agent is there, as one is while the window is open
    client = connect(AgentAddress.of_folder(desk.folder), demo=False)
    spec = f"apiVersion: mlops-desk/v1\nkind: Job\nname: short\nimage: {image}\ncommand: [sleep, '{STAY_SECONDS}']\n"
    ways: dict[str, Callable[[int], str]] = {
        PEER: lambda number: docker_run(image, number, "bridge"),
        "the same without a network": lambda number: docker_run(image, number, "none"),
        "mlops-desk jobs submit": lambda _: by_command_line(desk, spec),
        "the same, asked by a program": lambda _: container_of(desk, client.jobs.submit(spec).id),
    }
    found: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(times):
        for way, start in ways.items():
            time.sleep(PAUSE_SECONDS)
            asked = time.time()
            found[way].append(started_at(start(number)) - asked)
    client.close()
    print("| from the call to the container's process | median | slowest | of docker run's, median of the rounds |")
    print("|---|---|---|---|")
    for way, seconds in found.items():
        ratio = statistics.median(ours / theirs for ours, theirs in zip(seconds, found[PEER], strict=True))
        print(f"| {way} | {milliseconds(seconds)} | {1000 * max(seconds):.0f} ms | {ratio:.2f} |")
    tell_commands(desk, image, times)


def tell_commands(desk: Desk, image: str, times: int) -> None:
    """Print what each command takes of a processor by itself, beside the floor of any command in Python."""
    spec = f"apiVersion: mlops-desk/v1\nkind: Job\nname: dry\nimage: {image}\ncommand: [sleep, '1']\n"
    words = [sys.executable, "-m", "mlops_desk"]
    commands = {
        "python -I -S -c pass": [sys.executable, "-I", "-S", "-c", "pass"],
        "python -c pass": [sys.executable, "-c", "pass"],
        "docker version": ["docker", "version"],
        "mlops-desk jobs submit --dry-run --json": [*words, "jobs", "submit", "-", "--dry-run", "--json"],
        "mlops-desk jobs list --json": [*words, "jobs", "list", "--json"],
        "mlops-desk jobs list": [*words, "jobs", "list"],
    }
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(times):
        for name, command in commands.items():
            before = children_seconds()
            subprocess.run(
                command, input=spec, env=desk.whole_environment(), text=True, capture_output=True, check=True
            )
            found[name].append(children_seconds() - before)
    print("\n| a command | processor time, median |\n|---|---|")
    for name, seconds in found.items():
        print(f"| {name} | {milliseconds(seconds)} |")


def milliseconds(seconds: list[float]) -> str:
    return f"{1000 * statistics.median(seconds):.0f} ms"


def children_seconds() -> float:
    """Return what the commands that have ended took of a processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def docker_run(image: str, number: int, network: str) -> str:
    name = f"mld-start-{network}-{number}"
    words = ["docker", "run", "-d", "--network", network, "--init", "--name", name, image, "sleep", STAY_SECONDS]
    subprocess.run(words, check=True, capture_output=True)
    return name


def by_command_line(desk: Desk, spec: str) -> str:
    command = [sys.executable, "-m", "mlops_desk", "jobs", "submit", "-", "--json"]
    environment = desk.whole_environment()
    said = subprocess.run(command, input=spec, env=environment, check=True, capture_output=True, text=True).stdout
    return container_of(desk, said.split('"id": "')[1].split('"')[0])


def container_of(desk: Desk, job_id: str) -> str:
    """Wait until the job has its container, and return its name."""
    shown = desk.wait(lambda: desk.json("jobs", "show", job_id), lambda job: bool(job["attempts"]))
    return str(shown["attempts"][-1]["container"])


def started_at(name: str) -> float:
    """Return when the engine says that the container's process started, in Unix seconds; the container goes."""
    while True:
        words = ["docker", "inspect", "--format", "{{.State.StartedAt}}", name]
        said = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
        if not said.startswith("0001"):
            break
        time.sleep(0.02)
    if name.startswith("mld-start-"):
        subprocess.run(["docker", "rm", "-f", name], check=True, capture_output=True)
    whole, _, rest = said.partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{rest.rstrip('Z') or 0}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
