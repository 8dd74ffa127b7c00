"""A bundle on engines that have never heard of the desk: Docker with Compose itself, and Podman with its own Quadlet.

Both are engines of their own, without an image and without a way out.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.end2end.test_serving_contract import DO
from tests.end2end.test_serving_export_engine import NAME, TAG, bundle  # noqa: F401 - a fixture of the tests below
from tests.gpu_engine import PrivateEngine, can_run, private_engine
from tests.podman_engine import can_run as can_run_podman

pytestmark = [pytest.mark.end2end, pytest.mark.engine]
QUADLET = Path("/usr/libexec/podman/quadlet")
ASK = (
    "import json, sys, urllib.request as u; u.urlopen('http://127.0.0.1:8080/ping', timeout=5);"
    "r = u.Request('http://127.0.0.1:8080/invocations', sys.argv[1].encode(), {'content-type': 'application/json'});"
    "print(u.urlopen(r, timeout=20).read().decode())"
)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[PrivateEngine]:
    reason = can_run()
    if reason is not None and not os.environ.get("CI"):
        pytest.skip(reason)
    with private_engine(0) as made:
        yield made


def patiently(ask: Callable[[], subprocess.CompletedProcess[str]]) -> str:
    """Ask until there is an answer."""
    deadline = time.monotonic() + 240
    while (done := ask()).returncode != 0:
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.5)
    return done.stdout


def said(*command: str, **environment: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="there is no docker-compose")
def test_compose_itself_starts_what_was_loaded_and_finds_it_well(
    request: pytest.FixtureRequest, elsewhere: PrivateEngine
) -> None:
    folder = request.getfixturevalue("bundle")
    inside = ["nsenter", f"--net=/proc/{elsewhere.pid}/ns/net"]
    where = {"DOCKER_HOST": elsewhere.address}
    assert TAG in said("sh", str(folder / "verify.sh"), **where)
    compose = ["docker-compose", "-f", str(folder / "compose.yaml"), "-p", "elsewhere"]
    said(*compose, "up", "-d", "--no-build", "--pull", "never", **where)
    try:
        asked = [*inside, sys.executable, "-c", ASK, json.dumps(DO)]
        answer = patiently(lambda: subprocess.run(asked, capture_output=True, text=True, timeout=600, check=False))
        assert json.loads(answer) == {"predictions": ["a"]}
        (name,) = said("docker", "ps", "--format", "{{.Names}}", **where).split()
        is_well = "{{.State.Health.Status}}"
        deadline = time.monotonic() + 240
        while said("docker", "inspect", "-f", is_well, name, **where).strip() != "healthy":
            assert time.monotonic() < deadline
            time.sleep(0.5)
        (facts,) = json.loads(said("docker", "inspect", name, **where))
        config = facts["HostConfig"]
        assert (config["ReadonlyRootfs"], config["CapDrop"], facts["Config"]["User"]) == (True, ["ALL"], "65534:65534")
        assert list(config["PortBindings"].values()) == [[{"HostIp": "127.0.0.1", "HostPort": "8080"}]]
    finally:
        said(*compose, "down", **where)


@pytest.fixture(scope="module")
def podman_alone() -> Iterator[Path]:
    """A folder of programs in which Podman is the only engine; it keeps everything in a folder of its own."""
    reason = can_run_podman()
    if reason is not None and not os.environ.get("CI"):
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="mlops-desk-test-podman-"))
    (folder / "bin").mkdir()
    for name in ("sh", "dirname", "ssh-keygen", "sha256sum", "wc", "find", "sed", "uname"):
        (folder / "bin" / name).symlink_to(str(shutil.which(name)))
    options = (
        f"--root {folder}/root --runroot {folder}/run --cgroup-manager cgroupfs --runtime runc --events-backend file"
    )
    command = f'#!/bin/sh\nexec {shutil.which("podman")} {options} --tmpdir {folder}/tmp "$@"\n'
    (folder / "bin" / "podman").write_text(command)
    (folder / "bin" / "podman").chmod(0o755)
    yield folder / "bin"
    subprocess.run([folder / "bin" / "podman", "rm", "-af", "-t", "1"], capture_output=True, check=False)
    subprocess.run(["umount", "-q", f"{folder}/root/overlay"], check=False)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif(not QUADLET.is_file(), reason="there is no Podman")
def test_podman_loads_it_and_runs_what_its_quadlet_makes(
    request: pytest.FixtureRequest, podman_alone: Path, tmp_path: Path
) -> None:
    folder = request.getfixturevalue("bundle")
    done = subprocess.run(
        ["sh", str(folder / "verify.sh")], capture_output=True, text=True, timeout=300, check=False,
        env={"PATH": str(podman_alone), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert TAG in done.stdout
    shutil.copy(folder / f"mlops-desk-{NAME}.container", tmp_path)
    made = said(str(QUADLET), "-dryrun", QUADLET_UNIT_DIRS=str(tmp_path))
    (start,) = re.findall(r"^ExecStart=\S+ (run .*)$", made, re.MULTILINE)
    words = shlex.split(start.replace("%%", "%").replace("$$", "$"))
    # What needs systemd and its network is left out; all that says how the image is run stays.
    words = [word for word in words if not word.startswith(("--cidfile", "--sdnotify", "--cgroups", "--replace"))]
    at = words.index("--publish") if "--publish" in words else -1
    assert at > 0, words
    words[at : at + 2] = ["--network", "none"]
    name = words[words.index("--name") + 1]
    podman = str(podman_alone / "podman")
    said(podman, *words)
    try:
        asked = [podman, "exec", name, "python3", "-c", ASK, json.dumps(DO)]
        answer = patiently(lambda: subprocess.run(asked, capture_output=True, text=True, timeout=600, check=False))
        assert json.loads(answer) == {"predictions": ["a"]}
        assert said(podman, "exec", name, "id", "-u").strip() == "65534"
        said(podman, "healthcheck", "run", name)
    finally:
        subprocess.run([podman, "rm", "-f", "-t", "1", name], capture_output=True, check=False)
