"""The JSON Schema of job files: current, right by its own rules, and takes what the program takes."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from mlops_desk.jobs.automated_submit import job_schema
from mlops_desk.jobs.file.spec import format_spec, parse_spec
from mlops_desk.jobs.templates import shipped
from mlops_desk.kit.base.errors import Invalid
from tests.job_specs import specs
from tests.unit.jobs.file.test_fields import WHOLE
from tests.unit.jobs.file.test_spec import EXAMPLE

PUBLISHED = Path(__file__).resolve().parents[4] / "resources" / "job.schema.json"
VALIDATOR = Draft202012Validator(job_schema())
BARE = {"apiVersion": "mlops-desk/v1", "kind": "Job", "name": "a", "image": "b"}


def test_the_published_schema_is_current():
    told = "Write it anew: mlops-desk jobs schema --json | python -m json.tool --no-ensure-ascii > resources/job.schema.json"
    assert json.loads(PUBLISHED.read_text("utf-8")) == job_schema(), told


def test_it_is_a_schema():
    Draft202012Validator.check_schema(job_schema())


@pytest.mark.parametrize("text", [EXAMPLE, WHOLE, *(template.spec for template in shipped())])
def test_files_that_people_write_fit(text):
    VALIDATOR.validate(yaml.load(text, yaml.BaseLoader))
    VALIDATOR.validate(json.loads(json.dumps(yaml.safe_load(text), default=str)))


@pytest.mark.slow
@given(specs())
@settings(deadline=None)
def test_whatever_the_program_writes_fits(spec):
    VALIDATOR.validate(yaml.safe_load(format_spec(spec)))


def test_what_is_left_empty_fits_as_the_program_takes_it():
    document = {**BARE, "command": None, "resources": None, "sweep": None, "timeLimit": None}
    VALIDATOR.validate(document)
    parse_spec(json.dumps(document))


@pytest.mark.parametrize(
    "fields",
    [
        {"apiVersion": "mlops-desk/v2"},
        {"kind": "Deployment"},
        {"name": None},
        {"name": ["a"]},
        {"image": None},
        {"image": "-x y"},
        {"gpu": 1},
        {"resources": {"gpu": 1}},
        {"resources": {"gpus": -1}},
        {"resources": {"gpus": 1.5}},
        {"resources": {"gpus": "two"}},
        {"resources": {"gpu_uuids": [0]}},
        {"resources": []},
        {"command": "python"},
        {"command": [["a"]]},
        {"command": [None]},
        {"env": {"A-B": "1"}},
        {"mounts": [{"source": "/a"}]},
        {"mounts": [{"source": "/a", "target": "/b", "mode": "w"}]},
        {"timeLimit": 90},
        {"timeLimit": "90"},
        {"timeLimit": ""},
        {"priority": 5000},
        {"array": 0},
        {"array": 1001},
        {"ports": [70000]},
        {"retries": {"OOM": 1}},
        {"retries": {"oom_kernel": -1}},
        {"type": "notebook"},
        {"sweep": {"grid": {"lr": []}}},
        {"sweep": {"random": {"lr": {"low": 1}}}},
        {"source": {"git": "ext::sh"}},
        {"secrets": ["../x"]},
    ],
)
def test_what_the_program_refuses_field_by_field_does_not_fit_either(fields):
    document = {**BARE, **fields}
    with pytest.raises(Invalid):
        parse_spec(json.dumps(document))
    assert not VALIDATOR.is_valid({key: value for key, value in document.items() if (key, value) != ("image", None)})
