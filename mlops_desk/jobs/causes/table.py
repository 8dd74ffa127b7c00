"""All causes. Where two show themselves with the same weight on the same line, the one that stands first is told."""

from mlops_desk.jobs.causes.cause import EndCause
from mlops_desk.jobs.causes.files import DISKS, FILES
from mlops_desk.jobs.causes.gpus import DRIVER, HARDWARE, PROGRAMS
from mlops_desk.jobs.causes.memory import MEMORY
from mlops_desk.jobs.causes.network import NETWORK
from mlops_desk.jobs.causes.program import STARTING, WORKING
from mlops_desk.jobs.causes.ranks import RANKS
from mlops_desk.jobs.causes.signals import SIGNALS

CAUSES: tuple[EndCause, ...] = (
    *MEMORY,
    *HARDWARE,
    *DRIVER,
    *PROGRAMS,
    *DISKS,
    *STARTING,
    *FILES,
    *NETWORK,
    *WORKING,
    *RANKS,
    *SIGNALS,
)
