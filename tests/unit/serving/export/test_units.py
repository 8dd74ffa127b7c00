"""The files that start an exported image: whatever a name or a value holds, it stays one value of one line."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.serving.export.form import repository
from mlops_desk.serving.export.units import ExportedService, compose, quadlet, systemd

HOSTILE = 'Model x\n[Service]\nExecStart=/bin/evil $HOME ${HOME} %h "q\\" \\\n'
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
IMAGE = "mlops-desk-export/front:r1"
NAMES = st.from_regex(r"[a-z0-9](?:[a-z0-9._-]{0,46}[a-z0-9])?", fullmatch=True).filter(lambda name: ".." not in name)
QUADLET = Path("/usr/libexec/podman/quadlet")


def service(title: str, value: str = "1") -> ExportedService:
    return ExportedService("front", IMAGE, title, {"KEY": value})


def words_of(line: str) -> list[str]:
    """Read a line as systemd.syntax(7) says: words, quotes, escapes; doubled %% and $$ are the signs themselves."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|([^\s"]+)', line)
    return [bare or _read(quoted) for quoted, bare in found]


def _read(text: str) -> str:
    data = re.sub(rb"\\x([0-9a-f]{2})|\\(.)", _meant, text.encode())
    once = data.replace(b"$$", b"").replace(b"%%", b"")
    assert b"$" not in once, "a lone one is a variable"
    assert b"%" not in once, "a lone one is a specifier"
    return data.decode().replace("%%", "%").replace("$$", "$")


def _meant(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return bytes([int(escape[1], 16)])
    return b"\n" if escape[2] == b"n" else escape[2]


@given(TEXTS, TEXTS)
@example(HOSTILE, HOSTILE)
@example("$$", "%%")
@example("\u2028", "\u202e")
def test_a_unit_has_the_same_lines_whatever_its_names_hold(title: str, value: str) -> None:
    for write in (systemd, quadlet):
        usual = [line.partition("=")[0] for line in write(service("a")).split("\n")]
        assert [line.partition("=")[0] for line in write(service(title, value)).split("\n")] == usual
        assert not any(line.endswith("\\") for line in write(service(title, value)).split("\n"))
    (start,) = [line for line in systemd(service(title, value)).split("\n") if line.startswith("ExecStart=")]
    words = words_of(start.removeprefix("ExecStart="))
    assert words[words.index("--env") + 1] == f"KEY={value}"
    assert words[words.index("--label") + 1] == f"io.mlops-desk.title={title}"
    assert words[-1] == IMAGE


@given(TEXTS, TEXTS)
@example(HOSTILE, HOSTILE)
def test_compose_reads_every_value_back(title: str, value: str) -> None:
    (found,) = yaml.safe_load(compose(service(title, value)))["services"].values()
    assert found["environment"]["KEY"].replace("$$", "$") == value
    assert found["environment"]["KEY"].count("$") == 2 * value.count("$")
    assert found["labels"]["io.mlops-desk.title"].replace("$$", "$") == title


def test_compose_gives_the_image_no_rights_and_this_machine_alone() -> None:
    (found,) = yaml.safe_load(compose(service("a")))["services"].values()
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert found["user"] == "65534:65534"
    assert found["ports"] == ["127.0.0.1:8080:8080"]
    assert found["healthcheck"]["test"][:2] == ["CMD", "python3"]
    assert "privileged" not in found


@given(NAMES)
@example("a.-b")
@example("a___b")
def test_the_image_of_every_endpoint_has_a_name_that_registries_take(name: str) -> None:
    assert re.fullmatch(r"mlops-desk-export/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*", repository(name))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "mlops-desk-front.service"
    unit.write_text(systemd(service(HOSTILE, HOSTILE), "/bin/true"))
    command = ["systemd-analyze", "verify", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    ours = [line for line in done.stderr.splitlines() if "mlops-desk-front" in line and "docker.service" not in line]
    assert ours == []


@pytest.mark.skipif(not QUADLET.is_file(), reason="there is no Podman")
def test_podman_makes_one_command_of_the_quadlet(tmp_path: Path) -> None:
    (tmp_path / "front.container").write_text(quadlet(service(HOSTILE, "two words")))
    environment = {"QUADLET_UNIT_DIRS": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [str(QUADLET), "-dryrun"], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    made = done.stdout
    (start,) = [line for line in made.splitlines() if line.startswith("ExecStart=")]
    for option in ("--read-only", "--cap-drop all", "--pids-limit=512", "127.0.0.1:8080:8080", '"KEY=two words"'):
        assert option in start
    words = words_of(start.removeprefix("ExecStart="))
    (check,) = [word for word in words if word.startswith("[")]
    assert json.loads(check)[:2] == ["python3", "-c"], "with CMD before it Podman splits it at its blanks"
    assert f"io.mlops-desk.title={HOSTILE}" in words, "it is a label, and no command"
