"""Pipelines of git repositories on a real engine, by the real program: run, failed, ended, killed, and pushed."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.end2end.ci_repository import git, repository, shell
from tests.end2end.desk import Desk
from tests.images import engine_client

pytestmark = [pytest.mark.end2end, pytest.mark.engine]


@dataclass
class CiDesk(Desk):
    """A desk for all tests of this file, each of which sees the runs and the jobs of its own alone."""

    known: frozenset[str] = frozenset()

    def runs(self) -> list[Any]:
        return [run for run in self.json("ci", "list") if run["id"] not in self.known]

    def jobs(self, *words: str) -> list[Any]:
        return [job for job in self.json("jobs", "list", *words) if job["id"] not in self.known]


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("desk") / "data")
    desk.run("settings", "set", "jobs.mount_roots", str(tmp_path_factory.getbasetemp()))
    yield desk
    desk.stop()


@pytest.fixture(scope="module")
def abandoned(agent: Desk, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    """Return a run whose runner was killed, and its job: for a minute that passes while the other tests run, it goes on."""
    folder = repository(tmp_path_factory.mktemp("left") / "code", shell("train", "sleep 600"), branch="left")
    desk = CiDesk(agent.folder)
    runner = begun(desk, folder)
    job = running_job(desk)
    runner.kill()
    runner.wait(240)
    return desk.runs()[0]["id"], job


@pytest.fixture
def desk(agent: Desk, abandoned: tuple[str, Any]) -> Iterator[CiDesk]:
    known = {one["id"] for what in ("ci", "jobs") for one in agent.json(what, "list")}
    desk = CiDesk(agent.folder, known=frozenset(known))
    yield desk
    for run in desk.runs():
        if run["state"] in {"queued", "running"}:
            desk.run("ci", "cancel", run["id"], check=False)
    for rule in desk.json("rules", "list"):
        if rule["name"] == "pushes" or rule["name"].startswith("bell-"):
            desk.run("rules", "remove", rule["name"])
    desk.wait(lambda: desk.jobs("--state", "running"), lambda jobs: not jobs)
    with engine_client() as client:
        for image in client.images(filters={"label": "io.mlops-desk.instance"}):
            if any(str(tag).startswith("localhost/mlops-desk-build/e2e-ci") for tag in image["RepoTags"] or ()):
                client.remove_image(image["Id"], force=True)


def begun(desk: CiDesk, folder: Path, *more: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "mlops_desk", "ci", "run", str(folder), *more]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True,
                            env=desk.whole_environment())  # fmt: skip


def running_job(desk: CiDesk) -> Any:
    return desk.wait(lambda: desk.jobs("--state", "running"), lambda jobs: len(jobs) == 1)[0]


def looks_now(desk: CiDesk, like: Path) -> None:
    """Have the agent look at repositories at once, not within half a minute: it does so for each new rule."""
    name = f"bell-{time.monotonic_ns()}"
    rule = like.with_name(f"{name}.yaml")
    rule.write_text(
        f"apiVersion: mlops-desk/v1\nkind: Rule\nname: {name}\nwhen: {{manual: true}}\nthen:\n- {{notify: [desktop]}}\n"
    )
    desk.run("rules", "create", str(rule))


def containers_of(job: Any) -> list[str]:
    with engine_client() as client:
        found = client.containers(all=True, filters={"label": f"io.mlops-desk.job={job['id']}"})
        return [one["State"] for one in found]


def test_a_killed_agent_goes_on_with_the_run_and_its_runner_with_it(desk: CiDesk, tmp_path: Path) -> None:
    waits = "while [ ! -e /go/{} ]; do sleep 0.2; done; echo over"
    folder = repository(
        tmp_path / "code",
        shell("first", waits.format("now"), "data: [/go]"),
        shell("second", waits.format("then"), "data: [/go]", "needs: [first]"),
    )
    (tmp_path / "go").mkdir()
    runner = begun(desk, folder, "--data", f"/go={tmp_path / 'go'}")
    first = running_job(desk)
    os.kill(desk.json("agent", "status")["pid"], signal.SIGKILL)
    running_job(desk)  # as the next agent sees it
    (tmp_path / "go" / "now").touch()
    desk.wait(lambda: desk.jobs("--state", "running"), lambda jobs: [job["name"] for job in jobs] == ["e2e-ci/second"])
    assert desk.json("jobs", "show", first["id"])["state"] == "succeeded"
    (tmp_path / "go" / "then").touch()
    assert runner.wait(240) == 0, "it has asked each agent in turn"
    assert desk.runs()[0]["state"] == "passed"
    assert len(desk.jobs()) == 2, "no stage was begun twice"


def test_what_fails_says_so_by_exit_code_and_report_and_what_needs_it_is_not_run(desk: CiDesk, tmp_path: Path) -> None:
    folder = repository(
        tmp_path / "code",
        shell("train", "echo '::error::]]> <b>\\033[31mred ##[command]'; exit 3"),
        shell("after", "true", "needs: [train]"),
    )
    done = desk.run("ci", "run", str(folder), "--junit", str(tmp_path / "r.xml"), check=False)
    assert done.returncode == 1
    assert "train | ::error::" in done.stdout
    assert "##[" not in done.stdout
    case, after = ET.parse(tmp_path / "r.xml").getroot()[0].findall("testcase")
    failure = case.find("failure")
    assert failure is not None
    assert "::error::]]> <b>" in str(case.findtext("system-out"))
    skipped = after.find("skipped")
    assert skipped is not None
    assert "train, which it needs, did not pass" in skipped.attrib["message"]
    (folder / "part" / "weights").write_text("others\n")
    refused = desk.run("ci", "run", str(folder), check=False)
    assert (refused.returncode, "differ from its commit" in refused.stderr) == (1, True)
    dirty = json.loads(desk.run("ci", "run", str(folder), "--dirty", "--json", check=False).stdout)
    assert (dirty["dirty"], dirty["state"]) == (True, "failed")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_runner_that_ends_it_gets_its_lease_back(desk: CiDesk, tmp_path: Path, number: int, code: int) -> None:
    folder = repository(tmp_path / "code", shell("train", "sleep 600"))
    runner = begun(desk, folder)
    job = running_job(desk)
    runner.send_signal(number)
    assert runner.wait(240) == code
    ended = desk.wait(lambda: desk.json("jobs", "show", job["id"]), lambda found: found["state"] == "cancelled")
    assert ended["state"] == "cancelled"
    assert "running" not in containers_of(job)
    assert desk.runs()[0]["state"] == "cancelled"


def test_two_runs_of_one_branch_follow_one_another(desk: CiDesk, tmp_path: Path) -> None:
    folder = repository(tmp_path / "code", shell("train", "while [ ! -e /go/now ]; do sleep 0.2; done", "data: [/go]"))
    (tmp_path / "go").mkdir()
    words = ("ci", "run", str(folder), "--detach", "--data", f"/go={tmp_path / 'go'}")
    one, two = desk.json(*words), desk.json(*words)
    running_job(desk)
    assert [run["state"] for run in desk.runs()] == ["queued", "running"]
    (tmp_path / "go" / "now").touch()
    for run in (one, two):
        desk.wait(lambda run=run: desk.json("ci", "show", run["id"])["state"], lambda state: state == "passed")
    jobs = desk.jobs()
    assert len(jobs) == 2
    assert jobs[0]["started_at"] >= jobs[1]["ended_at"], "the second began when the first was over"
    bad = desk.run("ci", "run", str(folder), check=False)
    assert (bad.returncode, "wants data at /go" in bad.stderr) == (1, True)


def test_a_push_and_a_tag_run_the_pipeline_of_their_commit_once(desk: CiDesk, tmp_path: Path) -> None:
    folder = repository(tmp_path / "code", shell("train", "cat part/weights; echo of $MLD_CI_REF"))
    bare = tmp_path / "code.git"
    git(tmp_path, "init", "-q", "--bare", str(bare))
    hook = bare / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    git(folder, "push", "-q", str(bare), "main")
    rule = tmp_path / "rule.yaml"
    rule.write_text(
        f"apiVersion: mlops-desk/v1\nkind: Rule\nname: pushes\nwhen: {{push: {bare}, ref: '*'}}\n"
        "then:\n- {ci: mlops-desk.yaml}\n"
    )
    desk.run("rules", "create", str(rule))
    database = f"file:{desk.folder / 'state.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(database, uri=True)) as state:  # what is there is seen once, by and by
        looked = "SELECT count(*) FROM rule_sights WHERE key LIKE '%_/0'"
        desk.wait(lambda: state.execute(looked).fetchone()[0], lambda count: count == 1)
    assert desk.runs() == [], "what was there when the rule was made is no push"
    (folder / "part" / "weights").write_text("newer\n")
    git(folder, "commit", "-q", "-a", "-m", "second")
    git(folder, "tag", "v1")
    git(folder, "push", "-q", str(bare), "main", "v1")
    commit = git(folder, "rev-parse", "HEAD")
    looks_now(desk, rule)
    runs = desk.wait(
        desk.runs,
        lambda found: len(found) == 2 and all(run["state"] in {"passed", "failed"} for run in found),
    )
    assert {(run["ref"], run["commit"], run["state"]) for run in runs} == {
        ("main", commit, "passed"), ("v1", commit, "passed")
    }  # fmt: skip
    tagged = next(run for run in runs if run["ref"] == "v1")
    job_id = desk.json("ci", "show", tagged["id"])["stages"][0]["job_id"]
    assert desk.run("jobs", "logs", job_id).stdout.split("\n")[:2] == ["newer", "of v1"]
    git(folder, "push", "-q", str(bare), ":v1")
    git(folder, "tag", "w1")
    git(folder, "push", "-q", str(bare), "v1", "w1")
    looks_now(desk, rule)
    refs = desk.wait(lambda: [run["ref"] for run in desk.runs()], lambda found: "w1" in found)
    assert sorted(refs) == ["main", "v1", "w1"], "the same tag at the same commit runs once"
    assert not (tmp_path / "ran").exists()


def test_a_run_whose_runner_was_killed_ends(agent: Desk, abandoned: tuple[str, Any]) -> None:
    run_id, job = abandoned
    run = agent.wait(lambda: agent.json("ci", "show", run_id), lambda found: found["state"] != "running")
    assert (run["state"], "gone" in run["text"]) == ("cancelled", True)
    agent.wait(lambda: containers_of(job), lambda states: "running" not in states)
