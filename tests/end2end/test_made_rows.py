"""A retraining that learns from made rows besides, on a real engine without a network; and a maker that copies.

The program is the one that comes along, in the image that the model is trained in; the rows of both tests are real.
"""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.jobs.templates import build_folder
from tests.end2end.desk import Desk
from tests.end2end.loop_scene import Story, agent, cells, evidence, settled, steps, trained
from tests.images import busybox_image

pytestmark = [pytest.mark.end2end, pytest.mark.engine]

MAKER = """
apiVersion: mlops-desk/v1
kind: Job
name: {name}
image: {image}
command: {command}
resources: {{cpus: 2, memory: 1GiB}}
"""
RULE = """
apiVersion: mlops-desk/v1
kind: Rule
name: {name}
when: {{manual: true}}
then:
- retrain: cells
  metric: accuracy
  label: benign
  delta: 0.05
  data: {{/data: {data}}}
  augment: {{template: {name}, rows: 300, seed: 4}}
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, serving: dict[str, str]) -> Iterator[Desk]:
    with agent(tmp_path_factory.mktemp("desk") / "data", serving) as desk:
        yield desk


@pytest.fixture(scope="module")
def champion(desk: Desk, tmp_path_factory: pytest.TempPathFactory, training_image: str) -> Story:
    """A story whose model of last year is version 1, and champion, for all tests of this file."""
    story, folder = cells("cells", "linear", 8.0), tmp_path_factory.mktemp("champion")
    story.lay(folder)
    trained(desk, folder, story, training_image)
    return story


def kept(desk: Desk, folder: Path, name: str, image: str, command: str, more: str = "") -> None:
    """Keep a maker as a template, and a rule that asks for its rows."""
    maker, rule = folder / f"{name}.yaml", folder / f"{name}.rule.yaml"
    maker.write_text(MAKER.format(name=name, image=image, command=command) + more)
    desk.json("jobs", "save-template", name, str(maker))
    rule.write_text(RULE.format(name=name, data=folder / "new"))
    desk.json("rules", "create", str(rule))


def retrained(desk: Desk, name: str) -> dict[str, Any]:
    desk.run("rules", "fire", name, check=False)
    found = desk.wait(lambda: desk.json("pipelines", "list", "--rule", name), len)
    return settled(desk, found[0]["id"])


def test_made_rows_are_judged_and_learned_from_and_nothing_is_scored_on_them(
    desk: Desk, tmp_path: Path, champion: Story, training_image: str
) -> None:
    champion.lay(tmp_path)
    real = (tmp_path / "new" / "train.csv").read_bytes()
    source = f"source: {{folder: {build_folder()}/synthetic-copula}}\n"
    kept(desk, tmp_path, "alike", training_image, "[python3, synthesize.py]", source)
    run = retrained(desk, "alike")
    assert run["state"] == "waiting_for_approval", json.dumps(run, indent=1)
    assert steps(run)["augment"] == "done"
    made = evidence(run, "augment")["synthetic"]
    assert made["report"]["made_rows"] == 300
    assert made["report"]["quality"] > 0.7
    assert {one["gate"]: one["passed"] for one in evidence(run, "augment")["gates"]} == {
        "quality": True, "copies": True, "protection": True,
    }  # fmt: skip

    # The training had them over its own file alone, in a container; the maker had no network.
    job = desk.json("jobs", "show", run["job_id"])
    assert [(one["source"], one["target"]) for one in job["spec"]["mounts"]][1:] == [
        (str(tmp_path / "new"), "/data"), (made["path"], "/data/train.csv"),
    ]  # fmt: skip
    maker = desk.json("jobs", "show", evidence(run, "augment")["job_id"])
    assert (maker["spec"]["network"], maker["spec"]["mlflow"]) == ("none", None)
    mixed = Path(made["path"]).read_bytes()
    assert mixed.startswith(real)
    assert mixed.count(b"\n") == real.count(b"\n") + 300
    assert "score" in "\n".join(desk.run("jobs", "logs", job["id"]).stdout.splitlines()[-1:])
    assert f"by {real.count(bytes([10])) - 1 + 300} rows" in desk.run("jobs", "logs", job["id"]).stdout

    # What is scored is real, and no row of it was given to the maker.
    for score in evidence(run, "evaluate")["evaluation"]["scores"]:
        assert "datasets" not in score["data"]
    given = set(
        (desk.folder / "datasets" / f"{run['id']}-1" / "laid" / "given" / "rows.csv").read_text().splitlines()[1:]
    )
    assert given
    assert not given & set((tmp_path / "old" / "test.csv").read_text().splitlines())

    # Both runs tell it; lineage leads from the real rows to the made ones, and from these to the version.
    for run_id in (job["mlflow_run_id"], made["run_id"]):
        told = desk.json("runs", "show", run_id)
        assert told["metrics"]["synthetic.quality"] == pytest.approx(made["report"]["quality"])
        assert told["metrics"]["synthetic.copies"] == 0.0
        listed = {one["path"] for one in desk.json("runs", "artifacts", run_id, "synthetic")}
        assert listed == {"synthetic/report.html", "synthetic/report.json"}
    lineage = desk.json("models", "lineage", "cells", "--version", run["challenger_version"])
    titles = {one["node_id"]: one["title"] for one in lineage["nodes"]}
    lines = {(titles[one["source"]], titles[one["target"]]) for one in lineage["edges"]}
    assert ("train.csv", "made by alike") in lines
    desk.run("approvals", "reject", run["id"])


def test_a_maker_that_copies_is_stopped_before_anything_is_trained(desk: Desk, tmp_path: Path, champion: Story) -> None:
    champion.lay(tmp_path)
    kept(desk, tmp_path, "copies", busybox_image(), "[sh, -c, 'head -n 200 /in/rows.csv > /out/rows.csv']")
    before = len(desk.json("jobs", "list"))
    run = retrained(desk, "copies")
    assert (run["state"], steps(run)["augment"], steps(run)["train"]) == ("failed", "failed", "waiting")
    assert "100.00% of the made rows are copies of real ones" in run["text"]
    assert evidence(run, "augment")["synthetic"]["report"]["privacy"]["protection"] == 0.0
    assert len(desk.json("jobs", "list")) == before + 1, "the maker alone"


def test_a_learning_curve_says_what_more_rows_would_bring_and_leaves_no_version(desk: Desk, champion: Story) -> None:
    before = [one["version"] for one in desk.json("models", "versions", champion.model)]
    words = ("--shares", "25,50,75,100", "--repeats", "1", "--label", "benign")
    begun = desk.json("pipelines", "learning-curve", f"{champion.model}/1", *words)
    assert [one["rows"] for one in begun["points"]] == [42, 83, 124, 166]
    show = lambda: desk.json("pipelines", "curve", begun["id"][:8])  # noqa: E731 - two uses of one line
    desk.wait(show, lambda one: one["points"][1]["state"] == "training")
    os.kill(desk.json("agent", "status")["pid"], signal.SIGKILL)
    curve = desk.wait(show, lambda one: one["state"] != "running", 600)
    assert (curve["state"], {one["state"] for one in curve["points"]}) == ("done", {"scored"}), curve
    assert all(0.8 < one["value"]["value"] <= 1.0 for one in curve["points"])
    assert curve["fit"]["is_known"]
    assert curve["fit"]["sentence"].startswith("Twice as many rows (332) would make accuracy about ")
    assert [one["version"] for one in desk.json("models", "versions", champion.model)] == before
    jobs = [one for one in desk.json("jobs", "list") if any(p["job_id"] == one["id"] for p in curve["points"])]
    assert len(jobs) == 4, "none of them twice, also after the kill"
    assert {one["path"] for one in desk.json("runs", "artifacts", curve["run_id"], "learning_curve")} == {
        "learning_curve/curve.html", "learning_curve/curve.json",
    }  # fmt: skip
    assert not list((desk.folder / "datasets").glob("curve-*"))
