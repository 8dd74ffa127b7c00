"""``open`` and ``runs open``: to the window, or without a screen to where the same is seen."""

import json
from types import SimpleNamespace

import pytest

from mlops_desk.desk.cli.deep_links import command as opening
from mlops_desk.desk.cli.main import main
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.base.errors import NotFound, Unavailable
from mlops_desk.registry.records.model import Registry, Run
from mlops_desk.registry.records.page import PageVisit
from mlops_desk.registry.records.tracker import Tracker, TrackerKind

RUN = "0123456789abcdef0123456789abcdef"


class Desk:
    """Knows one run and one job."""

    def __init__(self, tag="j1", job_run=RUN, registry=None):
        self.tag, self.job_run = tag, job_run
        self.server = registry or Registry("running", uri="http://127.0.0.1:5000")
        self.registry = SimpleNamespace(page=self.page, show=self.tracker)
        self.runs = SimpleNamespace(show=self.run)
        self.jobs = SimpleNamespace(show=self.job)
        self.models = SimpleNamespace(server=lambda: self.server)

    def run(self, run_id, uri=None):
        if run_id != RUN:
            raise NotFound(f"There is no run {run_id}.")
        return Run(RUN, "a", "FINISHED", 1, tags={"mlops_desk.job_id": self.tag} if self.tag else {}, experiment_id="7")

    def page(self, run_id):
        return PageVisit(
            f"http://a.localhost:5000/open-page?once=x&to={run_id}", 1.0, 2.0, False, "It is not installed."
        )

    def tracker(self, name):
        uri = {"prod": "https://mlflow.example/", "pg": "postgresql://h/db"}[name]
        return Tracker(name, uri, TrackerKind.HTTP)

    def job(self, job_id):
        if job_id != "j1":
            raise NotFound(f"There is no job {job_id}.")
        return Job("j1", "a", JobState.SUCCEEDED, JobSpec("a", "i"), 1.0, 1, "anna", mlflow_run_id=self.job_run)

    def close(self):
        """Let go of nothing."""


@pytest.fixture
def opened(monkeypatch):
    """The windows that were opened, by where they go; there is a screen."""
    found = []
    monkeypatch.setattr(opening, "open_window", lambda _address, given: found.append(given.destination) or 0)
    monkeypatch.setattr(opening, "check_screen", lambda _environment: None)
    monkeypatch.setattr(opening, "connect", lambda *_arguments, **_more: Desk())
    return found


def no_screen(_environment):
    raise Unavailable("There is no screen here.")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["open", "mlops-desk://job/ab12"], "mlops-desk://job/ab12"),
        (["open", "MLOPS-DESK://GPU/GPU-1/"], "mlops-desk://gpu/GPU-1"),
        (["open"], ""),
        (["runs", "open", RUN], f"mlops-desk://run/{RUN}"),
    ],
)
def test_with_a_screen_the_window_goes_there(opened, tmp_path, words, wanted):
    assert main(["--data-dir", str(tmp_path), *words]) == 0
    assert opened == [wanted]


def test_without_a_screen_it_is_said_where_it_is_seen(opened, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(opening, "check_screen", no_screen)
    assert main(["--data-dir", str(tmp_path), "runs", "open", RUN, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "address": f"mlops-desk://run/{RUN}", "opened": False, "job_id": "j1", "command": f"mlops-desk runs show {RUN}"
    }  # fmt: skip
    assert main(["--data-dir", str(tmp_path), "open", "mlops-desk://endpoint/digits"]) == 0
    told = capsys.readouterr().out
    assert "mlops-desk endpoints show digits" in told
    assert "mlops-desk open mlops-desk://endpoint/digits" in told
    for view, listed in (("registries", "registry list"), ("disk", "settings list")):
        assert main(["--data-dir", str(tmp_path), "open", f"mlops-desk://settings/{view}"]) == 0
        assert f"mlops-desk {listed}" in capsys.readouterr().out
    assert opened == []


def test_a_run_is_of_a_job_only_if_the_job_says_so_too(opened, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(opening, "check_screen", no_screen)
    for desk in (Desk(tag=None), Desk(tag="gone"), Desk(job_run="another")):
        monkeypatch.setattr(opening, "connect", lambda *_arguments, desk=desk, **_more: desk)
        assert main(["--data-dir", str(tmp_path), "runs", "open", RUN, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["job_id"] is None


def test_a_run_that_is_not_there_and_an_address_that_is_none_are_errors(opened, tmp_path, monkeypatch, capsys):
    assert main(["--data-dir", str(tmp_path), "runs", "open", "nope"]) == 1
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert main(["--data-dir", str(tmp_path), "open", "mlops-desk://job/a?cancel=1"]) == 1
    assert "no address" in capsys.readouterr().err
    assert opened == []


def test_what_is_wrong_with_an_address_that_was_clicked_is_said_in_the_window(opened, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    assert main(["--data-dir", str(tmp_path), "open", "mlops-desk://job/a?cancel=1"]) == 0
    assert opened == ["mlops-desk://job/a?cancel=1"]


def test_mlflows_own_page_is_opened_where_there_is_a_server(opened, tmp_path, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(opening.webbrowser, "open", lambda page: seen.append(page) or True)
    assert main(["--data-dir", str(tmp_path), "runs", "open", RUN, "--mlflow"]) == 0
    assert seen.pop() == f"http://a.localhost:5000/open-page?once=x&to={RUN}"
    assert "It is not installed." in capsys.readouterr().out
    other = Desk(registry=Registry("stopped", default_uri="https://mlflow.example/"))
    monkeypatch.setattr(opening, "connect", lambda *_arguments, **_more: other)
    for more in ([], ["--uri", "prod"], ["--uri", "https://mlflow.example"]):
        assert main(["--data-dir", str(tmp_path), "runs", "open", RUN, "--mlflow", *more]) == 0
        assert seen.pop() == f"https://mlflow.example/#/experiments/7/runs/{RUN}"
    for uri in ("pg", "sqlite:////tmp/a.db", "/srv/mlruns"):
        assert main(["--data-dir", str(tmp_path), "runs", "open", RUN, "--mlflow", "--uri", uri]) == 1
        told = capsys.readouterr().err
        assert "has no server" in told
        assert f"mlops-desk runs open {RUN}" in told
    assert opened == []
    assert seen == []
