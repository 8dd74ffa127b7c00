"""What looking on costs a container that prints much: seconds for 100 MB of lines, alone and looked at, in turns.

    python tests/bench/onlooker.py

Needs a Docker engine. The processor time is that of who looks on, for ten seconds of a bar that is painted ten times a
second.
"""

import sys
import time
import uuid
from pathlib import Path

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.engines.engine import ContainerSpec
from mlops_desk.jobs.runtimes.local.log_capture.live_output.watch import SightWatch
from mlops_desk.kit.base.loop import Loop
from tests.images import busybox_image

TURNS = 4
FLOOD = ("sh", "-c", "sleep 2; head -c 100000000 /dev/zero | tr '\\0' x | fold -w 100")
BAR = ("sh", "-c", "while :; do printf '\\r 10%%'; busybox usleep 100000; done")
LONGEST_SECONDS = 120.0


def begun(engine: DockerEngine, image: str, command: tuple[str, ...]) -> str:
    name = f"bars-bench-{uuid.uuid4().hex[:8]}"
    engine.create(ContainerSpec(name, image, command))
    engine.start(name)
    return name


def flood(engine: DockerEngine, image: str, watch: SightWatch | None) -> float:
    """Return how long a container took to print it all."""
    start = time.monotonic()
    name = begun(engine, image, FLOOD)
    if watch is not None:
        watch.look_at({name: str(engine.sight_socket())})
    while engine.inspect(name).status == "running" and time.monotonic() - start < LONGEST_SECONDS:
        time.sleep(0.02)
    took = time.monotonic() - start - 2.0
    if watch is not None:
        watch.look_at({})
    engine.remove(name)
    return took


def processor_share(engine: DockerEngine, image: str, watch: SightWatch) -> float:
    """Return the share of a core that looking at one bar takes."""
    name = begun(engine, image, BAR)
    watch.look_at({name: str(engine.sight_socket())})
    time.sleep(3)
    stat = Path(f"/proc/{watch.pid}/stat")
    before = sum(map(int, stat.read_text().split()[13:15]))
    time.sleep(10)
    after = sum(map(int, stat.read_text().split()[13:15]))
    watch.look_at({})
    engine.kill(name, "KILL")
    engine.remove(name)
    return (after - before) / 100 / 10


def main() -> int:
    loop, engine, image = Loop("bench"), DockerEngine(), busybox_image()
    watch = SightWatch(loop, lambda *_: None, lambda: None)
    print("| alone, s | looked at, s |\n|---|---|")
    for _ in range(TURNS):
        print(f"| {flood(engine, image, None):.2f} | {flood(engine, image, watch):.2f} |", flush=True)
    print(f"who looks on at one bar takes {100 * processor_share(engine, image, watch):.2f} % of a core")
    loop.stop(5.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
