"""All causes. Where two show themselves with the same weight on the same line, the one that stands first is told."""

from collections.abc import Mapping

from mlops_desk.jobs.failure_causes.cause import EndCause, Weight, faint, found, said
from mlops_desk.jobs.failure_causes.gpus import DRIVER, HARDWARE, PROGRAMS, held_down
from mlops_desk.jobs.failure_causes.memory import MEMORY
from mlops_desk.jobs.failure_causes.program import STARTING, WORKING
from mlops_desk.jobs.records.failure_facts import EndFacts
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import plain

# Causes: several processes that need one another. Mostly one of them failed first, and that is told where it shows.
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


# Causes: what a signal ended, where nothing better tells why. "137" alone says no more than that it was killed.
SIGNALS = (
    EndCause(
        "segfault", "Crashed (segmentation fault)", Weight.CONSEQUENCE,
        "The program crashed (segmentation fault).",
        'Mostly a library of native code that does not fit: set env: {PYTHONFAULTHANDLER: "1"} to see where.',
        said("Fatal Python error: Segmentation fault", "SIGSEGV")
        + found("segmentation fault", r"segmentation fault(?: |$|\))"),
        codes=(139,),
    ),
    EndCause(
        "illegal_instruction", "Unknown processor instruction", Weight.CONSEQUENCE,
        "The program uses an instruction that this processor does not have.",
        "It was built for a newer processor: use another build (of TensorFlow, say), or build it here.",
        said("Illegal instruction", "SIGILL", "instructions that your machine does not support",
             "The TensorFlow library was compiled to use"),
        codes=(132,),
    ),
    EndCause(
        "bus_error", "Crashed (bus error)", Weight.CONSEQUENCE,
        "The program reached for memory that is not behind its address (bus error).",
        "Mostly shared memory that is too small: resources: {shm: 16GiB}. Else a file that shrank, or a failing disk.",
        said("Bus error", "SIGBUS"),
        codes=(135,),
    ),
    EndCause(
        "aborted", "Aborted (SIGABRT)", Weight.CONSEQUENCE,
        "The program aborted itself (SIGABRT).",
        "What it said before tells why.",
        said("terminate called", "Fatal Python error: Aborted", "double free or corruption", "SIGABRT",
             "free(): invalid", "malloc(): ", "stack smashing detected", "Aborted (core dumped)"),
        codes=(134,),
    ),
    EndCause(
        "killed", "Killed (SIGKILL)", Weight.CODE,
        "Something sent SIGKILL to the program.",
        "Nobody reported that memory ran out. It may have been a person, a watchdog (earlyoom) or the program.",
        found("killed", r"^(?:\S+: line \d+: +\d+ )?Killed\b", weight=Weight.FAINT)
        + faint("SIGKILL", "Signal 9"),
        codes=(137,),
    ),
    EndCause(
        "terminated", "Ended by SIGTERM", Weight.CODE,
        "Something sent SIGTERM to the program.",
        "It was not MLOps Desk: a person, a program around it, or a shutdown. Submit the job again if need be.",
        found("terminated", r"^(?:\S+: line \d+: +\d+ )?Terminated\b", weight=Weight.FAINT)
        + faint("SIGTERM", "Signal 15"),
        codes=(143,),
    ),
    EndCause(
        "hung_up", "Ended by a signal", Weight.CODE,
        "The program was ended by SIGHUP, SIGQUIT, SIGPIPE or a timer.",
        "A program around it ended it, as timeout does. Submit the job again if need be.",
        codes=(124, 129, 131, 141, 142),
    ),
    EndCause(
        "cpu_limit", "Processor or file size limit", Weight.CODE,
        "The program used more processor time, or wrote a larger file, than a limit allows.",
        "See ulimit -a in the job.",
        said("CPU time limit exceeded", "File size limit exceeded", "SIGXCPU", "SIGXFSZ", weight=Weight.CONSEQUENCE),
        codes=(152, 153),
    ),
)  # fmt: skip


# Causes: files, folders and disks.
def _place(facts: EndFacts, groups: Mapping[str, str]) -> Mapping[str, str]:
    """Say where on the host a path of the container lies; what lies in no mount can only come from the image."""
    path = groups.get("path", "")
    if not path:
        return {"path": "a file", "where": "Check the path, and that its folder is among the job's mounts."}
    for source, target in facts.mounts:
        if path == target or path.startswith(f"{target.rstrip('/')}/"):
            return {"where": f"It is looked for in the mount of {plain(source)}: is it there?"}
    mounts = ", ".join(plain(target) for _, target in facts.mounts) or "none"
    return {"where": f"It lies in no mount of the job (mounts: {mounts}): add one with mounts: [...], or correct it."}


_QUOTED = r"[:,]? ?['\"](?P<path>[^'\"]+)['\"]"

DISKS = (
    EndCause(
        "inodes_gone", "The disk takes no more files", Weight.ROOT,
        "The disk takes no more files: it has run out of inodes.",
        Hint("df -i", before="See which disk: ", after=". Remove what is not needed; put small files into archives."),
        said("No free inodes", "out of inodes", "inode table is full"),
    ),
    EndCause(
        "watches_gone", "Too many files watched", Weight.SPECIFIC,
        "The machine watches as many files as it may.",
        "Raise fs.inotify.max_user_watches on this machine, or don't watch files in the job.",
        said("inotify watch limit reached", "System limit for number of file watchers reached"),
    ),
    EndCause(
        "disk_full", "The disk is full", Weight.ROOT,
        "The disk is full.",
        Hint("df -h", before="See which: ", after=". A job's /tmp and /dev/shm are memory: write to a mount."),
        said("No space left on device", "ENOSPC", "PytorchStreamWriter failed writing file", "database or disk is full",
             "disk full", "not enough free disk space"),
    ),
    EndCause(
        "quota", "A disk quota is used up", Weight.ROOT,
        "A quota of this user or folder is used up.",
        "See it with quota -s, and remove what is not needed.",
        said("Disk quota exceeded", "EDQUOT"),
    ),
    EndCause(
        "read_only", "Written to a read-only place", Weight.SPECIFIC,
        "The program wrote to a place that is read only.",
        "Write to /tmp, to /mlops-desk/out, or mount a folder with mode: rw. The image itself is read only.",
        said("Read-only file system", "EROFS"),
    ),
    EndCause(
        "io_error", "A disk or network share failed", Weight.ROOT,
        "A disk or a share on the network failed.",
        "Look at the kernel's log (dmesg) and whether the share is reached; the job's data may be damaged.",
        said("Stale file handle", "Transport endpoint is not connected", "Structure needs cleaning")
        + found("input/output error", r"(?:Errno 5|Error|error).*Input/output error|Input/output error\W*$"),
    ),
    EndCause(
        "files_limit", "Too many open files", Weight.SPECIFIC,
        "The program has as many files open as it may.",
        "Close files, use fewer loader workers, or torch.multiprocessing.set_sharing_strategy('file_system').",
        said("Too many open files", "EMFILE", "received 0 items of ancdata"),
    ),
    EndCause(
        "processes_limit", "Too many processes", Weight.SPECIFIC,
        "The program could start no more processes or threads.",
        'Start fewer workers, and set env: {OMP_NUM_THREADS: "1"}; a job may have a limited number.',
        said("can't start new thread", "pthread_create failed", "Thread creation failed",
             "unable to create new native thread", "fork: retry: Resource temporarily unavailable", "Cannot fork")
        + found("fork", r"fork.*Resource temporarily unavailable")
        + found("blockingioerror", r"BlockingIOError: \[Errno 11\]"),
    ),
)  # fmt: skip

FILES = (
    EndCause(
        "data_missing", "Data not found", Weight.SPECIFIC,
        "The data that the program looked for is not there.",
        "Check the mounts: is the source the right folder, is there anything in it, does the target fit?",
        said("Dataset not found", "DatasetNotFoundError", "Found no valid file for the classes",
             "Couldn't find any class folder", "DataFilesNotFoundError", "EmptyDatasetError", "Unable to find data",
             "num_samples should be a positive integer value, but got num_samples=0", "Couldn't find a dataset script",
             "No data files found")
        + found("found 0", r"Found 0 (?:files|images|samples|sequences)")
        + found("is empty", r"(?:Error|Exception).*(?:data ?set|folder|directory).* is empty"),
    ),
    EndCause(
        "script_missing", "Program file not found", Weight.SPECIFIC,
        "The program's own file is not in the container: {path}.", "{where}",
        found("can't open file", rf"can't open file{_QUOTED}")
        + found("error: unable to access jarfile", r"unable to access jarfile (?P<path>\S+)"),
        fields=_place,
    ),
    EndCause(
        "file_missing", "File not found", Weight.SPECIFIC,
        "The program did not find {path}.", "{where}",
        found("filenotfounderror", rf"FileNotFoundError(?:: \[(?:Errno|WinError) \d+\] [^:]*{_QUOTED})?")
        + found("notadirectoryerror", rf"NotADirectoryError(?:: \[Errno \d+\] [^:]*{_QUOTED})?")
        + found("no such file or directory", rf"Error\b.*No such file or directory(?:{_QUOTED})?")
        + found("no such file or directory", rf"No such file or directory(?:{_QUOTED})?", weight=Weight.FAINT),
        fields=_place,
    ),
    EndCause(
        "permission_denied", "File access not allowed", Weight.SPECIFIC,
        "The program may not read or write {path}.",
        "The job runs with its submitter's rights. Give them the file, or write to /tmp or /mlops-desk/out. {where}",
        found("permissionerror", rf"PermissionError(?:: \[Errno \d+\] [^:]*{_QUOTED})?")
        + found("operation not permitted", rf"Error\b.*Operation not permitted(?:{_QUOTED})?")
        + found("permission denied", rf"(?:Error|fatal)\b.*Permission denied(?:{_QUOTED})?")
        + faint("permission denied", "operation not permitted"),
        fields=_place,
    ),
)  # fmt: skip


# Causes: the network, and who says no at the other end.
_PROXY = "If this machine needs a proxy, set it in the settings, or HTTPS_PROXY in env:."

NETWORK = (
    EndCause(
        "port_in_use", "Port taken", Weight.SPECIFIC,
        "A port that the program wanted is taken.",
        "Another job or program has it: choose another (MASTER_PORT, --port), or 0 for any that is free.",
        said("Address already in use", "EADDRINUSE", "port is already allocated", "Cannot find empty port",
             "server socket has failed to listen"),
    ),
    EndCause(
        "name_unknown", "Host name not found", Weight.SPECIFIC,
        "A host's name was not found: the network or its name server is not reached.",
        f"Check the name and the network of this machine. {_PROXY}",
        found("name or service not known", r"(?:error|failed)\b.*name or service not known")
        + found("name resolution", r"(?:error|failed)\b.*temporary failure in name resolution")
        + said("getaddrinfo failed", "Could not resolve host", "NameResolutionError", "nodename nor servname provided",
               "Failed to resolve '")
        + faint("Temporary failure in name resolution", "Name or service not known"),
    ),
    EndCause(
        "proxy_failed", "Refused by the proxy", Weight.SPECIFIC,
        "The proxy did not let the program through.",
        "Check HTTPS_PROXY and NO_PROXY of the job and in the settings.",
        said("ProxyError", "Proxy Authentication Required", "Tunnel connection failed", "Unable to connect to proxy",
             "CONNECT tunnel failed", "from proxy after CONNECT"),
    ),
    EndCause(
        "tls_failed", "Certificate not accepted", Weight.SPECIFIC,
        "A certificate of the other side was not accepted.",
        "Behind a proxy that opens TLS, give the job its CA bundle: SSL_CERT_FILE, REQUESTS_CA_BUNDLE.",
        said("CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "self-signed certificate",
             "self signed certificate", "SSLCertVerificationError", "x509: certificate")
        + found("sslerror", r"\bSSL(?:EOF|ZeroReturn)?Error\b"),
    ),
    EndCause(
        "hub_gated", "Model or data need approval", Weight.SPECIFIC,
        "A model or data set is only for those who have asked for access.",
        "Ask for access on its page, then give the job your token as a secret (HF_TOKEN).",
        said("GatedRepoError", "Cannot access gated repo", "You must have access to it and be authenticated",
             "is gated. ", "awaiting a review from the repo authors")
        + found("access to", r"Access to (?:model|dataset|this repository) .* is restricted"),
    ),
    EndCause(
        "rate_limited", "Asked a server too often", Weight.SPECIFIC,
        "A server refused because it was asked too often.",
        "Wait and submit again; sign in with a token, or mount the data instead of fetching it with each job.",
        found("429", r"429 (?:Client Error|Too Many)|HTTP(?:Error)? ?429|status(?: code)?:? 429")
        + said("Too Many Requests", "toomanyrequests", "You have reached your pull rate limit"),
    ),
    EndCause(
        "access_denied", "Login not accepted", Weight.SPECIFIC,
        "A server did not accept the job's login, or it has none.",
        "Give the job a token that may do this, as a secret; check that it has not run out.",
        found("401", r"401 (?:Client Error|Unauthorized)|HTTP(?:Error)? ?401|status(?: code)?:? 401|Error.*\b401\b")
        + found("403", r"403 (?:Client Error|Forbidden)|HTTP(?:Error)? ?403|status(?: code)?:? 403|Error.*\b403\b")
        + said("Invalid username or password", "RepositoryNotFoundError", "Invalid user token", "AccessDenied",
               "NoCredentialsError", "Unable to locate credentials", "fatal: Authentication failed",
               "could not read Username", "InvalidAccessKeyId", "SignatureDoesNotMatch")
        + found("is not a local folder", r"is not a local folder and is not a valid model identifier"),
    ),
    EndCause(
        "login_missing", "Login missing", Weight.SPECIFIC,
        "A service that the program reports to wants a login.",
        "Give the job its key as a secret, or switch the service off (WANDB_MODE: offline in env:).",
        said("api_key not configured", "WANDB_API_KEY", "wandb: ERROR", "Please login", "LocalTokenNotFoundError",
             "Token is required"),
    ),
    EndCause(
        "licence_missing", "Licence missing", Weight.SPECIFIC,
        "A program has no licence, or could not reach its licence server.",
        "Give the job the licence's file or server, as the program's own help says.",
        said("license checkout failed", "Failed to check out a license", "No valid license", "license has expired",
             "FLEXnet Licensing error", "LicenseError", "GurobiError: No Gurobi license"),
    ),
    EndCause(
        "mlflow_refused", "Refused by the tracking server", Weight.SPECIFIC,
        "The tracking server refused what the program sent, or did not answer.",
        Hint("mlops-desk doctor", before="Its message says why. If it does not answer, see its state: ", after="."),
        found("restexception", r"RestException") + found("api request to", r"API request to .{0,300}failed"),
    ),
    EndCause(
        "mlflow_error", "MLflow raised an error", Weight.SPECIFIC,
        "MLflow refused what the program asked of it; nothing was sent to the tracking server.",
        "Its message says what is wrong with the call.",
        found("mlflowexception", r"MlflowException(?!: API request to )"),
    ),
    EndCause(
        "download_broken", "Download incomplete", Weight.SPECIFIC,
        "Something that was fetched did not come whole.",
        "Submit the job again; if it comes back, remove the half from the cache that the job uses.",
        said("IncompleteRead", "ChunkedEncodingError", "ContentTooShortError", "NonMatchingChecksumError",
             "NonMatchingSplitsSizesError", "Consistency check failed", "hash mismatch", "early EOF",
             "file hash does not match", "invalid hash value", "THESE PACKAGES DO NOT MATCH THE HASHES"),
    ),
    EndCause(
        "packages_missing", "Package not installed", Weight.SPECIFIC,
        "A package could not be installed.",
        f"Check its name and version; better still, install it in the image. {_PROXY}",
        said("No matching distribution found for", "Could not find a version that satisfies", "ResolutionImpossible",
             "E: Unable to locate package", "metadata-generation-failed", "Failed building wheel for",
             "subprocess-exited-with-error", "PackagesNotFoundError"),
    ),
    EndCause(
        "network_failed", "Network not reached", Weight.SPECIFIC,
        "Another machine or service was not reached.",
        f"Is it up, and is its address right as seen from a container (localhost is the container)? {_PROXY}",
        said("Max retries exceeded with url", "ConnectTimeoutError", "ReadTimeoutError", "NewConnectionError",
             "ConnectionRefusedError", "ConnectTimeout:", "ReadTimeout:", "OfflineModeIsEnabled",
             "LocalEntryNotFoundError", "ClientConnectorError", "ServerDisconnectedError",
             "We couldn't connect to 'https://huggingface.co'")
        + found("network is unreachable", r"(?:error|failed|fatal)\b.*network is unreachable")
        + found("no route to host", r"(?:error|failed|fatal)\b.*no route to host")
        + found("connection timed out", r"(?:error|failed|fatal)\b.*connection timed out")
        + faint("Connection refused", "Connection timed out", "Network is unreachable"),
    ),
    EndCause(
        "connection_reset", "Connection closed by the other end", Weight.CONSEQUENCE,
        "The other end closed a connection.",
        "Mostly something at the other end failed first: look for its error.",
        said("ConnectionResetError", "BrokenPipeError", "Connection reset by peer", "Broken pipe",
             "RemoteDisconnected", "Connection aborted"),
    ),
)  # fmt: skip


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
