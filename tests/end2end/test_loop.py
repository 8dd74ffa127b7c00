"""The whole loop on a real engine, offline: traffic drifts, the monitor alarms, the rule retrains, both are scored on the
same rows, gates, a person, shadow, canary, champion; the same with the agent killed at every step; and the two ways in
which a challenger does not get there.

Three models of unlike kinds. The case that once failed is the first: a champion of last year that scores 0.8 on the rows
of now, and a challenger that scores 0.97 there and as well as the champion on the champion's own test set.
"""

import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.serving.test_requests import LABEL as ASIDE
from tests.end2end.desk import Desk
from tests.end2end.loop_scene import (
    WINDOW,
    Callers,
    Doomed,
    Story,
    agent,
    ask,
    cells,
    evidence,
    patients,
    pipeline,
    settled,
    steps,
    trained,
)
from tests.images import engine_client

pytestmark = [pytest.mark.end2end, pytest.mark.engine]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, serving: dict[str, str]) -> Iterator[Desk]:
    with agent(tmp_path_factory.mktemp("desk") / "data", serving) as desk:
        yield desk


def served(desk: Desk, story: Story, *words: str) -> dict[str, Any]:
    """Deploy a story's champion under the model's name, and wait until its monitor is there."""
    model = f"{story.model}@champion"
    endpoint = desk.json("endpoints", "deploy", model, "--name", story.model, *words)
    assert endpoint["state"] == "live", endpoint["reason"]
    desk.wait(lambda: desk.json("drift", "monitors", "list"), lambda found: any(
        one["monitor"]["name"] == story.model for one in found))  # fmt: skip
    return endpoint  # type: ignore[no-any-return]  # JSON


def drifted(endpoint: dict[str, Any], story: Story) -> Any:
    """Ask what callers ask now, three windows of it that nobody was trained on; return the rows."""
    rows = story.unseen.sample(3 * WINDOW, random_state=7)
    for first in range(0, len(rows), 50):
        ask(endpoint, story.records(rows.iloc[first : first + 50]), f"now-{first}")
    return rows


def containers(label: str) -> set[str]:
    """Return the names of the containers with a label that run."""
    with engine_client() as client:
        return {one["Names"][0].lstrip("/") for one in client.containers(filters={"label": label})}


def accuracy(story: Story, folder: Path, learned: str, asked: str) -> float:
    """Return what a model of the same recipe scores, trained here: ``learned`` and ``asked`` are old or new."""
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    train, test = pd.read_csv(folder / learned / "train.csv"), pd.read_csv(folder / asked / "test.csv")
    features = train.drop(columns=story.label)
    prepared = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), list(features.select_dtypes("float64"))),
        (OneHotEncoder(handle_unknown="ignore"), ["scanner"]),
    )
    model = make_pipeline(prepared, LogisticRegression(max_iter=5000)).fit(features, train[story.label])
    return float(model.score(test.drop(columns=story.label), test[story.label]))


def test_a_better_challenger_goes_from_drift_to_champion_and_all_that_is_told_of_it_holds(
    desk: Desk, tmp_path: Path, training_image: str
) -> None:
    story = cells("cells", "linear", 8.0)
    story.lay(tmp_path)
    job = trained(desk, tmp_path, story, training_image)
    endpoint = served(desk, story, "--follow", "champion")
    other = desk.json("endpoints", "deploy", "cells/1", "--name", "apart")
    assert other["state"] == "live"
    data = f"/data={tmp_path / 'new'}"
    words = ("--model", "cells", "--metric", "accuracy", "--endpoint", "cells", "--data", data, "--delta", "0.02")
    made = desk.json("rules", "create", "fresh-cells", *words, "--label", "benign", "--slices", "scanner")
    assert made["missing"] == []

    # Callers send what comes from the new scanner, and what it was turns out later: rows that both can be scored on.
    rows = drifted(endpoint, story)
    truth = tmp_path / "truth.csv"
    lines = [f"now-{at - at % 50},{at % 50},{int(value)}" for at, value in enumerate(rows["benign"])]
    truth.write_text("\n".join(["request_id,row,benign", *lines]))
    assert desk.json("endpoints", "feedback", "cells", str(truth))["rows"] == len(rows)
    run = pipeline(desk, "fresh-cells")
    (alarm,) = [one for one in desk.json("alerts", "list") if one["rule"] == "drift" and one["device"] == "cells"]
    assert "worst_radius" in alarm["text"]

    # Retrained by the recipe of the champion's capsule, on other data.
    run = settled(desk, run["id"])
    assert run["state"] == "waiting_for_approval", run["text"]
    again = desk.json("jobs", "show", run["job_id"])
    assert (again["image_id"], again["spec"]["command"]) == (job["image_id"], job["spec"]["command"])
    assert {mount["target"]: mount["source"] for mount in again["spec"]["mounts"]}["/data"] == str(tmp_path / "new")
    scores = {one["part"]: one for one in evidence(run, "evaluate")["evaluation"]["scores"]}
    assert (scores["fixed"]["rows"], scores["newest"]["rows"]) == (84, len(rows))
    assert "labelled requests of endpoint cells" in scores["newest"]["data"]
    assert 0.75 < run["comparison"]["champion"]["value"] < 0.83, run["comparison"]
    assert run["comparison"]["challenger"]["value"] > 0.95, run["comparison"]
    assert run["comparison"]["better"] is True
    gates = {one["gate"]: one["passed"] for one in evidence(run, "gate")["gates"]}
    assert gates == {"metric": True, "slice": True, "size": None, "latency": None}
    assert desk.json("models", "list")[0]["aliases"] == {"champion": "1"}, "nothing moves before a person says so"

    # A person agrees; the endpoint that follows goes there by shadow and canary, while callers ask.
    (asked,) = desk.json("approvals", "list")
    with Callers(endpoint, story.records(story.unseen.iloc[:40])) as callers:
        desk.json("approvals", "approve", asked["id"])
        run = settled(desk, run["id"])
    assert run["state"] == "promoted", run["text"]
    others = {name: state for name, state in steps(run).items() if state != "done"}
    assert others == {"augment": "skipped"}
    assert not callers.failed
    assert desk.json("models", "list")[0]["aliases"] == {"champion": "2", "challenger": "2"}
    moves = {one["name"]: one for one in evidence(run, "promote")["endpoints"]}
    assert (moves["cells"]["follows"], moves["cells"]["version"], moves["cells"]["state"]) == (True, "2", "live")
    assert (moves["apart"]["follows"], moves["apart"]["version"], moves["apart"]["state"]) == (False, "1", "left")
    shown = {one["name"]: one["model"]["version"] for one in desk.json("endpoints", "list")}
    assert shown == {"cells": "2", "apart": "1"}
    assert ask(endpoint, story.records(story.unseen.iloc[:50])) != []


def test_killed_at_every_step_it_ends_as_if_nobody_had(desk: Desk, tmp_path: Path, training_image: str) -> None:
    """Each agent is killed with its step's work done and nothing of it written down; two as a step begins, one while a
    model is asked in its container. What comes of it is what scikit-learn says here of the same rows, and is there once.
    """
    story = cells("cells", "linear", 8.0)
    story.lay(tmp_path)
    (tmp_path / "new" / "again.txt").write_text("The same rows once more are data of their own.")
    if not desk.json("models", "list"):  # the test above is not run beside this one
        trained(desk, tmp_path, story, training_image)
    desk.json("models", "promote", "cells", "--alias", "steady", "--version", "1")
    endpoint = desk.json("endpoints", "deploy", "cells@steady", "--name", "steady", "--follow", "steady")
    data = f"/data={tmp_path / 'new'}"
    words = ("--model", "cells", "--alias", "steady", "--metric", "accuracy", "--data", data, "--delta", "0.02")
    desk.json("rules", "create", "again", *words)
    desk.json("settings", "set", "drift.check_seconds", "0")  # monitors are none of what is killed here
    jobs = len(desk.json("jobs", "list"))
    began, instance = time.time(), DataFolder(desk.folder).instance
    desk.json("agent", "stop")
    before = {path.name for path in (desk.folder.parent / "tmp").iterdir()}

    doomed = Doomed(desk, tmp_path)
    mark = doomed.start("freeze")
    doomed.answers()
    desk.run("rules", "fire", "again")
    doomed.stands(mark)
    doomed.kill_in("freeze", "validate", "train")
    doomed.kill()
    doomed.start("gate")
    desk.wait(lambda: containers(f"{ASIDE}={instance}"), bool)
    doomed.kill_in("evaluate", "gate", "approve")
    doomed.kill()
    mark = doomed.start("register")
    doomed.answers()
    run = settled(desk, pipeline(desk, "again")["id"])
    assert run["state"] == "waiting_for_approval", run["text"]
    assert run["comparison"]["champion"]["value"] == pytest.approx(accuracy(story, tmp_path, "old", "new"))
    assert run["comparison"]["challenger"]["value"] == pytest.approx(accuracy(story, tmp_path, "new", "new"))

    words = (sys.executable, "-m", "mlops_desk", "approvals", "approve", run["id"])
    with Callers(endpoint, story.records(story.unseen.iloc[:40])) as callers:
        asking = subprocess.Popen(words, env=desk.whole_environment(), stderr=subprocess.DEVNULL)
        doomed.stands(mark)
        doomed.kill_in("register", "shadow", "canary", "promote")
        doomed.kill()
        asking.wait(240)
        run = settled(desk, run["id"])
    assert run["state"] == "promoted", run["text"]
    assert {name: state for name, state in steps(run).items() if state != "done"} == {"augment": "skipped"}, run
    assert not callers.failed, "the gateway outlives the agent"

    # It is there once.
    new = run["challenger_version"]
    (model,) = desk.json("models", "list")
    assert (model["latest_version"], model["aliases"]["steady"], model["aliases"]["challenger"]) == (new, new, new)
    assert len(desk.json("jobs", "list")) == jobs + 1
    shown = desk.json("endpoints", "show", "steady")
    assert (shown["model"]["version"], [one["model"]["version"] for one in shown["revisions"]]) == (new, ["1", new])
    since = [one for one in desk.json("audit", "list") if one["at"] > began and one["verb"] != "agent.shutdown"]
    told = [{"verb": one["verb"], **json.loads(one["arguments"])} for one in since]
    assert [(one["verb"], one.get("approval_id"), one.get("name")) for one in told] == [
        ("approvals.approve", run["id"], None), ("rules.fire", None, "again"),
    ]  # fmt: skip

    # Nothing is left behind.
    wanted = {one["container"] for told in desk.json("endpoints", "list") for one in told["replicas"]}
    desk.wait(lambda: containers(f"io.mlops-desk.instance={instance}"), lambda found: found == wanted)
    assert containers(f"{ASIDE}={instance}") == set()
    left = {path.name for path in (desk.folder.parent / "tmp").iterdir()} - before
    assert left <= {f"mlops-desk-{os.getuid()}"}, "no folder of a worker that died with its agent"
    assert [path.name for path in (desk.folder / "pipelines").iterdir() if path.is_dir()] == []
    assert [path.name for path in (desk.folder / "endpoints" / "_scoring" / "revisions").glob("*")] == []
    desk.json("settings", "set", "drift.check_seconds", "5")


def test_a_challenger_that_forgot_last_year_is_stopped_by_the_gate(
    desk: Desk, tmp_path: Path, training_image: str
) -> None:
    story = cells("nuclei", "forest", 6.0)
    story.lay(tmp_path, keeps_old=False)
    trained(desk, tmp_path, story, training_image)
    endpoint = served(desk, story, "--follow", "champion")
    data = f"/data={tmp_path / 'new'}"
    words = ("--model", "nuclei", "--metric", "accuracy", "--endpoint", "nuclei", "--data", data, "--delta", "0.02")
    desk.json("rules", "create", "fresh-nuclei", *words)
    drifted(endpoint, story)
    run = settled(desk, pipeline(desk, "fresh-nuclei")["id"])
    assert run["state"] == "not_better", run["text"]
    assert run["comparison"]["challenger"]["value"] > run["comparison"]["champion"]["value"] + 0.1
    gates = [(one["gate"], one["passed"]) for one in evidence(run, "gate")["gates"]]
    assert gates == [("metric", True), ("metric", False), ("size", None), ("latency", None)]
    assert "is worse by more than 0.02" in run["text"]
    assert (steps(run)["approve"], desk.json("approvals", "list")) == ("waiting", [])
    (model,) = [one for one in desk.json("models", "list") if one["name"] == "nuclei"]
    assert model["aliases"] == {"champion": "1"}


def test_a_challenger_that_is_too_slow_for_its_callers_is_rolled_back_by_the_canary(
    desk: Desk, tmp_path: Path, training_image: str
) -> None:
    story = patients()
    story.lay(tmp_path, keeps_old=True)
    trained(desk, tmp_path, story, training_image)
    endpoint = served(desk, story, "--follow", "champion")
    data = f"/data={tmp_path / 'new'}"
    words = ("--model", "patients", "--metric", "rmse", "--lower-is-better", "--endpoint", "patients", "--data", data)
    desk.json("rules", "create", "fresh-patients", *words, "--delta", "40")
    drifted(endpoint, story)
    run = settled(desk, pipeline(desk, "fresh-patients")["id"])
    assert run["state"] == "waiting_for_approval", run["text"]
    desk.json("settings", "set", "serving.canary_times_latency", "3")
    desk.json("approvals", "approve", run["id"])
    # One caller asks while it gets copies, for without any nothing is known of it; that it is slow the canary tells.
    show = lambda: desk.json("pipelines", "show", run["id"])  # noqa: E731 - two uses of one line
    desk.wait(show, lambda found: "no request came" in found["text"])
    assert "mlops-desk endpoints promote patients" in show()["hint"]
    ask(endpoint, story.records(story.unseen.iloc[:1]))
    desk.wait(lambda: steps(desk.json("pipelines", "show", run["id"])), lambda found: found["canary"] == "running")
    with Callers(endpoint, story.records(story.unseen.iloc[:40])) as callers:
        run = settled(desk, run["id"])
    assert run["state"] == "rolled_back", run["text"]
    assert (steps(run)["shadow"], steps(run)["canary"]) == ("done", "failed")
    assert "slow" in run["text"] or "longer" in run["text"], run["text"]
    assert not callers.failed
    (model,) = [one for one in desk.json("models", "list") if one["name"] == "patients"]
    assert model["aliases"] == {"champion": "1", "challenger": "2"}
    shown = desk.wait(lambda: desk.json("endpoints", "show", "patients"), lambda one: one["rollout"] is None)
    assert shown["model"]["version"] == "1"
    desk.json("settings", "set", "serving.canary_times_latency", "100")


def test_what_is_told_of_it_all_holds_at_the_end(desk: Desk, tmp_path: Path) -> None:
    """Lineage, card, audit and evidence, after all that is above."""
    edges = {
        (edge["source"].partition(":")[0], edge["text"], edge["target"].partition(":")[0])
        for edge in desk.json("lineage", "cells/2")["edges"]
    }
    assert edges >= {
        ("dataset", "mount", "run"), ("dataset", "training", "run"), ("dataset", "testing", "run"),
        ("job", "ran", "run"), ("logged_model", "registered", "version"), ("version", "served", "revision"),
        ("revision", "answers", "endpoint"), ("endpoint", "watched", "monitor"), ("monitor", "sets off", "rule"),
        ("rule", "started", "job"), ("alias", "retrains", "rule"), ("version", "is called", "alias"),
    }  # fmt: skip
    told = desk.json("audit", "verify")
    assert (told["intact"], told["first_bad"]) == (True, None)
    approved = [one["arguments"] for one in desk.json("audit", "list", "--verb", "approvals.approve")]
    runs = {one["id"]: one["state"] for one in desk.json("pipelines", "list")}
    assert sorted(runs.values()) == ["not_better", "promoted", "promoted", "rolled_back"]
    assert {json.loads(one)["approval_id"] for one in approved} == {
        run_id for run_id, state in runs.items() if state != "not_better"
    }
    card = desk.json("cards", "edit", "cells/2", "--set", "limits=Cells of other scanners.")
    assert (card["stage"], card["trouble"], card["facts"]["gaps"]) == ("draft", None, [])
    facts = desk.json("cards", "show", "cells/2")["facts"]
    assert {one["role"] for one in facts["data"]} >= {"mount", "training", "testing"}
    figures = [one for one in facts["figures"] if one["rows"] is not None]
    assert [(one["name"], one["rows"]) for one in figures] == [("accuracy", 84), ("accuracy", 3 * WINDOW)], figures
    assert all(one["low"] < one["value"] <= one["high"] for one in figures), figures
    assert facts["environment"]["image_digest"] is not None
    assert any(one.startswith("scikit-learn") for one in facts["environment"]["requirements"])
    pack = tmp_path / "cells.zip"
    made = desk.json("evidence", "build", "cells/2", str(pack))
    states = {part["name"]: part["state"] for part in made["parts"]}
    wanted = {
        "version",
        "run",
        "lineage",
        "openlineage",
        "aliases",
        "endpoints",
        "monitors",
        "drift",
        "decisions",
        "card",
    }
    assert {part for part in wanted if states[part] != "there"} == set(), states
    with zipfile.ZipFile(pack) as archive:
        told = json.loads(archive.read("card.json"))
    assert (told["sha256"], told["facts"]["figures"]) == (card["sha256"], facts["figures"])
    assert desk.json("evidence", "verify", str(pack), "--signer", made["signer"])["intact"] is True
