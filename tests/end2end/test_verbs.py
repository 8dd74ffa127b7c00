"""What people do with what is there already, by the command line: book GPUs, change the order of the queue, fetch
outputs, clear copies, hold a sweep, follow a pipeline, edit a rule, send a card back, check and remove a policy.

One agent, one engine with stand-in GPUs, one registry and one image for all. What a verb did is looked for in the
world (containers, files, the registry's own tables), and each is also refused what it must refuse.
"""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import nvml_sim
from tests.end2end.desk import Desk
from tests.end2end.registry_populate import populate
from tests.gpu_engine import PrivateEngine
from tests.images import busybox_image, engine_client
from tests.other_user import prefix

pytestmark = [
    pytest.mark.end2end, pytest.mark.engine, pytest.mark.nvml,
    pytest.mark.skipif(os.geteuid() != 0, reason="becoming other users needs root"),
]  # fmt: skip

USER = 64_022  # no account of this machine
FINAL = {"succeeded", "failed", "cancelled", "unknown"}
JOB = """
apiVersion: mlops-desk/v1
kind: Job
name: {name}
image: {image}
command: [sh, -c, {script}]
{more}
"""
RUNS = [
    {"name": "old", "start_time": 1, "metrics": {"auc": 0.9}, "datasets": ["table"]},
    {"name": "new", "start_time": 2, "metrics": {"auc": 0.95}, "datasets": ["table"]},
]
VERSIONS = [{"name": name, "run": run} for name in ("churn", "cards") for run in ("old", "new")]
WORDS = ("intended_use=Who leaves", "limits=None", "licence=CC-BY-4.0", "owner=Churn team")
RULE = """
apiVersion: mlops-desk/v1
kind: Rule
name: {name}
when: {{metric: system.memory.usage, device: host, {side}: 4096}}
then:
- notify: [desktop]
"""
GIT = {
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
}  # fmt: skip


@dataclass
class World:
    """An agent of root's and one of another user's on one engine; jobs wait for files in ``gates``."""

    desk: Desk
    second: Desk
    engine: PrivateEngine
    image: str
    root: Path

    @property
    def gates(self) -> Path:
        return self.root / "gates"

    def open(self, *names: object) -> None:
        """Let jobs end that wait for these gates."""
        for name in names:
            (self.gates / str(name)).touch()

    def submit(self, name: str, more: str = "", script: str = "", gate: str = "", *, desk: Desk | None = None) -> str:
        """Queue a job that does ``script``, waits for its gate unless it is the second user's, and ends well."""
        wait = "true" if desk else f"while [ ! -e /gates/{gate or name} ]; do sleep 0.1; done"
        mount = "" if desk or "mounts:" in more else f"mounts: [{self.gate_mount}]\n"
        words = json.dumps(f"{script + '; ' if script else ''}{wait}")
        file = self.root / f"{name}.yaml"
        file.write_text(JOB.format(name=name, image=self.image, script=words, more=mount + more))
        return str((desk or self.desk).json("jobs", "submit", str(file))["id"])

    @property
    def gate_mount(self) -> str:
        return f"{{source: {self.gates}, target: /gates}}"

    def job(self, job_id: str, *states: str, desk: Desk | None = None) -> dict[str, Any]:
        """Wait until a job is in one of these states; without any until it is over."""
        asked, wanted = desk or self.desk, set(states) or FINAL
        return asked.wait(lambda: asked.json("jobs", "show", job_id), lambda job: job["state"] in wanted)  # type: ignore[no-any-return]  # JSON

    def running(self, *jobs: str) -> list[str]:
        """Return those of these jobs whose containers run on the engine, by the labels that these have."""
        with engine_client(self.engine.address) as client:
            found = client.containers(filters={"label": "io.mlops-desk.job"})
        return [job for job in jobs if any(one["Labels"]["io.mlops-desk.job"] == job for one in found)]

    def refused(self, said: str, *words: str, desk: Desk | None = None) -> str:
        """Run a verb that must end with exit code 1, say so without a traceback, and change nothing."""
        done = (desk or self.desk).run(*words, check=False)
        assert (done.returncode, said in done.stderr) == (1, True), (words, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stderr

    def table(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the registry's own database."""
        with contextlib.closing(sqlite3.connect(f"file:{self.root}/mlflow.db?mode=ro", uri=True)) as store:
            return store.execute(query).fetchall()

    def champion(self) -> str | None:
        """Return where the alias stands in the registry's own table."""
        asked = "SELECT version FROM registered_model_aliases WHERE name = 'churn' AND alias = 'champion'"
        return next((str(row[0]) for row in self.table(asked)), None)


def environment(root: Path, engine: PrivateEngine, folder: Path) -> dict[str, str]:
    """Return what an agent stands in whose driver shows the engine's GPUs."""
    named = "".join(f"gpu {index} uuid={uuid}\n" for index, uuid in enumerate(engine.gpus))
    count = len(engine.gpus)
    simulator = nvml_sim.Simulator(folder, f"system driver=580.95.05 cuda=12.2\ngpus {count} model=h100\n{named}")
    return {
        **simulator.environment, "MLOPS_DESK_LEASE_DIR": str(root / "leases"), "HOME": str(folder),
        "XDG_RUNTIME_DIR": "", "DOCKER_HOST": engine.address,
    }  # fmt: skip


@pytest.fixture(scope="module")
def world(gpu_engine: PrivateEngine) -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="mlops-desk-verbs-") as name, gpu_engine.open_to_all():
        root = Path(name)
        root.chmod(0o755)
        for folder, mode in (("leases", 0o1777), ("gates", 0o755), ("own", 0o700), ("other", 0o700)):
            (root / folder).mkdir()
            (root / folder).chmod(mode)
        desk = Desk(root / "own" / "data", environment(root, gpu_engine, root / "own"))
        second = Desk(root / "other" / "data", environment(root, gpu_engine, root / "other"), prefix(USER))
        for path in (root / "other", *(root / "other").iterdir()):
            os.chown(path, USER, USER)
        image = busybox_image(gpu_engine.address)
        uri = f"sqlite:///{root}/mlflow.db"
        populate(uri, experiment="e", runs=RUNS, versions=VERSIONS, artifact_location=str(root / "files"))
        try:
            desk.json("settings", "set", "jobs.mount_roots", str(root))
            desk.json("settings", "set", "registry.uri", uri)
            desk.wait(lambda: desk.json("gpus", "list"), lambda gpus: len(gpus) == 4)
            yield World(desk, second, gpu_engine, image, root)
        finally:
            for each in (desk, second):
                for job in each.json("jobs", "list"):
                    each.run("jobs", "cancel", job["id"], check=False)
                each.stop()


def test_what_somebody_has_booked_is_theirs_until_they_release_it(world: World) -> None:
    mine, other = world.desk, world.second
    other.wait(lambda: other.json("gpus", "cards"), lambda cards: [one["state"] for one in cards] == ["free"] * 4)
    for wrong in (("--gpus", "0"), ("--gpus", "-1"), ("--gpus", "5"), ("--which", "0,0"), ("--which", "9")):
        world.refused("mlops-desk:", "gpus", "reserve", *wrong, "--until", "+1h")
    assert mine.json("gpus", "bookings") == []

    booked = mine.json("gpus", "reserve", "--which", "3,2,1,0", "--until", "+1h")
    assert sorted(booked["gpus"]) == sorted(world.engine.gpus)
    other.wait(  # an agent looks at what others hold every few seconds
        lambda: other.json("gpus", "cards"), lambda cards: [one["state"] for one in cards] == ["reserved"] * 4
    )
    world.refused("root has booked one of its GPUs", "gpus", "reserve", "--which", "0", "--until", "+30m", desk=other)
    world.refused("0 of this machine's", "gpus", "reserve", "--gpus", "1", "--until", "+30m", desk=other)
    theirs = world.submit("theirs", "resources: {gpus: 1}\n", desk=other)
    why = other.wait(lambda: other.json("jobs", "explain", theirs), lambda said: "booked" in json.dumps(said))
    assert "root" in json.dumps(why)
    own = world.submit("own", "resources: {gpus: 4}\n")
    world.job(own, "running")
    assert world.running(own, theirs) == [own], "who has booked starts there, and nobody else"
    world.refused("which only they and root can change", "gpus", "release", booked["id"], desk=other)
    assert [one["id"] for one in other.json("gpus", "bookings")] == [booked["id"]]
    world.open("own")
    assert world.job(own)["state"] == "succeeded"
    assert other.json("jobs", "show", theirs)["state"] in {"queued", "blocked"}

    mine.json("gpus", "release", booked["id"])
    assert world.job(theirs, desk=other)["state"] == "succeeded"
    world.refused("There is no booking", "gpus", "release", booked["id"])

    later = other.json("gpus", "reserve", "--gpus", "2", "--from", "+2h", "--until", "+3h")
    assert mine.json("gpus", "release", later["id"])["note"] == "taken back", "an administrator takes back anybody's"
    assert other.json("gpus", "bookings") == []


def test_who_is_given_a_higher_priority_goes_first(world: World) -> None:
    whole = "resources: {gpus: 4}\n"
    holds = world.submit("holds", whole)
    world.job(holds, "running")
    first, second = (world.submit(name, whole) for name in ("first", "second"))
    world.refused("1001 is no priority", "jobs", "prioritize", second, "1001")
    assert world.desk.json("jobs", "prioritize", second, "5")["priority"] == 5
    world.open("holds")
    world.job(second, "running")
    assert world.running(first, second) == [second]
    assert world.desk.json("jobs", "show", first)["state"] == "queued"
    world.open("first", "second")
    ended = [world.job(job_id) for job_id in (first, second)]
    assert [job["state"] for job in ended] == ["succeeded"] * 2
    assert ended[0]["started_at"] >= ended[1]["ended_at"]
    world.refused("is over already: succeeded", "jobs", "prioritize", second, "7")
    assert world.desk.json("jobs", "show", second)["priority"] == 5


def test_outputs_are_fetched_and_copies_of_data_go_once_nobody_uses_them(world: World, tmp_path: Path) -> None:
    rows = world.root / "rows"
    rows.mkdir()
    (rows / "rows.csv").write_text("1,2\n")
    mounts = f"mounts: [{world.gate_mount}, {{source: {rows}, target: /rows, stage: true}}]\n"
    copies = lambda: [*(world.desk.folder / "staging").rglob("rows.csv")]  # noqa: E731 - asked five times
    job = world.submit("leaves", f"{mounts}outputs: [/results]\n", "cp /rows/rows.csv /results/kept.csv")
    world.job(job, "running")
    (copy,) = world.desk.wait(lambda: world.desk.json("jobs", "cache")["copies"], len)
    assert (copy["source"], copy["jobs"], len(copies())) == (str(rows), [job], 1)
    world.refused(f"is used by {job}", "jobs", "remove-copy", copy["id"])
    assert [one["id"] for one in world.desk.json("jobs", "clear-cache")["kept"]] == [copy["id"]]
    assert len(copies()) == 1
    world.open("leaves")
    assert world.job(job)["state"] == "succeeded"

    (folder,) = world.desk.json("jobs", "outputs", job)
    assert (folder["target"], folder["files"], folder["size_bytes"]) == ("/results", 1, 4)
    assert "4 B" in world.desk.run("jobs", "outputs", job).stdout
    assert (Path(folder["path"]) / "kept.csv").read_text() == "1,2\n"
    packed = tmp_path / "leaves.mldcapsule"
    world.desk.run("jobs", "export", job, str(packed), "--outputs")
    with zipfile.ZipFile(packed) as archive:
        assert archive.read("outputs/results/kept.csv") == b"1,2\n"
    world.refused("is there already", "jobs", "export", job, str(packed), "--outputs")

    assert [one["id"] for one in world.desk.json("jobs", "clear-cache", "--preview")["copies"]] == [copy["id"]]
    assert len(copies()) == 1, "a preview takes nothing"
    assert [one["id"] for one in world.desk.json("jobs", "clear-cache")["copies"]] == [copy["id"]]
    assert copies() == []
    assert (rows / "rows.csv").read_text() == "1,2\n", "what it was copied from stays"
    world.refused("There is no copy", "jobs", "remove-copy", copy["id"])


def test_a_sweep_is_paused_goes_on_and_is_cancelled(world: World) -> None:
    more = "resources: {gpus: 4}\nsweep: {grid: {rate: [1, 2, 3, 4]}}\n"
    sweep = world.submit("sweep", more, gate="{rate}")
    members = [one["id"] for one in world.desk.json("jobs", "group", sweep)["members"]]
    assert len(members) == 4
    world.job(members[0], "running")
    assert world.desk.json("jobs", "pause-group", sweep)["stopped"]["class"] == "group_paused"
    world.open(1)
    assert world.job(members[0])["state"] == "succeeded", "what runs goes on"
    behind = world.submit("behind", "resources: {gpus: 4}\n")
    world.job(behind, "running")
    assert world.running(*members, behind) == [behind], "whoever waits behind a sweep that is paused gets the GPUs"
    assert [world.desk.json("jobs", "show", one)["state"] for one in members[1:]] == ["blocked"] * 3
    world.open("behind")

    assert world.desk.json("jobs", "go-on", members[2])["stopped"] is None
    world.job(members[1], "running")
    world.open(2)
    world.job(members[2], "running")
    world.desk.json("jobs", "cancel-group", members[0])
    states = [world.job(one)["state"] for one in members]
    assert states == ["succeeded", "succeeded", "cancelled", "cancelled"]
    world.desk.wait(lambda: world.running(*members), lambda running: running == [])
    for verb in ("pause-group", "go-on"):
        world.refused(f"Group {sweep} is over", "jobs", verb, sweep)
    again = world.desk.json("jobs", "cancel-group", sweep)
    assert [one["state"] for one in again["members"]] == states, "what is cancelled may be cancelled again"
    world.refused("is of no sweep and no array", "jobs", "cancel-group", behind)


def test_a_pipeline_of_a_repository_is_followed_to_its_end(world: World) -> None:
    code = repository(world.root / "followed")
    stage = {
        "name": "train", "image": world.image, "data": ["/gates"],
        "command": ["sh", "-c", "while [ ! -e /gates/followed ]; do sleep 0.1; done"],
    }  # fmt: skip
    pipeline = {"apiVersion": "mlops-desk/v1", "kind": "Pipeline", "name": "followed", "stages": [stage]}
    (code / "mlops-desk.yaml").write_text(json.dumps(pipeline))
    git(code, "add", "-A")
    git(code, "commit", "-q", "-m", "stages")
    run = world.desk.json("ci", "run", str(code), "--detach", "--data", f"/gates={world.gates}")
    known = world.desk.wait(
        lambda: world.desk.json("ci", "show", run["id"]),
        lambda found: world.running(found["stages"][0]["job_id"]),
    )
    follow = ("ci", "follow", run["id"], "--wait-seconds", "25", "--revision")
    words = [sys.executable, "-m", "mlops_desk", *follow, str(known["revision"]), "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=world.desk.whole_environment()) as follower:
        world.open("followed")
        said, _ = follower.communicate(timeout=240)
    seen = json.loads(said)
    assert seen["revision"] > known["revision"]
    while seen["state"] == "running":
        seen = world.desk.json(*follow, str(seen["revision"]))
    assert (seen["state"], seen["stages"][0]["state"]) == ("passed", "passed")
    world.refused("There is no run 'nothing'", "ci", "follow", "nothing")
    world.refused("is over: passed", "ci", "cancel", run["id"])


def test_a_rule_is_tried_on_the_past_and_says_something_else_once_it_is_edited(world: World) -> None:
    desk, folder = world.desk, world.root
    for name, side in (("over", "above"), ("under", "below"), ("other", "above")):
        text = RULE.format(name="memory" if name != "other" else "other", side=side)
        (folder / f"{name}.yaml").write_text(text)
    over, under, other = (str(folder / f"{name}.yaml") for name in ("over", "under", "other"))

    def tried(*words: str) -> int:
        return len(desk.json("rules", "dry-run", *words, "--since", "-10m")["would"])

    desk.wait(lambda: tried(over), lambda count: count == 1)
    assert tried(under) == 0
    world.refused("There is no rule 'memory'", "rules", "dry-run", "--rule", "memory")
    assert desk.json("rules", "firings") == [], "a dry run does nothing"

    desk.json("rules", "create", under)
    assert tried("--rule", "memory") == 0
    shown = lambda: desk.json("rules", "show", "memory")  # noqa: E731 - asked four times
    desk.wait(shown, lambda rule: [one["holds"] for one in rule["standings"]] == [False])
    assert "at or above 4096\u202fB" in desk.json("rules", "edit", "memory", over)["sentence"]
    fired = desk.wait(shown, lambda rule: rule["firings"] and rule["firings"][0]["state"] == "done")
    assert tried("--rule", "memory") == 1
    world.refused("is of the rule other, and not of memory", "rules", "edit", "memory", other)
    world.refused("There is no rule 'other'", "rules", "edit", "other", other)
    (folder / "bad.yaml").write_text("kind: Rule\n")
    world.refused("Line 1, column 1", "rules", "edit", "memory", str(folder / "bad.yaml"))
    assert shown()["document"] == fired["document"], "what is refused changes nothing"

    edited = desk.json("rules", "edit", "memory", under)
    assert [one["holds"] for one in edited["standings"]] in ([None], [False]), "nobody has seen that it holds"
    desk.wait(shown, lambda rule: [one["holds"] for one in rule["standings"]] == [False])
    assert len(shown()["firings"]) == 1, "what it did stays"


def test_a_card_is_sent_back_approved_archived_and_what_wants_it_moves_no_more(world: World) -> None:
    desk = world.desk

    def tag() -> Mapping[str, Any]:
        asked = "SELECT value FROM model_version_tags WHERE name = 'cards' AND version = 1 AND key = 'mlops-desk.card'"
        return json.loads(world.table(asked)[0][0])  # type: ignore[no-any-return]  # JSON

    for verb in ("send-back", "approve", "archive"):
        world.refused("Nobody has written a card of cards/1 yet", "cards", verb, "cards/1")
    desk.json("cards", "edit", "cards/1", *(word for text in WORDS for word in ("--set", text)))
    world.refused("is a draft, and only one that is in review", "cards", "send-back", "cards/1")
    desk.json("cards", "submit", "cards/1")
    assert tag()["stage"] == "in_review"
    back = desk.json("cards", "send-back", "cards/1", "--why", "Limits lack ages")
    assert (back["stage"], back["steps"][-1]["why"], tag()["stage"]) == ("draft", "Limits lack ages", "draft")
    world.refused("is a draft, and only one that is in review", "cards", "approve", "cards/1")
    seen = desk.json("cards", "edit", "cards/1", "--set", "limits=Nobody below 18")
    desk.json("cards", "submit", "cards/1")
    world.refused("says something else by now", "cards", "approve", "cards/1", "--expected", back["sha256"])
    desk.json("cards", "approve", "cards/1", "--expected", seen["sha256"])
    desk.json("policies", "set", "cards", "--people", "0", "--card")
    desk.json("models", "promote", "cards", "--alias", "champion", "--version", "1")
    take = ("models", "remove-alias", "cards", "--alias", "champion")
    refused = world.refused("an alias that has one is not taken away", *take)
    assert "mlops-desk policies remove cards --alias champion. " in refused, "where the next thing to do ends"
    desk.json("policies", "remove", "cards")
    desk.json(*take)
    desk.json("policies", "set", "cards", "--people", "0", "--card")

    desk.json("cards", "archive", "cards/1", "--why", "replaced by 2")
    assert tag()["stage"] == "archived"
    world.refused("is archived already", "cards", "archive", "cards/1")
    world.refused("is archived, and only one that is in review", "cards", "send-back", "cards/1")
    move = ("models", "promote", "cards", "--alias", "champion", "--version", "1")
    world.refused("the card of cards/1 is archived, not approved", *move)
    assert world.table("SELECT * FROM registered_model_aliases WHERE name = 'cards'") == []
    desk.json("policies", "remove", "cards")


def test_a_policy_is_checked_met_by_a_signed_tag_and_removed(world: World, tmp_path: Path) -> None:
    desk, code = world.desk, repository(world.root / "signed")
    for name in ("ana", "eve"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    signers = tmp_path / "signers"
    signers.write_text(f'ana@example.org namespaces="git" {(tmp_path / "ana.pub").read_text()}')
    sign(code, tmp_path / "ana", "promote/churn/1")
    sign(code, tmp_path / "eve", "promote/churn/2")
    check = lambda version: desk.json("policies", "check", "churn", "--version", version)  # noqa: E731 - asked thrice
    promote = lambda tag: ("ci", "promote", str(code), tag)  # noqa: E731 - asked six times

    assert check("1")["passes"] is True
    world.refused("has no policy", "policies", "remove", "churn")
    world.refused("Model churn has no version 9", "policies", "check", "churn", "--version", "9")
    world.refused("No policy of churn@champion wants a signed tag", *promote("promote/churn/1"))
    world.refused("no key is named that may sign", "policies", "set", "churn", "--people", "0", "--signed-tag")
    desk.json("policies", "set", "churn", "--people", "0", "--signed-tag", "--signers", str(signers))
    told = check("1")
    assert (told["passes"], told["lacking"]) == (False, ["no signed tag asks for it"])
    assert "ci promote REPOSITORY promote/churn/1" in json.dumps(told["hint"])

    world.refused("no signed tag asks for it", "models", "promote", "churn", "--alias", "champion", "--version", "1")
    for tag, said in (("release-1", "names no version"), ("promote/churn/3", "has no tag"),
                      ("promote/churn/2", "not signed by a key of the policy")):  # fmt: skip
        world.refused(said, *promote(tag))
    assert world.champion() is None
    assert desk.json(*promote("promote/churn/1"))["state"] == "moved"
    assert world.champion() == "1"
    assert desk.json("models", "history", "churn")[0]["to"] == "1"
    assert desk.json(*promote("promote/churn/1"))["state"] == "moved", "asked for again it tells of that move"
    assert len(desk.json("models", "history", "churn")) == 1

    asked = desk.json("approvals", "ask", "churn/2")
    assert desk.json("policies", "remove", "churn")["signed_tag"] is True
    world.refused("has no policy", "policies", "show", "churn")
    assert world.champion() == "1", "what waits is not moved by it"
    assert [one["id"] for one in desk.json("approvals", "list")] == [asked["id"]]
    assert check("2")["passes"] is True
    desk.json("models", "promote", "churn", "--alias", "champion", "--version", "2")
    assert world.champion() == "2"


def repository(folder: Path) -> Path:
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, timeout=240, env={**os.environ, **GIT})


def sign(code: Path, key: Path, tag: str) -> None:
    git(code, "-c", "gpg.format=ssh", "-c", f"user.signingKey={key}", "tag", "-s", "-m", "release", tag)
