"""A clean Debian system in a folder, to try there what a person with a fresh machine would do.

Made by mmdebstrap and entered by chroot in name spaces of its own: when the command ends, so does
everything that it started, and nothing stays mounted. Needs root. The network settings of this
machine (certificate file, proxies, package index) are handed in, since a clean system cannot know them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Argument = TypeVar("Argument")
SUITE = "trixie"
MAKE_SECONDS = 900
SETTINGS = {
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT",
    "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_HTTP_TIMEOUT",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
}  # fmt: skip
CERTIFICATE_FILES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")
SETTINGS_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/uv/uv.toml")
APT_SETTINGS = ("Acquire::http::", "Acquire::https::", "Acquire::Check-", "Acquire::Retries")
# Not where Debian keeps its own, which the package ca-certificates writes anew.
CERTIFICATES_INSIDE = "/etc/certificates-of-the-host.pem"
# Runs as the first process of the new name spaces: mounts, then the command inside. It stays there,
# as root, since a process that changes its user is no longer ended with its parent, and since an
# X server tells nothing to a parent that is process 1.
ENTER = """
set -eu
root=$1; user=$2; folder=$3; shift 3
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
chroot --userspec="$user" "$root" /bin/sh -c 'cd "$0" && exec "$@"' "$folder" "$@"
"""


class InsideError(Exception):
    """A command in the clean system ended with something else than 0."""

    def __init__(self, command: Sequence[str], code: int, output: str) -> None:
        super().__init__(f"in the clean system, `{' '.join(command)}` failed (exit {code})\n{output}")
        self.code = code


class CleanRoot:
    """One clean system in the folder `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self, base: Path) -> None:
        """Copy the system in `base`, which is made first where it does not exist yet."""
        base.parent.mkdir(parents=True, exist_ok=True)
        with base.with_name(f"{base.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two trials at once make it once
            if not base.exists():
                _make_base(base)
        self.remove()
        subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(self.path)], check=True, timeout=300)
        for name in SETTINGS_FILES:
            if Path(name).is_file():
                self.put(Path(name), name)
        certificates = _certificates()
        if certificates:
            self.put(certificates, CERTIFICATES_INSIDE)

    def remove(self) -> None:
        if self.path.exists():
            shutil.rmtree(self.path)

    def put(self, source: Path, target: str) -> None:
        """Copy a file or a folder to the path `target` of the clean system."""
        inside = self.path / target.lstrip("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, inside, symlinks=True)
        else:
            shutil.copyfile(source, inside)

    def run(
        self,
        command: Sequence[str],
        *,
        user: str = "root",
        folder: str = "/",
        env: Mapping[str, str] | None = None,
        timeout_seconds: float = 600,
        capture: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside as `user`; raises InsideError where it does not end with 0."""
        enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--"]
        done = subprocess.run(
            [*enter, "/bin/sh", "-c", ENTER, "enter", str(self.path), f"{user}:{user}", folder, *command],
            env=_environment(user, env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if capture else None,
            check=False,
            text=True,
            timeout=timeout_seconds,
        )
        if done.returncode:
            raise InsideError(command, done.returncode, done.stdout or "")
        return done

    def install(self, *packages: str) -> None:
        """Install Debian packages (names, or paths inside that start with /)."""
        self.run(["apt-get", "update", "-qq"])
        options = ["-y", "-qq", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0"]
        self.run(["apt-get", "install", *options, *packages], capture=True)

    def add_person(self, name: str) -> None:
        """An ordinary user with a home folder."""
        self.run(["useradd", "--create-home", "--shell", "/bin/sh", name])


def ended(trial: Callable[[Argument], int], argument: Argument) -> int:
    """A trial's exit code: what failed inside is said in a sentence, without a traceback."""
    try:
        return trial(argument)
    except (InsideError, subprocess.SubprocessError) as error:
        print(f"FAILED: {error}", flush=True)
        return 1


def _certificates() -> Path | None:
    """The file of certificates that this machine's environment names, if it names one."""
    named = (Path(os.environ[name]) for name in CERTIFICATE_FILES if os.environ.get(name))
    return next((path for path in named if path.is_file()), None)


def _make_base(base: Path) -> None:
    settings = base.parent / "apt-settings.conf"
    settings.write_text(_apt_settings())
    unfinished = base.with_name(base.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--aptopt={settings}", SUITE, str(unfinished)]
    subprocess.run(command, check=True, timeout=MAKE_SECONDS, stdin=subprocess.DEVNULL)
    unfinished.rename(base)


def _apt_settings() -> str:
    """How this machine reaches its mirror: proxies, retries, and whether dates are checked."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True, timeout=60).stdout
    return "".join(f"{row}\n" for row in dump.splitlines() if row.startswith(APT_SETTINGS))


def _environment(user: str, extra: Mapping[str, str]) -> dict[str, str]:
    handed_in = {name: value for name, value in os.environ.items() if name in SETTINGS}
    certificates = dict.fromkeys(CERTIFICATE_FILES, CERTIFICATES_INSIDE) if _certificates() else {}
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root" if user == "root" else f"/home/{user}",
        "USER": user,
        "LANG": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        **handed_in,
        **certificates,
        **extra,
    }
