"""Evidence of a version of a real registry, from a real agent: made, looked at without one, and changed."""

import json
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.end2end.desk import Desk
from tests.end2end.registry_populate import populate

pytestmark = [pytest.mark.end2end]

RUNS = [{"name": "old", "start_time": 1, "params": {"C": "1"}, "metrics": {"auc": 0.9}, "datasets": ["table"]}]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "data", {"MLOPS_DESK_LEASE_DIR": str(tmp_path / "leases")})
    yield desk
    desk.stop()


def test_a_pack_tells_what_the_registry_and_the_audit_do_and_no_edit_of_it_passes(desk: Desk, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    versions = [{"name": "churn", "run": "old"}, {"name": "churned", "run": "old"}]
    populate(uri, experiment="e", runs=RUNS, versions=versions, artifact_location=str(tmp_path / "files"))
    desk.json("settings", "set", "registry.uri", uri)
    for model in ("churn", "churned"):
        desk.json("models", "promote", model, "--alias", "champion", "--version", "1")
    out = tmp_path / "churn.zip"
    made = desk.json("evidence", "build", "churn@champion", str(out))
    assert (made["model"], made["version"], made["file"]) == ("churn", "1", str(out))
    states = {part["name"]: part["state"] for part in made["parts"]}
    assert {states[one] for one in ("version", "run", "lineage", "openlineage", "aliases", "audit")} == {"there"}
    assert {states[one] for one in ("endpoints", "monitors", "drift", "answers", "decisions")} == {"nothing"}
    with zipfile.ZipFile(out) as archive:
        assert json.loads(archive.read("run.json"))["metrics"] == {"auc": 0.9}
        records = [json.loads(line) for line in archive.read("audit.ndjson").splitlines()[1:-1]]
    told = [json.loads(record["text"]) for record in records]
    assert {one["verb"] for one in told} == {"models.promote"}
    assert all('"churn"' in one["arguments"] for one in told), "the other model is none of this one's business"
    desk.json("agent", "stop")
    found = desk.json("evidence", "verify", str(out), "--signer", made["signer"])
    assert (found["intact"], found["records"], found["signer"]) == (True, 2, made["signer"])
    assert desk.json("agent", "status")["running"] is False, "nobody needs an agent for that"
    again = desk.run("evidence", "build", "churn/1", str(out), check=False)
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    other = desk.run("evidence", "build", "churn/9", str(tmp_path / "none.zip"), check=False)
    assert (other.returncode, "has no version 9" in other.stderr) == (1, True)
    assert not (tmp_path / "none.zip").exists()
    edited = bytearray(out.read_bytes())
    with zipfile.ZipFile(out) as archive:
        at = archive.getinfo("run.json").header_offset + 30 + len("run.json")
    edited[at + 4] ^= 1
    out.write_bytes(edited)
    told_bad = desk.run("evidence", "verify", str(out), check=False)
    assert told_bad.returncode == 1


def test_an_edit_of_the_audit_is_found_and_an_export_is_kept_elsewhere(desk: Desk, tmp_path: Path) -> None:
    for seconds in ("3", "4", "5"):
        desk.run("settings", "set", "telemetry.interval_seconds", seconds)
    assert [one["verb"] for one in desk.json("audit", "list", "--verb", "settings", "--limit", "2")] == [
        "settings.set"
    ] * 2
    assert desk.json("audit", "--text", "no such word") == []
    out = tmp_path / "audit.jsonl"
    done = desk.json("audit", "export", str(out))
    assert done["records"] == 6, "each change is written when it begins and when it ends"
    assert out.stat().st_mode & 0o777 == 0o600, "it tells what everybody asked for"
    found = desk.json("audit", "verify", "--head", done["head"])
    assert (found["records"], found["intact"], found["first_bad"], found["holds_head"]) == (6, True, None, True)
    again = desk.run("audit", "export", str(out), check=False)
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    nowhere = desk.run("audit", "export", str(tmp_path / "none" / "a.jsonl"), check=False)
    assert (nowhere.returncode, "can't be written to" in nowhere.stderr) == (1, True)
    assert "holds    yes" in desk.run("audit", "verify", "--file", str(out)).stdout
    with closing(sqlite3.connect(desk.folder / "state.db")) as connection, connection:
        assert connection.execute("DELETE FROM audit_chain WHERE created_at = 3").rowcount == 1
    told = desk.run("audit", "verify", "--json", check=False)
    found = json.loads(told.stdout)
    assert (told.returncode, found["records"], found["intact"], found["first_bad"]) == (1, 5, False, 3)
    out.write_text(out.read_text().replace("interval", "internal", 1))
    told = desk.run("audit", "verify", "--file", str(out), check=False)
    assert (told.returncode, "Record 1 was changed" in told.stdout) == (1, True)
