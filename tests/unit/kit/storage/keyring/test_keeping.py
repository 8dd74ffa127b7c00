"""Secrets in a person's keyring: kept, handed out and moved without a loss, whatever the keyring does."""

import json
import os

import pytest

from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.runtimes.local.container import SecretFiles
from mlops_desk.jobs.runtimes.runtime import Obstructed
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.storage import secrets
from mlops_desk.kit.storage.secrets import PersonalKeyring, SecretStore

ME = os.geteuid()


@pytest.fixture
def ring(tmp_path, monkeypatch):
    """Return a way to change the keyring's mood, and the file that its entries lie in."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "tests.keyring_double.Ring")
    monkeypatch.setenv("KEYRING_DOUBLE", str(tmp_path / "ring.json"))

    def mood(word):
        monkeypatch.setenv("KEYRING_DOUBLE_MOOD", word)

    return mood


@pytest.fixture
def store(tmp_path):
    return SecretStore(tmp_path / "secrets", lambda: "auto")


def entries(tmp_path):
    path = tmp_path / "ring.json"
    return list(json.loads(path.read_text()).values()) if path.exists() else []


def on_disk(tmp_path):
    return b"".join(path.read_bytes() for path in (tmp_path / "secrets").rglob("*") if path.is_file())


@pytest.mark.slow
def test_a_secret_goes_into_the_keyring_and_comes_back(ring, store, tmp_path):
    kept = store.set(ME, "A", "cänary\n")
    assert (kept.kept_in, kept.note) == ("keyring", None)
    assert store.value(ME, "A") == "cänary\n".encode()
    assert on_disk(tmp_path) == b""
    assert [(one.name, one.kept_in) for one in store.names(ME)] == [("A", "keyring")]
    assert store.remove(ME, "A").name == "A"
    assert (store.names(ME), entries(tmp_path)) == ([], [])
    with pytest.raises(NotFound):
        store.value(ME, "A")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "mood", "said"),
    [
        ("keyring.backends.fail.Keyring", "", "No keyring answers"),
        ("tests.keyring_double.File", "", "No keyring answers"),
        ("tests.keyring_double.Ring", "locked", "locked"),
        ("tests.keyring_double.Ring", "broken", "failed: OSError"),
        ("tests.keyring_double.Ring", "forgetful", "back as it was put in"),
        ("tests.keyring_double.Ring", "mute", "no answer within"),
    ],
)
def test_without_a_keyring_it_is_a_file_and_that_is_told(ring, store, tmp_path, monkeypatch, backend, mood, said):
    monkeypatch.setattr(secrets, "_ASKED_SECONDS", 3.0)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", backend)
    ring(mood)
    kept = store.set(ME, "A", "canary")
    assert kept.kept_in == "file"
    assert said in kept.note
    assert "canary" not in kept.note
    assert store.value(ME, "A") == b"canary"
    assert (tmp_path / "secrets" / str(ME) / "A").stat().st_mode & 0o777 == 0o400
    strict = SecretStore(tmp_path / "secrets", lambda: "keyring")
    with pytest.raises(DeskError):
        strict.set(ME, "A", "other")
    assert store.value(ME, "A") == b"canary"


@pytest.mark.slow
def test_a_new_value_leaves_no_old_one_anywhere(ring, store, tmp_path):
    files = SecretStore(tmp_path / "secrets")
    files.set(ME, "A", "old")
    store.set(ME, "A", "new")
    assert (store.value(ME, "A"), on_disk(tmp_path)) == (b"new", b"")
    files.set(ME, "A", "newest")
    assert (store.value(ME, "A"), entries(tmp_path)) == (b"newest", [])


@pytest.mark.slow
def test_moving_loses_nothing(ring, store, tmp_path):
    SecretStore(tmp_path / "secrets").set(ME, "A", "one")
    assert store.move(ME, "A", "keyring").kept_in == "keyring"
    assert (store.value(ME, "A"), on_disk(tmp_path), entries(tmp_path)) == (b"one", b"", ["one"])
    assert store.move(ME, "A", "keyring").kept_in == "keyring"
    ring("locked")
    with pytest.raises(Unavailable):
        store.move(ME, "A", "file")
    ring("")
    assert store.move(ME, "A", "file").kept_in == "file"
    assert (store.value(ME, "A"), entries(tmp_path)) == (b"one", [])
    ring("forgetful")
    with pytest.raises(Unavailable):
        store.move(ME, "A", "keyring")
    assert store.value(ME, "A") == b"one"
    with pytest.raises(Invalid):
        store.move(ME, "A", "cloud")


@pytest.mark.parametrize("step", ["_write", "_unlink"])
def test_an_agent_that_dies_between_two_places_loses_nothing(ring, store, tmp_path, monkeypatch, step):
    SecretStore(tmp_path / "secrets").set(ME, "A", "one")

    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(SecretStore, step, dies)
        with pytest.raises(KeyboardInterrupt):
            store.move(ME, "A", "keyring")
    assert store.value(ME, "A") == b"one"
    assert store.move(ME, "A", "keyring").kept_in == "keyring"
    assert (store.value(ME, "A"), on_disk(tmp_path)) == (b"one", b"")


@pytest.mark.slow
def test_what_another_program_took_out_of_the_keyring_is_told_and_can_be_removed(ring, store, tmp_path):
    store.set(ME, "A", "one")
    (tmp_path / "ring.json").write_text("{}")
    with pytest.raises(NotFound, match="any more"):
        store.value(ME, "A")
    store.remove(ME, "A")
    assert store.names(ME) == []


@pytest.mark.parametrize(
    ("backend", "mood"), [("keyring.backends.fail.Keyring", ""), ("tests.keyring_double.Ring", "locked")]
)
def test_a_job_waits_for_a_keyring_that_hands_nothing_out(ring, store, tmp_path, monkeypatch, backend, mood):
    store.set(ME, "A", "canary")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", backend)
    ring(mood)
    (tmp_path / "memory").mkdir()
    attempt = Attempt(1, "cafe-a1", "c", JobState.STARTING)
    job = Job("cafe", "a", JobState.QUEUED, JobSpec("a", "i", secrets=("A",)), 1.0, ME, "me")
    with pytest.raises(Obstructed) as told:
        SecretFiles(store, "cafe0123", tmp_path / "memory").lay(job, attempt, os.getuid(), os.getgid())
    assert told.value.reason.class_ == "secret_locked"
    store.check(ME, ["A"])  # it is there: the job may be submitted


def test_the_keyring_of_another_person_is_asked_as_them_on_their_own_bus(monkeypatch, tmp_path):
    asked = []

    def run(_module, request, _seconds, environment, as_uid):
        asked.append((request["act"], environment, as_uid))
        return {"keyring": "x", "value": "v"}

    monkeypatch.setattr(secrets, "run_worker", run)
    monkeypatch.setattr(secrets, "Path", lambda text: tmp_path / text.strip("/"))
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/the/agents/own")
    bus = tmp_path / "run" / "user" / str(ME + 1) / "bus"
    bus.parent.mkdir(parents=True)
    bus.touch()
    assert PersonalKeyring("s").value(ME + 1, "A") == "v"
    assert PersonalKeyring("s").look(ME) == "x"
    assert asked[0] == (
        "get",
        {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={bus}", "XDG_RUNTIME_DIR": str(bus.parent)},
        ME + 1,
    )
    assert asked[1] == ("look", {}, None)


def test_somebody_elses_secrets_are_not_there(ring, store):
    store.set(ME, "A", "one")
    assert store.names(ME + 1) == []
    with pytest.raises(NotFound):
        store.value(ME + 1, "A")
    with pytest.raises(Refused):
        store.check(ME + 1, ["A"])


@pytest.mark.parametrize(
    ("older", "place", "value"), [("mark", "file", b"new"), ("file", "keyring", b"old"), (None, "keyring", b"old")]
)
@pytest.mark.usefixtures("ring")
def test_of_two_places_that_a_killed_agent_left_the_newer_one_counts(tmp_path, older, place, value):
    """It dies between writing the one and removing the other; a file system may give both the same moment."""
    store = SecretStore(tmp_path / "secrets", lambda: "keyring")
    store.set(ME, "TOKEN", "old")
    file, mark = tmp_path / f"secrets/{ME}/TOKEN", next((tmp_path / f"secrets/{ME}").glob("*/TOKEN"))
    file.write_bytes(b"new")
    for path, is_older in ((file, older == "file"), (mark, older == "mark")):
        os.utime(path, (1000, 1000) if is_older else (2000, 2000))
    assert [(one.name, one.kept_in, one.changed_at) for one in store.names(ME)] == [("TOKEN", place, 2000.0)]
    assert store.value(ME, "TOKEN") == value
