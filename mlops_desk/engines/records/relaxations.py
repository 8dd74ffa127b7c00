"""The points of the hardened profile that a person may relax for a job, by name, and what each opens.

None gives a job another one's processes, network, devices or files: whatever else is asked for stays closed.
"""

from collections.abc import Mapping

WRITABLE_ROOT = "writable_root"
EXEC_TMP = "exec_tmp"
SECCOMP = "seccomp"
MORE_PROCESSES = "more_processes"
LAN_PORTS = "lan_ports"

OPENS: Mapping[str, str] = {
    WRITABLE_ROOT: "the container's own files can be changed, as by a program that installs packages into the image",
    EXEC_TMP: "programs and libraries can be run from /tmp, as compilers at run time want it",
    SECCOMP: "the kernel's rare system calls can be made, as profilers need them (perf_event_open)",
    MORE_PROCESSES: "ten times as many processes and threads can be started",
    LAN_PORTS: "its ports can be reached from other machines, past the firewall's own rules",
}
"""What each point opens, for whoever decides about it."""
