"""What somebody hands over to be made job files of, by what it looks like."""

from dataclasses import replace

from mlops_desk.base.document.nodes import read_document, values_of
from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.jobs.imports.compose import DEPTH, is_compose, read_compose
from mlops_desk.jobs.imports.docker_run import read_docker_run
from mlops_desk.jobs.imports.mlproject import is_mlproject, read_mlproject
from mlops_desk.records.jobs.imported import ImportedJobs


def read_import(text: str, docker_run: str | None, only: str | None, folder: str, home: str) -> ImportedJobs:
    """Make job files of a ``docker run`` line, or of a file that says by its keys what it is. Raises Invalid."""
    if docker_run is not None:
        return ImportedJobs("docker run", (read_docker_run(docker_run, folder, home),))
    if not text:
        raise Invalid("Nothing to import is given.", "Name a file, or give --docker-run a whole line in quotes.")
    document = values_of(read_document(text, DEPTH))
    if is_compose(document):
        found = ImportedJobs("compose", read_compose(text, folder, home))
    elif is_mlproject(document):
        found = ImportedJobs("mlproject", read_mlproject(text, folder, home))
    else:
        hint = "A Compose file has services:, an MLproject has entry_points:."
        raise Invalid("This is neither a Compose file nor an MLproject.", hint)
    if only is None:
        return found
    chosen = tuple(job for job in found.jobs if job.name == only)
    if not chosen:
        known = ", ".join(plain(job.name) for job in found.jobs)
        raise Invalid(f"There is nothing called {plain(only)!r} in it.", f"There are: {known}.")
    return replace(found, jobs=chosen)
