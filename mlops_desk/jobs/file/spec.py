"""A job file becomes a JobSpec, and a JobSpec a job file; what is wrong is said with place, field and remedy."""

from collections.abc import Mapping

from mlops_desk.base.document.binding import bind
from mlops_desk.base.document.kinds import write_document, written
from mlops_desk.base.document.nodes import Node, node_of, read_document
from mlops_desk.jobs.file.changes import changed
from mlops_desk.jobs.file.checks import check_file, check_filled, check_index
from mlops_desk.jobs.file.conversion import file_of, spec_of
from mlops_desk.jobs.file.fields import JobFile
from mlops_desk.records.jobs.spec import JobSpec


def parse_spec(text: str, folder: str = "/", changes: Mapping[str, str] | None = None) -> JobSpec:
    """Read a job file; relative paths are taken from ``folder``. Raises Invalid.

    ``changes`` are put in the place of what the file says, by their paths (``resources.gpus``, ``params.lr``).
    """
    return read_spec(changed(read_document(text), changes or {}, JobFile), folder)


def read_spec(document: Node, folder: str = "/") -> JobSpec:
    """Read a document as a job file; relative paths are taken from ``folder``. Raises Invalid."""
    bound = bind(document, JobFile)
    check_file(bound, document)
    check_index(bound)
    spec = spec_of(bound.table, folder)
    check_filled(bound, spec)
    return spec


def change_spec(spec: JobSpec, changes: Mapping[str, str], folder: str = "/") -> JobSpec:
    """Return ``spec`` with some of its fields changed, as the job file writes them. Raises Invalid."""
    if not changes:
        return spec
    # Not by way of its text, which may be longer than a person's file may be.
    return read_spec(changed(node_of(written(file_of(spec))), changes, JobFile), folder)


def checked_spec(spec: JobSpec) -> JobSpec:
    """Return a spec that came from elsewhere as its job file reads: all that a file may not say raises Invalid."""
    return read_spec(node_of(written(file_of(spec))))


def format_spec(spec: JobSpec) -> str:
    """Write ``spec`` as a job file that ``parse_spec`` reads back as the same."""
    return write_document(written(file_of(spec)))
