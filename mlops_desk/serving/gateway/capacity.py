"""How much the gateway takes on, by what this process and this machine can give. A request it refuses is answered."""

import os
import resource
from dataclasses import dataclass

_MOST_CONNECTIONS = 2048
"""A connection costs some 30 KiB, and the sweep over all of them a few milliseconds a second."""
_SHARE_OF_ONE = 4  # of the connections one peer may have: three others always find room
_SHARE_OF_NETWORK = 2
"""From other machines come half as many again, counted by themselves: they never take a place on loopback."""
_BACKLOG = 256
"""asyncio accepts as many at a time before it is seen who they are."""
_SPARE_DESCRIPTORS = 128
"""For logs, spools, Parquet and the event loop."""
_MOST_DESCRIPTORS = 2 * (_MOST_CONNECTIONS + _MOST_CONNECTIONS // _SHARE_OF_NETWORK) + _BACKLOG + _SPARE_DESCRIPTORS
_MOST_HELD_BYTES = 2 << 30  # chosen: the trainings beside it need the memory more
_SHARE_OF_MEMORY = 8  # chosen: the gateway is a guest beside trainings


@dataclass(frozen=True, slots=True)
class Capacity:
    """Connections in all and of one peer, how many wait to be accepted, and bytes of bodies and answers in memory.

    ``network_connections`` are those from other machines, beside the others.
    """

    connections: int
    connections_of_one: int
    backlog: int
    held_bytes: int
    network_connections: int
    network_connections_of_one: int


def capacity() -> Capacity:
    """Raise this process's limit on descriptors as far as it needs and may, and return what it can take on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_MOST_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return fitting(max(soft, enough) if soft != resource.RLIM_INFINITY else _MOST_DESCRIPTORS, memory)


def fitting(descriptors: int, memory_bytes: int) -> Capacity:
    """Return what can be taken on with so many descriptors: each connection may need a second one, to a replica."""
    backlog = min(_BACKLOG, descriptors // 8)
    each = 2 + 2 // _SHARE_OF_NETWORK
    connections = max(8, min(_MOST_CONNECTIONS, (descriptors - backlog - _SPARE_DESCRIPTORS) // each))
    network = connections // _SHARE_OF_NETWORK
    held_bytes = min(_MOST_HELD_BYTES, memory_bytes // _SHARE_OF_MEMORY)
    shares = (max(4, connections // _SHARE_OF_ONE), max(2, network // _SHARE_OF_ONE))
    return Capacity(connections, shares[0], backlog, held_bytes, network, shares[1])
