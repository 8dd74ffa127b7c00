"""A real PostgreSQL of a test's own: Debian's, in a folder of its own, on a socket and a port of the loopback address.

It runs as an unprivileged user (it refuses root). Where it isn't installed the tests are left out; in CI they fail.
"""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

PASSWORD = "not a secret: %/@:"


class PostgresServer:
    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    def uri(self, database: str, scheme: str = "postgresql", password: str | None = None) -> str:
        from urllib.parse import quote

        return f"{scheme}://desk:{quote(password or PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"

    def new_database(self, template: str | None = None, language: str | None = None) -> str:
        """Make an empty database, or a copy of one that nobody uses, and return its name.

        ``language``: texts are sorted as there (en-US), not by their code points.
        """
        import psycopg

        name = f"d{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.uri("postgres"), autocommit=True) as connection:
            sorting = f" LOCALE_PROVIDER icu ICU_LOCALE '{language}'" if language else ""
            base = template or ("template0" if language else "template1")
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {base}{sorting}".encode())
        return name


def programs() -> Path | None:
    """Where Debian keeps the programs of the newest PostgreSQL there is."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a server; it is ended, and its folder removed, in the end."""
    bin_folder = programs()
    if bin_folder is None:
        message = "PostgreSQL (Debian's package postgresql) is not installed here"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    user = unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="mlops-desk-pg-"))
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir(mode=0o700)
    secret = folder / "password"
    secret.write_text(PASSWORD)
    if user is not None:
        for path in (folder, data, secret):
            os.chown(path, user.pw_uid, user.pw_gid)
    as_user = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def run(*words: object) -> None:
        ran = subprocess.run([str(word) for word in words], cwd=folder, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
                             capture_output=True, text=True, timeout=600, check=False, **as_user)  # fmt: skip
        assert ran.returncode == 0, f"{ran.stdout[-1000:]}\n{ran.stderr[-2000:]}"

    try:
        run(bin_folder / "initdb", "-D", data, "-U", "desk", "--pwfile", secret, "-A", "scram-sha-256", "-E", "UTF8",
            "--no-sync")  # fmt: skip
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c shared_buffers=64MB"
        run(bin_folder / "pg_ctl", "-D", data, "-w", "-t", "60", "-l", folder / "log", "-o", options, "start")
        try:
            yield PostgresServer(folder, port)
        finally:
            run(bin_folder / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def unprivileged() -> pwd.struct_passwd | None:
    """Return who it runs as where we are root, None where we are somebody already."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]
