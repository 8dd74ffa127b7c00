"""GPG keys made on the spot, in a home of their own and on a clock of their own; what they sign git signs by them."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path


class GpgKeys:
    """A person's own gpg, with whatever keys are made in it."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="gpg-", dir="/tmp"))  # a socket's path is short
        self.home.chmod(0o700)

    def close(self) -> None:
        subprocess.run(["gpgconf", "--kill", "all"], env=self._environment(), check=False, timeout=600)
        shutil.rmtree(self.home, ignore_errors=True)

    def run(self, *words: str, given: bytes = b"", at: str | None = None) -> bytes:
        """Run gpg, at the time ``at`` if one is given, and return what it prints."""
        clock = () if at is None else ("--faked-system-time", f"{at}!")
        command = ["gpg", "--batch", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "", *clock, *words]
        done = subprocess.run(
            command, input=given, check=False, env=self._environment(), capture_output=True, timeout=600
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def make(self, name: str, expires: str = "never", at: str | None = None) -> str:
        """Make a key of ``name``, and return its fingerprint."""
        self.run("--quick-gen-key", name, "ed25519", "cert,sign", expires, at=at)
        return self.fingerprints(name)[0]

    def fingerprints(self, name: str) -> list[str]:
        """Return the fingerprints of a key and of its subkeys, in this order."""
        listed = self.run("--with-colons", "--list-keys", name).decode().splitlines()
        return [line.split(":")[9] for line in listed if line.startswith("fpr:")]

    def revoke(self, fingerprint: str) -> None:
        """Revoke a key, by what gpg has laid by for that."""
        text = (self.home / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text()
        self.run("--import", given=text.replace(":-----BEGIN", "-----BEGIN").encode())

    def public(self, *names: str) -> str:
        """Return keys as people hand them on."""
        return self.run("--armor", "--export", *names).decode()

    def program(self, *options: str) -> Path:
        """Return a program that is this gpg, as git's gpg.program."""
        path = self.home / f"gpg-{len(list(self.home.glob('gpg-*')))}"
        path.write_text(f'#!/bin/sh\nGNUPGHOME={self.home} exec gpg --batch --no-tty {" ".join(options)} "$@"\n')
        path.chmod(0o755)
        return path

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "GNUPGHOME": str(self.home), "LC_ALL": "C"}
