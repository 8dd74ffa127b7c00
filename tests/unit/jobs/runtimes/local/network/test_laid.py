"""Secrets and logins of an attempt that is made, and waits for its start while the machine restarts."""

import os
import shutil
import time
from pathlib import Path

import pytest

from mlops_desk.engines.fake import FakeEngine
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec, MlflowSpec
from mlops_desk.jobs.runtimes.local.runtime import LocalRuntime, Policy
from mlops_desk.jobs.runtimes.runtime import Phase, RunTicket
from mlops_desk.kit.storage.secrets import SecretStore
from tests.runtime_suite import FreeGpus


class Died(BaseException):
    """The agent ends here."""


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(images=["img"])


@pytest.fixture
def runtime(engine, tmp_path) -> LocalRuntime:
    (tmp_path / "memory").mkdir()
    policy = Policy(lambda: 1, lambda: False, lambda *_: (), lambda: 1 << 30, memory=tmp_path / "memory")
    return LocalRuntime("local", engine, FreeGpus(()), tmp_path / "jobs", "cafe0123", policy)


def dies(_word: str | None) -> None:
    raise Died


@pytest.mark.parametrize("forgotten", ["all", "logins", "secrets", "nothing"])
def test_what_the_machine_has_forgotten_is_laid_anew_before_the_start(engine, runtime, tmp_path, forgotten):
    SecretStore(tmp_path / "secrets").set(os.getuid(), "A", "one")
    spec = JobSpec("train", "img", ("x",), secrets=("A",), mlflow=MlflowSpec("digits"))
    image = engine.image("img").id
    job = Job("cafe", "train", JobState.QUEUED, spec, time.time(), os.getuid(), "me", image_id=image)
    attempt = runtime.draft(job)
    tickets = iter("12")
    with pytest.raises(Died):
        runtime.place(job, attempt, lambda: RunTicket("r", "http://172.17.0.1:5000", next(tickets)), dies)
    (place,) = (tmp_path / "memory").iterdir()
    for folder in list(place.iterdir()):
        if forgotten in {"all", "logins" if folder.name.endswith(".logins") else "secrets"}:
            folder.chmod(0o700)
            shutil.rmtree(folder)
    again = lambda: RunTicket("r", "http://172.17.0.1:5000", next(tickets))  # noqa: E731 - said once, for one call
    assert runtime.place(job, attempt, again, lambda _word: None).phase is not Phase.WAITING
    token = "1\n" if forgotten == "nothing" else "2\n"  # a ticket is made for what is made
    assert (place / f"{attempt.id}.logins" / "token").read_text() == token
    assert (place / attempt.id / "A").read_text() == "one"
    runtime.clear(job, attempt, finished=True)
    assert list(place.glob("*")) == []


def test_what_is_mounted_is_there_and_only_where_it_is_needed(engine, runtime, tmp_path):
    image = engine.image("img").id
    for number, mlflow in enumerate((None, MlflowSpec("digits"))):
        spec = JobSpec("train", "img", ("x",), mlflow=mlflow)
        job = Job(f"cafe{number}", "train", JobState.QUEUED, spec, time.time(), os.getuid(), "me", image_id=image)
        attempt = runtime.draft(job)
        ticket = None if mlflow is None else RunTicket("r", "http://172.17.0.1:5000", "t0ken")
        runtime.place(job, attempt, lambda ticket=ticket: ticket, lambda _word: None)
        made = engine._containers[attempt.container].spec
        targets = {mount.target for mount in made.own_mounts}
        assert ("/run/mlops-desk" in targets) is (mlflow is not None)
        assert all(Path(mount.source).exists() for mount in made.own_mounts)
        assert "t0ken" not in repr(made)
