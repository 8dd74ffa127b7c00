"""The files that start an exported image elsewhere: Compose, a systemd unit, a Quadlet. Pure.

Whatever stands in them is quoted for whoever reads it: a name can neither begin another line nor another word.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml

PORT = 8080  # the image's own
_USER = "65534:65534"
_TEMPORARY = "/tmp:mode=1777"  # noqa: S108 - the container's own
_PIDS = 512  # chosen: libraries of numbers start a thread for each core, several times
_STOP_SECONDS = 10  # the engines' own default
_PING = f"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{PORT}/ping', timeout=4)"
_PING_WORDS = ("python3", "-c", _PING)
_COMPOSE_HEALTH = {
    "test": ["CMD", *_PING_WORDS],
    "interval": "10s",
    "timeout": "5s",
    "retries": 3,
    "start_period": "120s",
}
_BARE = re.compile(r"[A-Za-z0-9_./:=@-]+")
_TEXT = 200  # chosen: a line of a status


@dataclass(frozen=True, slots=True)
class ExportedService:
    """What is started: the endpoint's name, its image, what it serves in words, and its environment."""

    name: str
    image: str
    title: str
    environment: Mapping[str, str] = field(default_factory=dict)


def compose(service: ExportedService) -> str:
    """Return ``compose.yaml``. A dollar is doubled: Compose puts variables in its place."""
    document = {
        "services": {
            service.name: {
                "image": service.image,
                "user": _USER,
                "read_only": True,
                "cap_drop": ["ALL"],
                "security_opt": ["no-new-privileges:true"],
                "pids_limit": _PIDS,
                "tmpfs": [_TEMPORARY],
                "ports": [f"127.0.0.1:{PORT}:{PORT}"],
                "environment": {name: _doubled(value, "$") for name, value in service.environment.items()},
                "labels": {"io.mlops-desk.title": _doubled(service.title[:_TEXT], "$")},
                "healthcheck": _COMPOSE_HEALTH,
                "init": True,
                "restart": "unless-stopped",
                "stop_grace_period": f"{_STOP_SECONDS}s",
            }
        }
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=False)


def systemd(service: ExportedService, engine: str = "/usr/bin/docker") -> str:
    """Return a unit that runs the image by an engine's command."""
    container = f"mlops-desk-{service.name}"
    run = [
        "run", "--rm", "--init", "--name", container, "--user", _USER, "--read-only", "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges", "--pids-limit", str(_PIDS), "--tmpfs", _TEMPORARY,
        "--publish", f"127.0.0.1:{PORT}:{PORT}", "--label", f"io.mlops-desk.title={service.title[:_TEXT]}",
        *(word for name, value in service.environment.items() for word in ("--env", f"{name}={value}")),
        service.image,
    ]  # fmt: skip
    return f"""\
[Unit]
Description={_line(service.title)}
Documentation=https://docs.docker.com/reference/cli/docker/container/run/
After=docker.service
Wants=docker.service

[Service]
ExecStartPre=-{engine} rm --force {_word(container)}
ExecStart={engine} {_words(run)}
ExecStop={engine} stop --time {_STOP_SECONDS} {_word(container)}
Restart=on-failure
RestartSec=2
TimeoutStopSec={_STOP_SECONDS * 2}

[Install]
WantedBy=multi-user.target
"""


def quadlet(service: ExportedService) -> str:
    """Return a ``.container`` file for Podman (podman-systemd.unit(5))."""
    environment = "".join(f"Environment={_word(f'{name}={value}')}\n" for name, value in service.environment.items())
    return f"""\
[Unit]
Description={_line(service.title)}

[Container]
Image={service.image}
ContainerName=mlops-desk-{service.name}
User=65534
Group=65534
ReadOnly=true
DropCapability=all
NoNewPrivileges=true
RunInit=true
PodmanArgs=--pids-limit={_PIDS}
Tmpfs={_TEMPORARY}
PublishPort=127.0.0.1:{PORT}:{PORT}
Label={_word(f"io.mlops-desk.title={service.title[:_TEXT]}")}
{environment}HealthCmd={_health()}
HealthInterval=10s
HealthStartPeriod=120s
HealthRetries=3
Pull=never

[Service]
Restart=on-failure
RestartSec=2
TimeoutStartSec=180

[Install]
WantedBy=default.target
"""


def _health() -> str:
    """Return the check as Podman takes it: a list, as JSON has it, without Docker's CMD before it.

    With that word Podman (5.4, seen) splits the whole text at its blanks, and never finds the container well. The
    Quadlet quotes it by itself.
    """
    return json.dumps(_PING_WORDS)


def _words(words: Sequence[str]) -> str:
    return " ".join(map(_word, words))


def _word(text: str) -> str:
    """Quote one word of a unit's line (systemd.syntax(7), systemd.service(5)): %, $ and quotes mean themselves."""
    if _BARE.fullmatch(text):
        return text
    escaped = "".join(map(_escaped, _doubled(text, "%$")))
    return f'"{escaped}"'


def _escaped(character: str) -> str:
    if character in {'"', "\\"}:
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "replace") if byte)


def _line(text: str) -> str:
    """Return text for a line of its own: what can't be printed is left out, and a specifier is none."""
    shown = "".join(one for one in text[:_TEXT] if one.isprintable()).replace("%", "%%")
    return shown.rstrip("\\") or "An endpoint of MLOps Desk"


def _doubled(text: str, marks: str) -> str:
    return "".join(one * 2 if one in marks else one for one in text)
