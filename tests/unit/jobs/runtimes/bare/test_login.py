"""What a command of one's own logs in to MLflow with: good for its run, whatever logins of their own the person has."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.spec import JobKind, JobSpec, MlflowSpec
from mlops_desk.jobs.runtimes.bare.runtime import BareRuntime
from mlops_desk.jobs.runtimes.runtime import RunTicket

ASKS = """
import json
from mlflow.utils.credentials import get_default_host_creds
found = get_default_host_creds("http://127.0.0.1:5000")
print(json.dumps([found.username, found.password, found.token]))
"""


def environment(tmp_path: Path, ticket: RunTicket | None) -> dict[str, str]:
    class Leases:
        pool = None

        def still_held(self, *_):
            return True

        def bind(self, *_):
            pass

    spec = JobSpec("a", "", ("x",), kind=JobKind.PROCESS, mlflow=MlflowSpec("iris"))
    job = Job("j1", "a", JobState.STARTING, spec, 0.0, os.getuid(), "me")
    attempt = Attempt(1, "j1-a1", "", JobState.STARTING)
    runtime = BareRuntime(Leases(), tmp_path, lambda: 5)
    runtime.register("j1", os.getpid())
    runtime.place(job, attempt, lambda: ticket, lambda _facts: None)
    return json.loads((tmp_path / "j1/a1/environment.json").read_text())


@pytest.mark.slow
def test_a_persons_own_credentials_are_not_sent_to_the_desks_server(tmp_path: Path) -> None:
    home = tmp_path / "home/.mlflow"
    home.mkdir(parents=True)
    own = home / "credentials"
    own.write_text("[mlflow]\nmlflow_tracking_username = me\nmlflow_tracking_password = own\n")
    given = environment(tmp_path, RunTicket("run-1", "http://127.0.0.1:5000", "token-1"))
    assert "HOME" not in given
    for own_login in ({}, {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "own"}):
        whole = {**os.environ, "HOME": str(home.parent), **own_login, **given}
        done = subprocess.run([sys.executable, "-c", ASKS], env=whole, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout) == ["mlops-desk", "token-1", "token-1"]
    assert "me" in own.read_text()


def test_who_logs_nowhere_gets_no_login(tmp_path: Path) -> None:
    assert not [name for name in environment(tmp_path, None) if "TRACKING" in name]
