"""Causes: files, folders and disks."""

from collections.abc import Mapping

from mlops_desk.base.errors import Hint
from mlops_desk.base.text import plain
from mlops_desk.jobs.causes.cause import EndCause, Weight, faint, found, said
from mlops_desk.jobs.causes.facts import EndFacts


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
