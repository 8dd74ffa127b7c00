"""Which shell of the machine a container can be given."""

import shutil
import struct
from pathlib import Path

import pytest

from mlops_desk.jobs.records.spec import Mount
from mlops_desk.jobs.runtimes.local.shell import HostShell, Shell, host_shell


def program(path, machine=62, kinds=(1, 1), mode=0o755, order="<", wide=True):
    """Write the beginning of an ELF program with segments of the given kinds (3: wants a dynamic linker)."""
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    if wide:
        head = struct.pack(f"{order}2HI3QI6H", 2, machine, 1, 0, 64, 0, 0, 64, 56, len(kinds), 0, 0, 0)
        rows = b"".join(struct.pack(f"{order}I", kind) + bytes(52) for kind in kinds)
    else:
        head = struct.pack(f"{order}2HI3II6H", 2, machine, 1, 0, 52, 0, 0, 52, 32, len(kinds), 0, 0, 0)
        rows = b"".join(struct.pack(f"{order}I", kind) + bytes(28) for kind in kinds)
    path.write_bytes(ident + head + rows + bytes(64))
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("machine", "architecture", "order", "wide"),
    [
        (62, "amd64", "<", True),
        (183, "arm64", "<", True),
        (22, "s390x", ">", True),
        (3, "386", "<", False),
        (40, "arm", "<", False),
    ],
)
def test_a_static_program_is_known_by_its_architecture(tmp_path, machine, architecture, order, wide):
    path = program(tmp_path / "busybox", machine, order=order, wide=wide)
    assert host_shell([path]) == HostShell(path, architecture)


def test_it_is_mounted_read_only_and_called_as_a_shell():
    shell = HostShell(Path("/usr/bin/busybox"), "amd64").shell()
    mount = Mount("/usr/bin/busybox", "/mlops-desk/busybox", "ro")
    assert shell == Shell(("/mlops-desk/busybox", "sh"), (mount,))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: program(path, kinds=(6, 3, 1)),  # linked to a libc that an image need not have
        lambda path: program(path, machine=9999),
        lambda path: program(path, mode=0o750),  # not for everybody, as which a job may run
        lambda path: program(path, mode=0o754),
        lambda path: program(path, mode=0o751),
        lambda path: path.write_text("#!/bin/sh\n" + "x" * 100),
        lambda path: path.write_bytes(b"\x7fELF"),
        lambda path: program(path, kinds=()),
    ],
)
def test_what_would_not_run_in_every_container_is_passed_over(tmp_path, spoil):
    first, second = program(tmp_path / "first"), program(tmp_path / "second")
    spoil(first)
    assert host_shell([first, second]) == HostShell(second, "amd64")
    assert host_shell([first]) is None


def test_a_link_is_followed_to_the_program(tmp_path):
    path = program(tmp_path / "busybox.static")
    (tmp_path / "busybox").symlink_to(path.name)
    assert host_shell([tmp_path / "busybox"]) == HostShell(path, "amd64")


def test_the_one_of_this_machine_is_found():
    assert shutil.which("busybox", path="/bin:/usr/bin:/usr/local/bin"), "apt-get install busybox-static"
    assert host_shell() is not None
