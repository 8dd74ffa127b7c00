"""The JSON Schema of job files, made from the tables that read them, for editors and other programs."""

from typing import Any

from mlops_desk.base.document.schema import schema_of
from mlops_desk.jobs.file.fields import JobFile

_IDENTITY = "urn:mlops-desk:job-file:v1"


def job_schema() -> dict[str, Any]:
    """Return the schema of a whole job file."""
    either = [{"required": ["image"]}, {"required": ["build"]}]
    return {**schema_of(JobFile, _IDENTITY, "MLOps Desk job file (mlops-desk/v1)"), "anyOf": either}
