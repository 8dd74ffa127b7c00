"""Tells why a job was not started, from what its engine said of it: the first row of the table that fits. Pure."""

import re
from dataclasses import dataclass

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import plain


# Why a job was not started, as engines say it: a row for each cause, with what to do next.
# The texts are those of Docker and Podman, of runc and crun (tests/unit/runtimes/start_failures/said.json
# has them as they were written). What stands in quotes is left out of what is searched: there engines repeat the
# job's own words, a command or a path, which could say anything.
@dataclass(frozen=True, slots=True)
class StartFailure:
    """``said`` (a pattern) is looked for in what the engine said; what it quotes is ``""`` there.

    ``named`` finds in the whole text what ``text`` names as ``{name}``, its first group's name; ``otherwise`` stands
    there where nothing is found.
    """

    class_: str
    title: str
    said: str
    text: str
    hint: str
    named: str | None = None
    otherwise: str = "the engine does not name it"


FAILURES = (
    StartFailure(
        "start_memory_limit", "Too little memory to start",
        r"minimum memory|unable to set memory limit|container init was oom-killed|memory limit too low",
        "The job's container can't start with as little memory as it may use.",
        "Give it more with resources: {memory: ...}; what starts a container takes some 20 MiB itself.",
    ),
    StartFailure(
        "start_user_unknown", "User not in the image",
        r"unable to find (?:user|group)|no matching entries in|uids and gids must be",
        "The user or group {name} is not known in the image.",
        "Use an image without a USER line, or one whose user is in its /etc/passwd.",
        r"unable to find (?:user|group) (?P<name>[^:]+):", "that the container is to run as",
    ),
    StartFailure(
        "start_workdir", "Working folder not usable",
        r"\bchdir to\b|cwd must be|working directory \S* ?is invalid|workdir|container init: mkdir \S*:",
        "The folder in which the command is to begin can't be used: {path}.",
        "See the image's WORKDIR, and source: target: in the job file; it must be a folder that the job may enter.",
        r"(?:chdir to|mkdir|directory|workdir)(?: cwd)? [\"'(\x60]?(?P<path>[^\"'\x60): ]+)",
    ),
    StartFailure(
        "start_port_taken", "Port taken",
        r"address already in use|port is already allocated",
        "A port of the job is taken on this machine: {port}.",
        Hint("ss -ltnp", before="See who has it: ", after=". End that program, or submit the job again."),
        r"[\d.\]]+:(?P<port>\d+)(?::| failed)",
    ),
    StartFailure(
        "start_gpu", "GPUs not handed over",
        r"nvidia-container|nvidia-ctk|\bcdi\b",
        "The GPUs could not be put into the job's container.",
        Hint("mlops-desk doctor", before="See the toolkit, its CDI files and the driver: ", after="."),
    ),
    StartFailure(
        "start_device", "Device file missing",
        r"gathering device information|stat /dev/|mknod|unable to find device",
        "A device file that the container is to have is not there: {path}.",
        Hint("mlops-desk doctor", before="See whether driver and toolkit are whole: ", after="."),
        r"(?P<path>/dev/[^\s\":]+)",
    ),
    StartFailure(
        "start_command_missing", "Command not in the image",
        r'executable file (?:"" )?not found|exec: "": (?:stat|lstat) |command that was not found|lookup "".*not found',
        "The command {command} is not in the image.",
        "Check command: in the job file, and the image's PATH and ENTRYPOINT.",
        r"(?:exec: |executable file )[\"\x60](?P<command>[^\"\x60]+)", "that the job begins with",
    ),
    StartFailure(
        "start_wrong_architecture", "Built for another processor",
        r"exec format error|does not match the (?:specified|expected) platform",
        "The program was built for another kind of processor.",
        "Use an image, or build the program, for the kind of processor that this machine has.",
    ),
    StartFailure(
        "start_not_executable", "Command not executable",
        r'exec: "": (?:permission denied|is a directory)|"" (?:exists but it )?is not (?:executable|a regular file)',
        "The command {command} is there but can't be executed.",
        "Make it executable (chmod +x) with a first line like #!/bin/sh; or start it by its interpreter.",
        r"(?:exec: |the path )[\"\x60](?P<command>[^\"\x60]+)", "of the job",
    ),
    StartFailure(
        "start_mount_misfit", "A mount does not fit",
        r'directory onto a file|mount "" to "": not a directory|mounting "".*(?:not a directory|read-only file system)'
        r'|mounting "".*inside /proc|duplicate mount',
        "A mount does not fit where it is to be: {path}.",
        "A folder can't be mounted on a file nor a file on a folder, nothing below a mount that is read only, and no"
        " two mounts at one place: correct mounts: in the job file.",
        r"rootfs at \"(?P<path>[^\"]+)|to \x60(?P<at>[^\x60]+)|mount (?:point|destination): (?P<twice>\S+)"
        r"|(?P<also>/\S+): duplicate",
    ),
    StartFailure(
        "start_mount_missing", "Mounted folder missing",
        r'source path does not exist|statfs \S+: no such file|(?:mounting|mount|cannot stat) "".*no such file'
        r"|invalid mount path",
        "A folder that the job mounts is not there: {path}.",
        "Was it moved, or is its disk or share not mounted now? Correct mounts: in the job file, or bring it back.",
        r"does not exist: (?P<path>\S+)|statfs (?P<at>[^:]+):|mounting \"(?P<of>[^\"]+)"
        r"|(?:mount|stat) \x60(?P<on>[^\x60]+)",
    ),
    StartFailure(
        "start_mount_closed", "Mounted folder closed",
        r'(?:mounting|mount|cannot stat) "".*(?:permission denied|operation not permitted|stale file|endpoint is not)'
        r"|statfs \S+: (?:permission denied|transport endpoint|stale file)",
        "The engine may not open a folder that the job mounts: {path}.",
        "A share that keeps root out (NFS root_squash, FUSE without allow_other) does this: mount it otherwise, or"
        " set stage: true on the mount, so that a copy is used.",
        r"mounting \"(?P<path>[^\"]+)|(?:mount|stat) \x60(?P<at>[^\x60]+)|statfs (?P<on>[^:]+):",
    ),
    StartFailure(
        "start_confinement", "Can't be confined",
        r"apparmor|seccomp|selinux|relabel|unknown capability|security-opt|setxattr|no_?new_?priv",
        "The engine can't confine the job as it is meant to be (AppArmor, SELinux, seccomp, capabilities).",
        Hint("sudo journalctl -u docker -n 50", before="See what it lacks: ", after="; its kernel or its profiles."),
    ),
    StartFailure(
        "start_file_limit", "Limit of open files",
        r"r?limit (?:type|option)|setrlimit|rlimits",
        "The engine may not give the job as many open files as its profile says.",
        "Raise LimitNOFILE of the engine's service; without root, nofile of this user in /etc/security/limits.conf.",
    ),
    StartFailure(
        "start_cpus", "More CPUs than there are",
        r"range of cpus is from|cpus are not available|memory nodes are not available|cpuset",
        "The job asks for more CPUs than this machine has.",
        "Ask for fewer with resources: {cpus: ...}.",
    ),
    StartFailure(
        "start_no_room", "Engine's disk takes no more",
        r"disk quota exceeded|no free inodes",
        "The disk of the engine takes nothing more: a quota or its inodes are used up.",
        Hint("df -i", before="See which: ", after=", and quota -s."),
    ),
    StartFailure(
        "start_machine_full", "Machine is full",
        r"cannot allocate memory|resource temporarily unavailable|too many open files",
        "The machine has no memory, processes or open files left to start a container with.",
        Hint("free -h", before="See who takes it: ", after=", and the Host page. Submit the job again then."),
    ),
    StartFailure(
        "start_name_taken", "Name taken by a container",
        r"name .*already in use|another container has that name",
        "A container that is not this job's has the name that it needs.",
        Hint("docker ps -a", before="See whose it is: ", after=". Remove it if it is not needed."),
    ),
    StartFailure(
        "start_network_tool", "Network tool missing",
        r"unable to execute nft|could not find \W?(?:netavark|aardvark-dns|pasta|slirp4netns)",
        "Podman could not make the job's network: {tool} is missing on this machine.",
        Hint("sudo apt-get install nftables netavark aardvark-dns passt",
             before="Podman only recommends what its networks need: ", after=". Submit the job again then."),
        r"unable to execute (?P<tool>nft)|could not find \W?(?P<helper>[\w-]+)",
        "a program of its networks",
    ),
    StartFailure(
        "start_network", "No network for the container",
        r"network \S* ?not found|network with name|failed to create endpoint|netavark|iptables|nftables|veth"
        r"|programming external connectivity|cannot listen on|address pool",
        "The engine could not connect the job's container to its network.",
        Hint("sudo systemctl restart docker", before="A firewall that was reloaded does this. Mends it: ",
             after="    (without live-restore it ends running containers)"),
    ),
    StartFailure(
        "start_image_damaged", "Image damaged",
        r"layer does not exist|mount overlay|overlay mount|register layer|image not known|no such image"
        r"|input/output error|structure needs cleaning|getting rootfs",
        "The engine can't lay out the files of the job's image.",
        "Remove the image and pull or build it again. If others fail as well, the engine's disk is damaged: see dmesg.",
    ),
    StartFailure(
        "start_runtime", "Part of the engine missing",
        r"runtime name|shim|containerd|conmon|hybrid mode|oci runtime \"\" not found|dial unix",
        "A part of the engine that runs containers is missing, or does not answer.",
        Hint("sudo systemctl status docker containerd", before="See their state: ",
             after="; a reinstall of the engine brings back what is missing."),
    ),
    StartFailure(
        "start_cgroup", "Control groups not usable",
        r"cgroup",
        "The engine can't hold the job to its limits: the kernel's control groups are not as it needs them.",
        Hint("mlops-desk doctor", before="See what the engine can: ", after=". After an update, restart the machine."),
    ),
    StartFailure(
        "start_arguments", "Command or variable refused",
        r"argument list too long|invalid (?:environment )?variable",
        "The job's command or environment is longer than the kernel takes, or has a name that it does not take.",
        "Put long values into a file below the job's source or a mount.",
    ),
    StartFailure(
        "start_ended_at_once", "Ended before it began",
        r"start a container that has stopped",
        "The container's first process ended before it was started.",
        "Mostly too little memory (resources: {memory: ...}), or a seccomp profile that allows nothing.",
    ),
    StartFailure(
        "start_slow", "Engine too slow",
        r"context deadline exceeded|context canceled|timed? ?out",
        "The engine's own parts did not answer one another in time.",
        "The machine may be overloaded: submit the job again, or set retries: {start_failed: 2}.",
    ),
    StartFailure(
        "start_option_refused", "Setting refused by the engine",
        r"invalid |not allowed|not supported|supported only|unknown ",
        "The engine does not take one of the settings that the job's container is made with.",
        Hint("mlops-desk doctor", before="Is it a version that the desk supports? "),
    ),
)  # fmt: skip


START_FAILED = "start_failed"
"""The word for every one of them, by which retries may name it as well."""
START_CLASSES = frozenset(failure.class_ for failure in FAILURES)

_EVIDENCE_LIMIT = 1000  # chosen: the engine quotes the runtime, which may quote all of a command
_TAIL = 400  # chosen: what is wrong stands last, behind whatever is quoted
_NAME_LIMIT = 200  # chosen: as long as any name here; a path may have 4,096 characters
_SEARCHED = 1 << 16  # chosen: many times the longest path; an engine may repeat a whole command, of up to 128 KiB
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\x60[^\x60]*\x60', re.DOTALL)
_HANDED_ON = re.compile(
    r"^(?:failed to create task for container: |failed to create shim task: |OCI runtime (?:create|start) failed: "
    r"|(?:runc|crun)(?: create| start)?(?: failed)?: |container create: |fill out specgen: )+"
)
_SAID = tuple(re.compile(failure.said, re.IGNORECASE | re.DOTALL) for failure in FAILURES)
_NAMED = tuple(None if failure.named is None else re.compile(failure.named, re.IGNORECASE) for failure in FAILURES)


def start_failure(said: str, hint: str | None = None) -> Reason:
    """Return why an engine did not start a job; ``said`` is all that it said, ``hint`` what else is known to help."""
    whole = said.strip()
    own = _HANDED_ON.sub("", whole) or whole
    evidence = _quoted(own)
    begin = own[:_SEARCHED]
    for searched in (_QUOTED.sub('""', begin), begin):  # old engines put all that they say in quotes
        for failure, pattern, named in zip(FAILURES, _SAID, _NAMED, strict=True):
            if pattern.search(searched):
                key, name = _name(failure, own, named)
                told = failure.hint if isinstance(failure.hint, Hint) else failure.hint.replace(key, name)
                return Reason(failure.class_, failure.text.replace(key, name), evidence, told, title=failure.title)
    return Reason(START_FAILED, "The engine did not start the job.", evidence, hint, title="Not started by the engine")


def _quoted(own: str) -> str:
    """Quote what an engine said; of what is long both ends."""
    if len(own) <= _EVIDENCE_LIMIT:
        return plain(own, _EVIDENCE_LIMIT)
    return f"{plain(own, _EVIDENCE_LIMIT - _TAIL)} {plain(own[-_TAIL:], _TAIL)}"


def _name(failure: StartFailure, own: str, named: re.Pattern[str] | None) -> tuple[str, str]:
    """Return what is to be replaced and by what; whichever group of the pattern was found names the thing."""
    if named is None:
        return "{}", "{}"
    match = named.search(own)
    found = None if match is None else next((value for value in match.groups() if value), None)
    return f"{{{next(iter(named.groupindex))}}}", plain(found, _NAME_LIMIT) if found else failure.otherwise
