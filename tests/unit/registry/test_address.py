"""Tracking URIs: what is understood, what is never created, and where a server may not send us."""

import sqlite3
from contextlib import closing

import pytest

from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused, Unavailable
from mlops_desk.registry.address import check_artifact_location, check_local, parse_address, store_nearby
from mlops_desk.registry.registries import foreign_environment
from mlops_desk.registry.trackers.trackers import recognise

SERVER = parse_address("http://models.example:5000")


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("http://localhost:5000", "http"),
        ("https://models.example/mlflow/", "http"),
        ("sqlite:////data/mlflow.db", "sqlite"),
        ("postgresql+psycopg2://me@db/mlflow", "database"),
        ("file:///data/mlruns", "folder"),
        ("/data/mlruns", "folder"),
    ],
)
def test_uris_are_understood(uri, kind):
    assert parse_address(uri).kind == kind


@pytest.mark.parametrize("uri", ["", "mlruns", "sqlite:///mlflow.db", "sqlite://", "http://", "databricks", "ftp://x",
                                 "~nobody-of-that-name/mlruns", "file:~0"])  # fmt: skip
def test_other_uris_are_refused_with_the_right_form(uri):
    with pytest.raises(Invalid) as caught:
        parse_address(uri)
    assert "://" in (caught.value.hint or "") or "sqlite:////" in (caught.value.hint or "")


@pytest.mark.parametrize("missing", ["alembic_version", "experiments", "runs", None])
def test_a_store_has_each_of_the_tables_that_make_it_one(tmp_path, missing):
    store = tmp_path / "store.db"
    with closing(sqlite3.connect(store)) as connection:
        for table in {"alembic_version", "experiments", "runs"} - {missing}:
            connection.execute(f"CREATE TABLE {table} (a TEXT)")
    if missing is None:
        facts = store.stat()
        assert check_local(parse_address(f"sqlite:///{store}")) == (facts.st_dev, facts.st_ino)
    else:
        with pytest.raises(Refused):
            check_local(parse_address(f"sqlite:///{store}"))


@pytest.mark.parametrize(
    "location", ["s3://b/c", "mlflow-artifacts://models.example:5000/1", "mlflow-artifacts:/../1", "file:///etc", ""]
)
def test_the_desks_own_server_has_one_store(location):
    with pytest.raises(Refused):
        check_artifact_location(location, SERVER, own=True)
    check_artifact_location("mlflow-artifacts:/1/a", SERVER, own=True)


def test_a_password_is_not_shown():
    assert "secret" not in parse_address("http://me:secret@models.example").shown


def test_what_is_missing_stays_missing(tmp_path):
    for uri in (f"sqlite:///{tmp_path}/none.db", str(tmp_path / "none"), f"sqlite:///{tmp_path}/no/folder.db"):
        with pytest.raises(NotFound):
            check_local(parse_address(uri))
    assert list(tmp_path.iterdir()) == []


def test_something_else_is_not_taken_for_a_store(tmp_path):
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    before = other.read_bytes()
    with pytest.raises(Refused):
        check_local(parse_address(f"sqlite:///{other}"))
    assert other.read_bytes() == before
    (tmp_path / "noise.db").write_bytes(b"\xff" * 5000)
    with pytest.raises(Unavailable):
        check_local(parse_address(f"sqlite:///{tmp_path}/noise.db"))
    with pytest.raises(NotFound):
        check_local(parse_address(str(tmp_path)))


@pytest.mark.parametrize(
    "location",
    [
        "/etc",
        "file:///root/.ssh",
        "mlflow-artifacts://elsewhere.example/1",
        "mlflow-artifacts://models.example:6000/1",
        "http://elsewhere.example/files",
        "FILE:///etc",
    ],
)
def test_a_server_can_not_send_us_to_this_disk_or_to_another_host(location):
    with pytest.raises(Refused):
        check_artifact_location(location, SERVER)


@pytest.mark.parametrize("location", ["mlflow-artifacts:/1/a", "mlflow-artifacts://models.example:5000/1", "s3://b/c"])
def test_its_own_files_may_be_fetched(location):
    check_artifact_location(location, SERVER)


def test_a_local_store_keeps_its_files_on_this_disk():
    check_artifact_location("/data/mlruns/0/x/artifacts", parse_address("sqlite:////data/mlflow.db"))


def test_a_login_goes_to_its_own_host_only(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    ambient = {"MLFLOW_TRACKING_URI": "https://models.example", "MLFLOW_TRACKING_TOKEN": "secret"}
    assert foreign_environment("https://models.example:443/x", ambient)["MLFLOW_TRACKING_TOKEN"] == "secret"
    assert foreign_environment("https://elsewhere.example", ambient)["MLFLOW_TRACKING_TOKEN"] is None
    assert foreign_environment("https://any.example", {"MLFLOW_TRACKING_TOKEN": "s"})["MLFLOW_TRACKING_TOKEN"] == "s"


def test_every_refusal_is_one_plain_line():
    with pytest.raises(DeskError) as caught:
        parse_address("ftp://x\n\x1b[31m\u202e")
    assert caught.value.message.isprintable()


def test_mlflows_own_layout_is_recognised_by_whichever_part_of_it_is_named(tmp_path):
    (tmp_path / "mlruns" / "1" / "artifacts").mkdir(parents=True)
    (tmp_path / "mlflow.db").write_bytes(b"")
    for named in (tmp_path, tmp_path / "mlruns"):
        assert f"Did you mean {tmp_path / 'mlflow.db'}?" in (store_nearby(named) or "")
        for refuse in (lambda: check_local(parse_address(str(named))), lambda: recognise(named)):  # noqa: B023 - called at once
            with pytest.raises(NotFound) as caught:
                refuse()
            assert "mlflow.db" in (caught.value.hint or "")
    assert store_nearby(tmp_path / "mlruns" / "1") is None
    (tmp_path / "mlflow.db").unlink()
    assert store_nearby(tmp_path) is None, "a folder of files alone is no folder of runs"
    (tmp_path / "mlruns" / "1" / "meta.yaml").write_text("name: x")
    assert store_nearby(tmp_path) == f"Did you mean the folder in it, {tmp_path / 'mlruns'}?"
