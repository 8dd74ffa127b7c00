"""Jobs that the desk queues for others: made data over a job's own, and a maker of rows that reaches nothing."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.jobs.automated_submit import CommissionedJobs, _laid_over, maker_of
from mlops_desk.jobs.file.spec import format_spec, parse_spec
from mlops_desk.jobs.records.spec import JobSpec, MlflowSpec, Mount, Sweep
from mlops_desk.jobs.templates import build_folder, shipped
from mlops_desk.kit.base.errors import Invalid

SPEC = JobSpec("make", "image", outputs=("/out",))
HEAD = "apiVersion: mlops-desk/v1\nkind: Job\nname: a\nimage: i\n"


def test_a_maker_has_no_network_no_run_no_secret_whatever_its_file_says() -> None:
    asked = replace(SPEC, mlflow=MlflowSpec("e"), ports=(80,), secrets=("token",), mounts=(Mount("/own", "/own"),))
    spec = maker_of("own", asked, "/given")
    assert (spec.network, spec.mlflow, spec.ports, spec.secrets) == ("none", None, (), ())
    assert spec.mounts == (Mount("/own", "/own"), Mount("/given", "/in", "ro"))
    assert spec.outputs == ("/out",)
    assert maker_of("own", replace(SPEC, outputs=("/x",)), "/given").outputs == ("/x", "/out")


@pytest.mark.parametrize(
    "spec",
    [replace(SPEC, array=2), replace(SPEC, sweep=Sweep({"a": ("1",)})), replace(SPEC, mounts=(Mount("/x", "/in/x"),))],
)
def test_what_is_no_single_maker_is_refused(spec) -> None:
    with pytest.raises(Invalid, match="template own"):
        maker_of("own", spec, "/given")


def test_made_data_lie_over_the_file_alone_or_take_a_mounts_place() -> None:
    mounts = (Mount("/srv/data", "/data"), Mount("/srv/one.csv", "/one.csv", "ro", stage=True))
    assert _laid_over(mounts, "/data/train.csv", "/m/t.csv") == (*mounts, Mount("/m/t.csv", "/data/train.csv", "ro"))
    assert _laid_over(mounts, "/one.csv", "/m/o.csv") == (mounts[0], Mount("/m/o.csv", "/one.csv", "ro"))


@pytest.mark.parametrize("name", ["synthetic-copula", "augment-own"])
def test_the_shipped_makers_are_files_that_are_read_and_their_image_is_built_where_they_lie(name) -> None:
    template = next(one for one in shipped() if one.name == name)
    spec = maker_of(name, parse_spec(template.spec, "/home/me"), "/given")
    assert spec.network == "none"
    if spec.build is not None:
        assert spec.build.context == f"{build_folder()}/{name}"


def test_a_job_without_a_network_has_neither_run_nor_ports() -> None:
    spec = parse_spec(HEAD + "network: none\n", "/")
    assert spec.network == "none"
    assert parse_spec(format_spec(spec), "/") == spec
    assert parse_spec(HEAD, "/").network is None
    for more in ("mlflow: {experiment: e}\n", "ports: [80]\n"):
        with pytest.raises(Invalid, match="over the network"):
            parse_spec(HEAD + "network: none\n" + more, "/")
    with pytest.raises(Invalid, match="network"):
        parse_spec(HEAD + "network: host\n", "/")


class Templates(CommissionedJobs):
    """One template, and a queue that keeps what it gets."""

    def __init__(self, text: str) -> None:
        self.queued: list[tuple[JobSpec, str]] = []
        self._text = text
        self._runtimes: Any = SimpleNamespace(default="local")
        self._intake: Any = SimpleNamespace(queue=self._queue)

    def template(self, name: str) -> Any:
        return SimpleNamespace(spec=self._text, name=name)

    def _queue(self, spec: JobSpec, _uid: int, _runtime: str, _basis: object, origin: str) -> list[JobSpec]:
        self.queued.append((spec, origin))
        return [spec]


def test_a_rule_sets_parameters_of_a_template_by_their_names() -> None:
    jobs = Templates(HEAD + "command: [train, '{lr}', '{name}']\nparams: {lr: 0.5, name: x}\n")
    jobs.submit_template("nightly", {"lr": "0.1", "name": "night"}, "rule/1", 0)
    jobs.submit_template("nightly", {"params.lr": "0.2", "priority": "7"}, "rule/2", 0)  # as earlier versions want it
    (first, origin), (second, _) = jobs.queued
    assert (dict(first.params), first.name, origin) == ({"lr": "0.1", "name": "night"}, "a", "rule/1")
    assert (dict(second.params), second.priority) == ({"lr": "0.2", "name": "x"}, 7)
    with pytest.raises(Invalid, match="'rate' is not a key"):
        jobs.submit_template("nightly", {"rate": "1"}, "rule/3", 0)
