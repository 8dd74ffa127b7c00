"""The bridge that our containers share on a Docker engine, on which none of them reaches another.

One for all, as the pools of addresses from which an engine makes networks end after some thirty. It is made when the
first container needs it, and again where a cleaner has taken it; containers of earlier versions stay where they are.
"""

from typing import Any

from mlops_desk.base.errors import Hint
from mlops_desk.engines.docker.connection import sdk
from mlops_desk.engines.engine import Obstacle
from mlops_desk.engines.profile import JOBS_INTERFACE, JOBS_NETWORK

_APART = "com.docker.network.bridge.enable_icc"
_OPTIONS = {_APART: "false", "com.docker.network.bridge.name": JOBS_INTERFACE}
_LABELS = {"io.mlops-desk.network": "jobs"}
_NO_POOL = ("could not find an available", "fully subnetted")
_SUBNETS = ("10.213.0.0/20", "10.87.208.0/20", "172.29.208.0/20")
"""Chosen: for four thousand containers each, in ranges that are for private use (RFC 1918) and seldom begun with."""
_TAKEN = 409  # the engine's word for a name that is given away


def ensure(client: Any) -> None:
    """Make the bridge unless it is there. Raises Obstacle for one that is not ours, and errors of the SDK."""
    errors = sdk().errors
    try:
        network = client.inspect_network(JOBS_NETWORK)
    except errors.NotFound:
        _make(client)
        network = client.inspect_network(JOBS_NETWORK)
    if not is_apart(network):
        text = f"The engine's network {JOBS_NETWORK} lets its containers reach one another."
        raise Obstacle(
            "engine_network_open", text, Hint(f"docker network rm {JOBS_NETWORK}", after="    and it is made anew.")
        )


def keeps_apart(client: Any) -> bool:
    """Tell whether containers on the bridge don't reach one another; one that is not there yet is made so."""
    try:
        return is_apart(client.inspect_network(JOBS_NETWORK))
    except sdk().errors.NotFound:
        return True


def is_apart(network: Any) -> bool:
    """Tell of an inspected network whether none of its containers reaches another."""
    options = network.get("Options") or {}
    return network.get("Driver") == "bridge" and str(options.get(_APART, "")).lower() == "false"


def is_missing(said: str) -> bool:
    """Tell whether the engine says that the bridge is not there."""
    return said.lower().startswith(f"network {JOBS_NETWORK} not found")


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
