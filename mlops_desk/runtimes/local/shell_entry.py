"""The shell that a person gets in a running container: bash where the image has it, else its sh, else the desk's."""

from mlops_desk.base.errors import Hint, Refused
from mlops_desk.engines.engine import Engine
from mlops_desk.records.jobs.job import Attempt, Job
from mlops_desk.records.jobs.job_shell import JobShell
from mlops_desk.runtimes.local.shell import PACKAGE, SHELL_TARGET

_IMAGE_SHELL = "/bin/sh"
_CHOICE = "command -v bash >/dev/null 2>&1 && exec bash; exec {}"


def shell_entry(engine: Engine, job: Job, attempt: Attempt) -> JobShell:
    """Return what opens a shell in an attempt's container. Raises Refused (there is none), NotFound, Unavailable."""
    name = attempt.container
    if engine.has_file(name, _IMAGE_SHELL):
        words: tuple[str, ...] = (_IMAGE_SHELL, "-c", _CHOICE.format(_IMAGE_SHELL))
    elif engine.has_file(name, SHELL_TARGET):
        words = (SHELL_TARGET, "sh")
    else:
        text = f"The image of job {job.id} holds no shell, and none of the desk's was brought along."
        after = "    and run the job again: then each container gets one."
        raise Refused(text, Hint(f"sudo apt-get install {PACKAGE}", after=after))
    return JobShell(job.id, name, engine.info().address, words)
