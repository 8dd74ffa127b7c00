"""Cards and policies on a real registry, from real agents: two people agree, another desk finds the card, a pack has it."""

import json
import os
import signal
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end2end.desk import Desk
from tests.end2end.registry_populate import populate
from tests.other_user import prefix

pytestmark = [pytest.mark.end2end]

USER = 64_021  # no account of this machine
RUNS = [
    {"name": "old", "start_time": 1, "metrics": {"auc": 0.9}, "datasets": ["table"]},
    {"name": "new", "start_time": 2, "metrics": {"auc": 0.95}, "datasets": ["table"]},
]
WORDS = ("intended_use=Which customers leave", "limits=Nobody below 18 | `x`", "licence=CC-BY-4.0", "owner=Churn team")
VERSIONS = [{"name": "churn", "run": "old"}, {"name": "churn", "run": "new"}]


@pytest.fixture
def uri(tmp_path: Path) -> str:
    made = f"sqlite:///{tmp_path}/mlflow.db"
    populate(made, experiment="e", runs=RUNS, versions=VERSIONS, artifact_location=str(tmp_path / "files"))
    return made


@pytest.fixture
def desks(tmp_path: Path, uri: str) -> Iterator[list[Desk]]:
    made = [Desk(tmp_path / name, {"MLOPS_DESK_LEASE_DIR": str(tmp_path / "leases")}) for name in ("a", "b")]
    made[0].json("settings", "set", "registry.uri", uri)
    yield made
    for desk in made:
        desk.stop()


def champion(desk: Desk) -> str | None:
    found: str | None = desk.json("models", "show", "churn")["aliases"].get("champion")
    return found


def test_a_card_lies_with_its_version_where_another_desk_and_an_auditor_find_it(
    desks: list[Desk], uri: str, tmp_path: Path
) -> None:
    first, second = desks
    said = [word for text in WORDS for word in ("--set", text)]
    made = first.json("cards", "edit", "churn/2", *said)
    assert (made["stage"], made["revision"], made["needed"]) == ("draft", 1, [])
    assert [one["value"] for one in made["facts"]["figures"]] == [0.95]
    assert [(one["name"], one["digest"], one["role"]) for one in made["facts"]["data"]] == [("table", "d1", "training")]
    first.json("cards", "submit", "churn/2")
    first.json("cards", "approve", "churn/2", "--why", "read it", "--expected", made["sha256"])
    seen = second.json("cards", "show", "churn/2", "--uri", uri)
    assert (seen["is_foreign"], seen["stage"], seen["sha256"]) == (True, "approved", made["sha256"])
    tags = first.json("models", "labels", "churn", "--version", "2")["tags"]
    assert json.loads(tags["mlops-desk.card"])["form"] == "mlops-desk-card/1", "any MLflow client reads it"
    for ending, begins in (("md", b"# churn, version 2"), ("html", b"<!DOCTYPE html>"), ("pdf", b"%PDF-")):
        out = tmp_path / f"card.{ending}"
        first.json("cards", "export", "churn/2", str(out))
        assert out.read_bytes().startswith(begins)
        again = first.run("cards", "export", "churn/2", str(out), check=False)
        assert (again.returncode, "is there already" in again.stderr) == (1, True)
    pack = tmp_path / "churn.zip"
    told = first.json("evidence", "build", "churn/2", str(pack))
    assert {one["name"]: one["state"] for one in told["parts"]}["card"] == "there"
    with zipfile.ZipFile(pack) as archive:
        card = json.loads(archive.read("card.json"))
        assert [one["act"] for one in card["steps"]] == ["made", "submitted", "approved"]
        assert b"read it" in archive.read("card.md")
        verbs = [
            json.loads(json.loads(line)["text"])["verb"] for line in archive.read("audit.ndjson").splitlines()[1:-1]
        ]
    assert {"cards.edit", "cards.submit", "cards.approve"} <= set(verbs)
    assert first.json("evidence", "verify", str(pack))["intact"] is True
    raw = bytearray(pack.read_bytes())
    with zipfile.ZipFile(pack) as archive:
        raw[archive.getinfo("card.json").header_offset + 30 + len("card.json") + 4] ^= 1
    pack.write_bytes(raw)
    assert first.run("evidence", "verify", str(pack), check=False).returncode == 1


def test_an_agent_that_is_killed_with_a_move_approved_and_not_made_moves_it_when_it_is_back(
    desks: list[Desk], uri: str
) -> None:
    desk = desks[0]
    desk.json("models", "promote", "churn", "--alias", "champion", "--version", "1")
    desk.json("policies", "set", "churn", "--card")
    asked = desk.json("approvals", "ask", "churn/2")
    refused = desk.run("models", "promote", "churn", "--alias", "champion", "--version", "2", check=False)
    assert (refused.returncode, "nobody has approved it" in refused.stderr) == (1, True)
    desk.json("approvals", "approve", asked["id"])
    said = [word for text in WORDS for word in ("--set", text)]
    desk.json("cards", "edit", "churn/2", *said)
    desk.json("cards", "submit", "churn/2")
    desk.json("cards", "approve", "churn/2")
    os.kill(desk.json("agent", "status")["pid"], signal.SIGKILL)
    assert desk.wait(lambda: champion(desk), lambda at: at == "2") == "2"
    assert desk.json("approvals", "list") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming other users needs root")
def test_two_people_are_two_accounts_and_the_second_moves_it() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        uri = f"sqlite:///{root}/m/mlflow.db"
        (root / "m").mkdir()
        (root / "u").mkdir()
        populate(uri, experiment="e", runs=RUNS, versions=VERSIONS, artifact_location=str(root / "files"))
        (root / "run").mkdir(mode=0o700)
        for path in (root / "m", root / "m" / "mlflow.db", root / "u", root / "run"):
            os.chown(path, USER, USER)
        environment = {"MLOPS_DESK_LEASE_DIR": str(root / "leases"), "HOME": str(root / "u")}
        environment["XDG_RUNTIME_DIR"] = str(root / "run")
        user = Desk(root / "u" / "data", environment, prefix(USER))
        second = Desk(root / "u" / "data", environment)
        try:
            user.json("settings", "set", "registry.uri", uri)
            user.json("models", "promote", "churn", "--alias", "champion", "--version", "1")
            user.json("policies", "set", "churn", "--people", "2")
            asked = user.json("approvals", "ask", "churn/2")
            assert user.json("approvals", "approve", asked["id"])["agreed"] == [f"uid {USER}"]
            again = user.run("approvals", "approve", asked["id"], check=False)
            assert (again.returncode, "has agreed already" in again.stderr) == (1, True)
            assert "1 of 2" in user.run("approvals", "list").stdout
            assert champion(user) == "1"
            assert second.json("approvals", "approve", asked["id"])["state"] == "moved"
            assert champion(user) == "2"
            moved = user.json("models", "history", "churn")[0]
            assert (moved["to"], moved["who"]) == ("2", "root")
        finally:
            user.stop()


def test_on_a_real_mlflow_server_a_large_card_comes_whole_to_another_desk(desks: list[Desk], tmp_path: Path) -> None:
    server = Desk(tmp_path / "c", {"MLOPS_DESK_LEASE_DIR": str(tmp_path / "leases")})
    try:
        started = server.json("models", "start")
        token = Path(started["token_file"]).read_text().strip()
        populate(started["uri"], token, experiment="e", runs=RUNS, versions=VERSIONS)
        long = [word for name in ("limits", "notes", "risks") for word in ("--set", f"{name}={'ä' * 3900}")]
        made = server.json("cards", "edit", "churn/1", *long)
        assert made["trouble"] is None
        other = Desk(desks[1].folder, {**desks[1].environment, "MLFLOW_TRACKING_TOKEN": token})
        seen = other.json("cards", "show", "churn/1", "--uri", started["uri"])
        assert (seen["is_foreign"], seen["sha256"]) == (True, made["sha256"])
        server.json("cards", "edit", "churn/1", "--set", "limits=short", "--clear", "notes,risks")
        tags = server.json("models", "labels", "churn", "--version", "1")["tags"]
        assert len(tags) == 1 + json.loads(tags["mlops-desk.card"])["parts"], "no part of the older one is left"
    finally:
        server.stop()
