"""Secrets of people: each one's own, narrow, and told by name alone."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.desk.settings import without_secrets
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.runtimes.local.container import SecretFiles
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.records.agent import AuditEntry
from mlops_desk.kit.storage.secrets import SecretStore


def test_a_secret_is_its_owners_alone_and_narrow(tmp_path: Path) -> None:
    store = SecretStore(tmp_path / "secrets")
    assert store.names(1) == []
    assert store.set(1, "TOKEN", "one\n").name == "TOKEN"
    store.set(1, "TOKEN", "two")
    store.set(2, "TOKEN", "other")
    assert [one.name for one in store.names(1)] == ["TOKEN"]
    assert (store.value(1, "TOKEN"), store.value(2, "TOKEN")) == (b"two", b"other")
    assert (tmp_path / "secrets/1/TOKEN").stat().st_mode & 0o777 == 0o400
    assert (tmp_path / "secrets/1").stat().st_mode & 0o777 == 0o700
    store.remove(1, "TOKEN")
    with pytest.raises(NotFound) as caught:
        store.value(1, "TOKEN")
    assert caught.value.command == "mlops-desk secrets set TOKEN"
    with pytest.raises(NotFound):
        store.remove(1, "TOKEN")
    assert store.value(2, "TOKEN") == b"other"
    store.check(2, ["TOKEN"])
    with pytest.raises(Refused, match="no secret TOKEN"):
        store.check(1, ["TOKEN"])


@given(st.text(max_size=20).filter(lambda name: not name or not name.isascii() or not name.isalnum()))
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    store = SecretStore(tmp_path / "secrets")
    try:
        store.set(1, name, "x")
    except Invalid:
        return
    assert [path.name for path in (tmp_path / "secrets/1").iterdir()] == [name]
    store.remove(1, name)


@pytest.mark.parametrize("name", ["..", ".", "../2/TOKEN", "a/b", "", "a\0", "x" * 101, ".hidden", "é"])
def test_what_can_be_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid, match="name of a secret"):
        SecretStore(tmp_path / "secrets").set(1, name, "x")


def test_an_empty_secret_is_none(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="empty"):
        SecretStore(tmp_path / "secrets").set(1, "A", "")


@pytest.mark.parametrize(
    "arguments", ['{"name": "TOKEN", "value": "canary"}', '{"name": "TOKEN", "value": "canar', "[]", "null"]
)
def test_the_audit_trail_has_the_name_and_never_the_value(arguments: str) -> None:
    entry = AuditEntry(1.0, 1, "me", "secrets.set", arguments, error="canary is odd")
    told = without_secrets(entry)
    assert "cana" not in repr(told)
    assert ("TOKEN" in told.arguments) is arguments.endswith("}")


def job(*secrets: str) -> tuple[Job, Attempt]:
    spec = JobSpec("a", "i", secrets=secrets)
    attempt = Attempt(1, "cafe-a1", "c", JobState.STARTING)
    return Job("cafe", "a", JobState.QUEUED, spec, 1.0, os.getuid(), "me"), attempt


def test_an_attempt_gets_what_it_names_and_leaves_nothing(tmp_path: Path) -> None:
    store = SecretStore(tmp_path / "secrets")
    store.set(os.getuid(), "A", "one")
    store.set(os.getuid(), "B", "two")
    (tmp_path / "memory").mkdir()
    files = SecretFiles(store, "cafe0123", tmp_path / "memory")
    one, attempt = job("A")
    for _ in range(2):  # an agent that ended in between does it once more
        files.lay(one, attempt, os.getuid(), os.getgid())
    (mount,) = files.mounts(one, attempt)
    assert (mount.target, mount.mode) == ("/run/secrets", "ro")
    folder = Path(mount.source)
    assert [(path.name, path.read_text(), path.stat().st_mode & 0o777) for path in folder.iterdir()] == [
        ("A", "one", 0o400)
    ]
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    files.forget(attempt)
    files.forget(attempt)
    assert list((tmp_path / "memory").iterdir()) == []  # nor an empty folder of this instance
    none, attempt = job()
    files.lay(none, attempt, os.getuid(), os.getgid())
    assert files.mounts(none, attempt) == ()
    gone, attempt = job("C")
    with pytest.raises(Refused, match="no secret C"):
        files.lay(gone, attempt, os.getuid(), os.getgid())


def test_no_secret_is_put_where_somebody_else_could_look(tmp_path: Path) -> None:
    store = SecretStore(tmp_path / "secrets")
    store.set(os.getuid(), "A", "one")
    place = tmp_path / f"mlops-desk-{os.geteuid()}-cafe0123"
    one, attempt = job("A")
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unavailable):
        SecretFiles(store, "cafe0123", tmp_path).lay(one, attempt, os.getuid(), os.getgid())
    place.unlink()
    place.mkdir(mode=0o755)
    with pytest.raises(Unavailable, match="no secret is put there"):
        SecretFiles(store, "cafe0123", tmp_path).lay(one, attempt, os.getuid(), os.getgid())
    assert list(place.iterdir()) == list((tmp_path / "elsewhere").iterdir()) == []
