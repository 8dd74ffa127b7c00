"""What columns mean to real models, found on a real engine: a forest says it, nearest neighbours have to be asked.

A weighing that is stopped, and one whose agent is killed, leave nothing: no container, no rows, no weights.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end2end.cells import SPEC, cells, project
from tests.end2end.desk import Desk
from tests.images import engine_client

pytestmark = [pytest.mark.end2end, pytest.mark.engine]
_TRAINING = SPEC.replace("train_cells.py", "train_weighed.py")
_USED = {"radius", "texture", "smoothness", "symmetry", "clinic"}
"""What the models look at; the other two columns they are given, and drop."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, training_image: str, serving: dict[str, str]) -> Iterator[Desk]:
    """An agent with both models, each with a monitor that is held against the table they were trained on."""
    place = project(tmp_path_factory.mktemp("project"))
    shutil.copy(Path(__file__).with_name("train_weighed.py"), place / "code")
    (place / "job.yaml").write_text(_TRAINING.format(image=training_image))
    unlabelled = place / "unlabelled.csv"
    cells().drop(columns="benign").to_csv(unlabelled, index=False)
    desk = Desk(tmp_path_factory.mktemp("desk") / "data")
    try:
        desk.json("settings", "set", "jobs.mount_roots", "~ /tmp")
        for key, value in serving.items():
            desk.json("settings", "set", key, value)
        job = desk.json("jobs", "submit", str(place / "job.yaml"))
        final = {"succeeded", "failed", "cancelled", "unknown"}
        job = desk.wait(lambda: desk.json("jobs", "show", job["id"]), lambda job: job["state"] in final)
        assert job["state"] == "succeeded", desk.json("jobs", "logs", job["id"])
        data = place / "data" / "cells.csv"
        for name, model, reference in (
            ("forest", "forest/1", data), ("near", "near/1", data), ("blind", "near/1", unlabelled),
        ):  # fmt: skip
            targets = () if reference is unlabelled else ("--targets", "benign")
            desk.json(
                "drift", "monitors", "create", name, "--model", model, "--files", str(data),
                "--reference-file", str(reference), "--reference", "file", *targets,
            )  # fmt: skip
        yield desk
    finally:
        desk.stop()


def weighed(desk: Desk, name: str, *words: str) -> dict[str, Any]:
    monitor: dict[str, Any] = desk.json("drift", "monitors", "weigh", name, *words)["monitor"]
    return monitor


def aside(desk: Desk) -> list[str]:
    """Name the containers that are beside the traffic of this desk's endpoints."""
    instance = desk.json("agent", "status")["instance"]
    with engine_client() as client:
        found = client.containers(all=True, filters={"label": f"io.mlops-desk.aside={instance}"})
        return [name for one in found for name in one["Names"]]


def test_a_forest_says_what_its_columns_mean(desk: Desk) -> None:
    monitor = weighed(desk, "forest")
    computed = monitor["computed"]
    assert (computed["method"], computed["model"], computed["n_rows"]) == ("feature_importances", "forest/1", 569)
    assert set(computed["columns"]) == _USED | {"is_large", "seen"}
    assert sum(one["mean"] for one in computed["columns"].values()) == pytest.approx(1.0)
    assert max(monitor["importance"], key=monitor["importance"].get) == "radius"
    assert monitor["importance"]["is_large"] == monitor["importance"]["seen"] == 0.0
    assert aside(desk) == []
    said = desk.run("drift", "monitors", "show", "forest").stdout
    assert "radius 5" in said or "radius 6" in said
    assert "The model says it itself" in said


def test_neighbours_are_asked_and_the_same_seed_tells_the_same(desk: Desk) -> None:
    first = weighed(desk, "near", "--seed", "3")
    computed = first["computed"]
    assert (computed["method"], computed["metric"], computed["n_rows"]) == ("permutation", "accuracy", 569)
    assert (computed["n_repeats"], computed["seed"]) == (5, 3)
    assert 0.8 < computed["baseline"] <= 1.0
    assert "KNeighborsClassifier" in computed["why"]
    assert max(first["importance"], key=first["importance"].get) == "radius"
    assert computed["columns"]["radius"]["deviation"] > 0.0
    assert computed["columns"]["is_large"] == {"mean": 0.0, "deviation": 0.0}
    again = weighed(desk, "near", "--seed", "3")["computed"]
    assert again["columns"] == computed["columns"]
    assert weighed(desk, "near", "--metric", "accuracy", "--repeats", "1")["computed"]["n_repeats"] == 1
    assert aside(desk) == []


def test_without_labels_it_is_told_how_far_answers_change(desk: Desk) -> None:
    monitor = weighed(desk, "blind", "--rows", "300")
    computed = monitor["computed"]
    assert (computed["metric"], computed["baseline"]) == ("change", 0.0)
    assert computed["n_rows"] <= 300
    assert 0.0 < computed["columns"]["radius"]["mean"] < 1.0
    assert "no row has a label" in desk.run("drift", "monitors", "show", "blind").stdout
    refused = desk.run("drift", "monitors", "weigh", "blind", "--metric", "accuracy", check=False)
    assert refused.returncode != 0
    assert "needs rows with labels" in refused.stderr
    assert desk.json("drift", "monitors", "show", "blind")["monitor"]["computed"] == computed, "what was known stays"


def begun(desk: Desk) -> subprocess.Popen[str]:
    """Begin a weighing that lasts, and wait until its container is there."""
    words = ["drift", "monitors", "weigh", "near", "--repeats", "100"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlops_desk", *words], env=desk.whole_environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    desk.wait(lambda: aside(desk), len)
    return process


def test_one_that_is_stopped_leaves_nothing(desk: Desk) -> None:
    before = desk.json("drift", "monitors", "show", "near")["monitor"]["computed"]
    process = begun(desk)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=240)
    assert process.returncode != 0
    assert "stopped; nothing of it is left" in said
    assert aside(desk) == []
    assert desk.json("drift", "monitors", "show", "near")["monitor"]["computed"] == before


def test_after_a_killed_agent_the_container_goes_and_it_can_be_asked_again(desk: Desk) -> None:
    before = desk.json("drift", "monitors", "show", "near")["monitor"]["computed"]
    process = begun(desk)
    os.kill(desk.json("agent", "status")["pid"], signal.SIGKILL)
    _, said = process.communicate(timeout=240)
    assert process.returncode != 0
    assert said.strip()
    desk.wait(lambda: desk.json("drift", "monitors", "show", "near"), lambda one: one is not None)
    desk.wait(lambda: aside(desk), lambda names: names == [])
    assert desk.json("drift", "monitors", "show", "near")["monitor"]["computed"] == before
    assert not list((desk.folder / "drift" / "weighing").glob("*"))
    assert weighed(desk, "near", "--repeats", "1")["computed"]["n_repeats"] == 1
