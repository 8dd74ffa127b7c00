"""How buildx is called: the words of its command and what it finds in its environment. Pure.

Proxies may hold a login, so their values are in the environment, which others can't read, and the command names them
only. What a person gives a build by name stands in the command: an environment would let them choose what the program
that builds for them loads.
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from mlops_desk.engines.docker.buildkit.workplace import Workplace
from mlops_desk.engines.images import BuildOrder

_PROXIES = frozenset({"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"})
_NO_PROXY = ("no_proxy", "NO_PROXY")
# The program must not outlive the agent, which nobody would hear of: the kernel ends it then.
_WITH_AGENT = ("setpriv", "--pdeathsig", "KILL")
_BUILDER = "default"  # the engine's own BuildKit: what others have set up on this machine is theirs


def version_command(docker: str) -> list[str]:
    """Return the command that tells buildx's version."""
    return [docker, "buildx", "version"]


def build_command(
    docker: str, folder: Path, tag: str, labels: Mapping[str, str], order: BuildOrder, place: Workplace
) -> list[str]:
    """Return the command that builds."""
    words = [*_WITH_AGENT, docker, "buildx", "build", "--builder", _BUILDER, "--progress", "rawjson"]
    # Without attestations, so that an image is what its layers are, and the same on either store of images.
    words += ["--provenance=false", "--sbom=false", "--tag", tag, "--file", str(folder / order.dockerfile)]
    for key, value in labels.items():
        words += ["--label", f"{key}={value}"]
    for key, value in {**order.arguments, **order.values}.items():
        hidden = key in _PROXIES and key not in order.values
        words += ["--build-arg", key if hidden else f"{key}={value}"]
    for name, path in place.secrets.items():
        words += ["--secret", f"id={name},src={path}"]
    if order.target:
        words += ["--target", order.target]
    return [*words, "--", str(folder)]


def build_environment(address: str, order: BuildOrder, place: Workplace, certificates: str) -> dict[str, str]:
    """Return what is added to the environment: which engine, whose settings, and none of the agent's own habits.

    ``certificates`` is the folder of the agent's own for an engine that is reached by TLS.
    """
    proxies = {name: value for name, value in order.arguments.items() if name in _PROXIES}
    host = urlsplit(address).hostname if not address.startswith("unix:") else None
    if host is not None:  # the engine itself is reached directly, as it is by all other calls
        proxies |= {name: ",".join(filter(None, (proxies.get(name, ""), host))) for name in _NO_PROXY}
    return {
        **proxies,
        "DOCKER_HOST": address,
        "DOCKER_CONFIG": str(place.config),
        "DOCKER_CERT_PATH": certificates,
        "DOCKER_CONTEXT": "",
        "DOCKER_DEFAULT_PLATFORM": "",
        "BUILDX_BUILDER": "",
        "BUILDX_CONFIG": "",
        # A repository's own settings could make git run programs, and the folder may hold one.
        "BUILDX_GIT_INFO": "false",
        "BUILDX_GIT_LABELS": "false",
    }
