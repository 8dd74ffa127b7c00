"""Images that serve a version, kind by kind: how large, how soon they answer, and how soon they end after TERM.

    python tests/bench/serving_images.py [TIMES] [--model FOLDER --wheels FOLDER]

A model of the tests, unless a version's files and a wheelhouse for them are named (TensorFlow, say); only the kinds that
are made of wheels are measured then. The floor of an end is that of a program that ends at once, in busybox. The end is
the engine's own note of it; while a request is under way the server has half a second to answer it. Nothing is asserted:
``tests/end2end/test_serving_stops.py`` counts the signals.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mlops_desk.serving import deploy_options
from tests import endings
from tests.end2end.test_serving_anyimage import COMMAND
from tests.end2end.test_serving_engine import House
from tests.images import busybox_image, engine_client, python_image
from tests.scoring import odd_model
from tests.wheels import closure, wheelhouse

NEEDS = ("mlflow-skinny", "pandas", "numpy", "fastapi", "uvicorn", "flask", "aiohttp")
EXAMPLE = {"dataframe_split": {"columns": ["do"], "data": [["a"]]}}
ROW = "{:<22} {:>9} {:>12} {:>12} {:>10} {:>10} {:>9}"


def main(times: int, model: Path | None, wheels: Path | None) -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory(prefix="mld-images-") as place:
        root = Path(place)
        settings = {
            "serving.base_image": python_image(with_pip=True),
            "serving.wheelhouse": str(wheels or wheelhouse(NEEDS, root / "wheels")),
        }
        house = House(root / "house", settings, model or odd_model(root / "model", EXAMPLE))
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors, {times} ends of each")
        print(ROW.format("", "MiB", "first s", "again s", "end p50 s", "worst s", "killed"))
        try:
            measure(house, times, ("build", "machine") if model else ("training", "build", "machine"))
        finally:
            instance = house.folder.instance
            house.end()
            with engine_client() as client:
                for image in client.images(filters={"label": f"{deploy_options.LABEL_INSTANCE}={instance}"}):
                    client.remove_image(image["Id"], force=True)


def measure(house: House, times: int, kinds: tuple[str, ...]) -> None:
    floor(times)
    with engine_client() as client:
        trained = client.inspect_image(python_image(closure(NEEDS[:3])))["Id"]
    house.service._maker._find_trained = lambda _version: (trained, "job-1")
    for kind in kinds:
        row(house, kind, times, lambda kind=kind: house.service.deploy("bodies", kind, runtime=kind))
    image = python_image()
    row(house, "own", times, lambda: house.service.deploy(
        "", "own", image=image, port=8000, health="/healthz", command=COMMAND
    ))  # fmt: skip


def row(house: House, kind: str, times: int, deploy) -> None:
    """Deploy, end what serves, and the same again; the first time its image is made."""
    took, ends, size = [], [], 0
    for _ in range(times):
        began = time.monotonic()
        made = deploy()
        took.append(time.monotonic() - began)
        assert made.state == "live", made.reason
        serves = made.replicas[0].container
        serves = deploy_options.beside(serves) if kind == "own" else serves
        with engine_client() as client:
            size = client.inspect_image(made.image)["Size"] >> 20
        ends.append(endings.stopped(serves))
        house.service.remove(kind)
    show(kind, ends, size, took)


def floor(times: int) -> None:
    name = "mlops-desk-test-floor"
    ends = []
    for _ in range(times):
        command = ["docker", "run", "-d", "--init", "--name", name, busybox_image(), "sleep", "1000"]
        subprocess.run(command, check=True, capture_output=True)
        ends.append(endings.stopped(name))
        subprocess.run(["docker", "rm", "-f", name], check=True, capture_output=True)
    show("floor: busybox sleep", ends)


def show(name: str, ends: list[endings.Ending], size: int = 0, took: list[float] | None = None) -> None:
    seconds = [one.seconds for one in ends]
    killed = sum(endings.KILL in one.signals for one in ends)
    first, again = ("", "") if not took else (f"{took[0]:.1f}", f"{statistics.median(took[1:] or took):.1f}")
    print(ROW.format(
        name, size or "", first, again, f"{statistics.median(seconds):.3f}", f"{max(seconds):.3f}", f"{killed}/{len(ends)}"
    ), flush=True)  # fmt: skip


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("times", nargs="?", type=int, default=5)
    words.add_argument("--model", type=Path)
    words.add_argument("--wheels", type=Path)
    told = words.parse_args()
    main(told.times, told.model, told.wheels)
