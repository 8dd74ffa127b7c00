"""Causes: several processes that need one another. Mostly one of them failed first, and that is told where it shows."""

from mlops_desk.jobs.causes.cause import EndCause, Weight, faint, found, said
from mlops_desk.jobs.causes.gpus import held_down

RANKS = (
    EndCause(
        "nccl_timeout", "Collective operation timed out", Weight.CONSEQUENCE,
        "A collective operation between the GPUs timed out: a rank did not come.",
        "Look in the log for the rank that stopped first. If all were busy, raise the time-out of init_process_group.",
        said("Watchdog caught collective operation timeout", "NCCL communicator was aborted",
             "Timed out waiting for NCCL", "collective operations will time out", "[c10d] Watchdog",
             "heartbeat monitor timed out")
        + found("nccl", r"\bNCCL.*(?:timeout|timed out)")
        + found("collective", r"(?:collective|work).*(?:timed out|timeout)"),
        beside=held_down,
    ),
    EndCause(
        "nccl_connection", "Ranks lost their connection", Weight.CONSEQUENCE,
        "The ranks lost the connection between them.",
        "Mostly another rank ended first: look for its error. Else set env: {NCCL_DEBUG: INFO} and see which network.",
        said("ncclRemoteError", "remote process exited or there was a network error", "socketStartConnect",
             "socketProgress: Connection closed", "Connection closed by remote peer",
             "NET/Socket : no usable", "NET/IB : Got completion", "Gloo connectFullMesh failed")
        + found("nccl warn", r"NCCL WARN.*(?:connect|socket|peer)")
        + found("gloo", r"gloo.*(?:connection (?:closed|reset)|timed out|connect)"),
    ),
    EndCause(
        "nccl_failed", "NCCL failed", Weight.CONSEQUENCE,
        "NCCL, which moves data between the GPUs, failed.",
        "Set env: {NCCL_DEBUG: INFO} and submit again. Too little shared memory is a cause: resources: {shm: 16GiB}.",
        said("unhandled system error", "unhandled cuda error", "ncclSystemError", "ncclInternalError",
             "ncclUnhandledCudaError", "ncclInvalidUsage", "NCCL error in", "NCCL Error ", "DistBackendError"),
    ),
    EndCause(
        "rendezvous_failed", "Ranks did not meet", Weight.CONSEQUENCE,
        "The ranks did not find one another.",
        "Start as many ranks as WORLD_SIZE says, and see that MASTER_ADDR and MASTER_PORT are reached from all.",
        said("RendezvousTimeoutError", "RendezvousConnectionError", "RendezvousClosedError", "DistStoreError",
             "connection to the C10d store has failed", "DistNetworkError")
        + found("waiting for clients", r"timed out after .*waiting for clients|\d+/\d+ clients joined")
        + found("client socket has", r"client socket has (?:timed out|failed)")
        + found("environment variable", r"environment variable (?:RANK|WORLD_SIZE|MASTER_ADDR|MASTER_PORT) expected"),
    ),
    EndCause(
        "loader_worker_killed", "Data loader killed", Weight.CONSEQUENCE,
        "A worker process that loads data was killed or crashed.",
        "Mostly for memory: fewer workers, resources: {memory: ...} or {shm: ...}. num_workers=0 shows its own error.",
        found("dataloader worker", r"DataLoader worker \(pid.*\) (?:is killed|exited unexpectedly)")
        + said("BrokenProcessPool", "A process in the process pool was terminated abruptly",
               "WorkerLostError", "TerminatedWorkerError", "A worker process managed by the executor was unexpectedly"),
    ),
    EndCause(
        "child_failed", "A child process failed", Weight.CONSEQUENCE,
        "A process that the command started failed.",
        "Its own error stands before it in the log.",
        said("ChildFailedError", "CalledProcessError", "ProcessExitedException", "ProcessRaisedException",
             "mpirun noticed that process", "srun: error:", "WorkerCrashedError", "ActorDiedError",
             "Root EndCause (first observed failure)")
        + faint("returned non-zero exit status", "make: ***"),
    ),
)  # fmt: skip
