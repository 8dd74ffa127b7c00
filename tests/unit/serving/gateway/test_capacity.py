"""What the gateway takes on: never more than it has descriptors and memory for."""

from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.serving.gateway.process import Capacity, fitting


def test_a_common_machine() -> None:
    assert fitting(6528, 256 << 30) == Capacity(2048, 512, 256, 2 << 30, 1024, 256)
    assert fitting(1024, 8 << 30) == Capacity(256, 64, 128, 1 << 30, 128, 32)


@given(st.integers(256, 1 << 20), st.integers(1 << 30, 1 << 44))
@example(256, 1 << 30)
@example(1024, 4 << 30)
def test_two_descriptors_for_each_connection_a_full_queue_and_some_spare(descriptors: int, memory_bytes: int) -> None:
    room = fitting(descriptors, memory_bytes)
    taken = 2 * (room.connections + room.network_connections)
    assert taken + room.backlog + 100 <= descriptors or room.connections == 8
    assert room.network_connections_of_one < room.network_connections <= room.connections // 2
    assert room.connections_of_one < room.connections <= 2048
    assert room.held_bytes <= memory_bytes // 8
