"""What jobs need from the rest of the house, as plain types: runs on the tracking server."""

from collections.abc import Callable

from mlops_desk.records.jobs.spec import JobSpec
from mlops_desk.runtimes.runtime import RunTicket

PrepareRun = Callable[[JobSpec, str, str], RunTicket]
"""Make the run of a job (spec, job id, attempt id), or return the one it has: asked twice, it must not make two.
The token is the attempt's own, and those that it got before are void.

Raises DeskError while the tracking server can't be had; the job then waits.
"""

FinishRun = Callable[[str, str], None]
"""Set a run's status (run id, MLflow's word for it) if it is not over already. Raises DeskError: asked again later."""

KeepTickets = Callable[[Callable[[str], bool]], None]
"""Make void the tokens of all attempts but those (by id) that are current. Raises Unavailable."""
