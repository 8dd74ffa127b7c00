"""A job file becomes a JobSpec, and a JobSpec a job file; what is wrong is said with place, field and remedy."""

from collections.abc import Mapping

import yaml

from mlops_desk.jobs.file.binding import bind
from mlops_desk.jobs.file.changes import changed
from mlops_desk.jobs.file.checks import check_file, check_filled, check_index
from mlops_desk.jobs.file.conversion import file_of, spec_of
from mlops_desk.jobs.file.document import Node, node_of, read_document
from mlops_desk.jobs.file.fields import JobFile
from mlops_desk.jobs.file.kinds import written
from mlops_desk.records.jobs.spec import JobSpec

_LINE_BREAKS = frozenset("\x85\u2028\u2029")
_WIDTH = 4096  # chosen: nobody's line is folded


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


def write_document(document: Mapping[str, object]) -> str:
    """Write a job file's tables and lists as YAML."""
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=_WIDTH)
    if _LINE_BREAKS.isdisjoint(text):
        return text
    # YAML takes these for line breaks and would read them back as blanks.
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=False, width=_WIDTH)
