"""The bridges that our containers are on, so that none of them reaches another.

On Docker one is shared by all, as its pools of addresses end after some thirty, and is told to carry nothing between
its containers. Podman has no such option (5.4); what it has is networks that are kept from one another, thousands of
them, so there each container gets one of its own, which goes with it. A bridge is made when a container needs it, and
again where a cleaner has taken it; containers of earlier versions stay where they are.
"""

import contextlib
from collections.abc import Mapping
from typing import Any

from mlops_desk.engines.docker.connection import sdk
from mlops_desk.engines.engine import Obstacle
from mlops_desk.engines.security_profile import JOBS_INTERFACE, JOBS_NETWORK, jobs_network
from mlops_desk.kit.base.errors import Hint

_APART = "com.docker.network.bridge.enable_icc"
_OPTIONS = {_APART: "false", "com.docker.network.bridge.name": JOBS_INTERFACE}
_LABEL = "io.mlops-desk.network"
_LABELS = {_LABEL: "jobs"}
_NO_POOL = ("could not find an available", "fully subnetted")
_SUBNETS = ("10.213.0.0/20", "10.87.208.0/20", "172.29.208.0/20")
"""Chosen: for four thousand containers each, in ranges that are for private use (RFC 1918) and seldom begun with."""
_TAKEN = 409  # the engine's word for a name that is given away
_PODMAN_KEEPS_APART = (4, 3)  # its release notes: networks made by Docker's API are isolated since then
_LEFT = {"label": [f"{_LABEL}=jobs"], "until": ["1h"]}
"""What a container that was removed by hand has left; younger ones may wait for their container."""


def ensure(client: Any, container: str) -> None:
    """Make the bridge of a container unless it is there. Raises Obstacle for one that is not ours, and the SDK's."""
    errors = sdk().errors
    name = jobs_network(container, client.dialect)
    try:
        network = client.inspect_network(name)
    except errors.NotFound:
        if client.dialect.shared_bridge:
            _make(client)
        else:
            client.prune_networks(_LEFT)
            _make_own(client, name)
        network = client.inspect_network(name)
    if not (is_apart(network) if client.dialect.shared_bridge else _is_ours(network)):
        text = f"The engine's network {name} lets its containers reach others."
        raise Obstacle("engine_network_open", text, Hint(f"docker network rm {name}", after="    and it is made anew."))


def give_back(client: Any, container: str) -> None:
    """Remove the bridge that a container which is gone had for itself; a shared one stays."""
    if client.dialect.shared_bridge:
        return
    errors = sdk().errors
    name = jobs_network(container, client.dialect)
    with contextlib.suppress(errors.NotFound):
        if _is_ours(client.inspect_network(name)):
            client.remove_network(name)


def keeps_apart(client: Any, version: str) -> bool:
    """Tell whether containers of ours don't reach one another on an engine of ``version``."""
    if not client.dialect.shared_bridge:
        words = version.split(".")[:2]
        return all(word.isdecimal() for word in words) and tuple(map(int, words)) >= _PODMAN_KEEPS_APART
    try:
        return is_apart(client.inspect_network(JOBS_NETWORK))
    except sdk().errors.NotFound:
        return True  # it is made so


def is_apart(network: Mapping[str, Any]) -> bool:
    """Tell of an inspected network whether none of its containers reaches another."""
    options = network.get("Options") or {}
    return network.get("Driver") == "bridge" and str(options.get(_APART, "")).lower() == "false"


def is_missing(said: str, container: str) -> bool:
    """Tell whether the engine says that the bridge of a container is not there."""
    lowered = said.lower()
    return lowered.startswith(f"network {JOBS_NETWORK} not found") or (
        f"{JOBS_NETWORK}-{container}: network not found" in lowered
    )


def _is_ours(network: Mapping[str, Any]) -> bool:
    return network.get("Driver") == "bridge" and (network.get("Labels") or {}).get(_LABEL) == _LABELS[_LABEL]


def _make_own(client: Any, name: str) -> None:
    docker = sdk()
    try:
        client.create_network(name, driver="bridge", labels=_LABELS, check_duplicate=True)
    except docker.errors.APIError as error:
        if error.status_code != _TAKEN:  # else another thread was quicker
            raise


def _make(client: Any) -> None:
    """Make it from the engine's own pools, or from a range of ours where these have ended."""
    docker = sdk()
    for subnet in (None, *_SUBNETS):
        pools = None if subnet is None else [docker.types.IPAMPool(subnet=subnet)]
        ranges = None if pools is None else docker.types.IPAMConfig(pool_configs=pools)
        try:
            client.create_network(
                JOBS_NETWORK, driver="bridge", options=_OPTIONS, ipam=ranges, labels=_LABELS, check_duplicate=True
            )
        except docker.errors.APIError as error:
            if error.status_code == _TAKEN:  # another agent was quicker
                return
            said = str(error.explanation or error).lower()
            last = subnet == _SUBNETS[-1]
            if last or not (subnet is not None or any(mark in said for mark in _NO_POOL)):
                raise
        else:
            return
