"""The way in from other machines by IPv6: on one address, or on all of them for callers of IPv4 as well."""

import os
import ssl

import pytest

from mlops_desk.serving.gateway.inbound.network import NetworkPeers
from mlops_desk.serving.gateway.routes import NetworkState
from tests.unit.serving.gateway.outside import NAMES, Outside, free_port, from_outside, identity

SIX = (*NAMES, "::1", "fd00::5")


async def listening(world: Outside, address: str) -> None:
    """Have it listen at ``address``, by a certificate for that too."""
    world.route(await world.replica())
    await world.listen(free_port(), identity(world.folder / "tls", SIX), SIX, address)
    state = world.told[-1]
    assert state is not None
    assert (state.address, state.error) == (address, None)


async def status(world: Outside, host: str, address: str, name: str) -> int:
    """Ask at ``address``, whose certificate has to be for ``name``, for ``host``."""
    asked = world.request().replace(f"host: 127.0.0.1:{world.port}".encode(), f"host: {host}".encode())
    return (await (await world.dial(name=name, address=address)).ask(asked)).status


@pytest.mark.parametrize("at", ["::1", "::"])
def test_it_is_asked_by_its_address_in_brackets_and_its_certificate_is_for_that(at: str) -> None:
    async def scenario(world: Outside) -> None:
        await listening(world, at)
        for host in (f"[::1]:{world.port}", "[::1]", "[0:0:0:0:0:0:0:1]:1", "[FD00:0::5]", "desk.lab"):
            assert await status(world, host, "::1", "::1") == 200, host
        for host in ("[::2]", "[::1", "[evil.example]", "[::1]evil.example", "[]", "[fd00::5%25eth0]"):
            assert await status(world, host, "::1", "::1") == 403, host
        target = world.request(b"{}", f"https://[::1]:{world.port}/digits")
        target = target.replace(f"host: 127.0.0.1:{world.port}".encode(), b"host: [::1]")
        assert (await (await world.dial(address="::1")).ask(target)).status == 200
        with pytest.raises(ssl.SSLCertVerificationError, match="::2"):
            await world.dial(name="::2", address="::1")

    from_outside(scenario)


def test_at_all_addresses_callers_of_ipv4_are_answered_too_and_at_one_they_are_not() -> None:
    async def scenario(world: Outside) -> None:
        await listening(world, "::")
        assert await status(world, "127.0.0.1", "127.0.0.1", "127.0.0.1") == 200
        await listening(world, "::1")
        with pytest.raises(ConnectionRefusedError):
            await world.dial(address="127.0.0.1")

    from_outside(scenario)


def test_a_new_certificate_leaves_what_listens_as_it_is_however_its_address_is_spelled() -> None:
    async def scenario(world: Outside) -> None:
        await listening(world, "::1")
        rooms, listens = len(world.wardens), world.door.listening
        kept = await world.dial(address="::1")
        second = identity(world.folder / "tls", SIX)
        await world.listen(world.port, second, SIX, "0:0:0:0:0:0:0:1")
        assert world.told[-1] == NetworkState("0:0:0:0:0:0:0:1", world.port, str(second))
        assert (len(world.wardens), world.door.listening) == (rooms, listens)
        assert (await kept.ask(world.request())).status == 200

    from_outside(scenario)


def test_a_user_of_this_machine_has_a_share_of_its_own_by_ipv6_and_by_ipv4_that_came_to_it() -> None:
    async def scenario(world: Outside) -> None:
        await listening(world, "::")
        names = NetworkPeers(world.peers)
        for address in ("::1", "127.0.0.1"):
            talk = await world.dial(address=address)
            here, peer = (talk.writer.get_extra_info(word)[:2] for word in ("peername", "sockname"))
            if address == "127.0.0.1":
                here, peer = (f"::ffff:{here[0]}", here[1]), (f"::ffff:{peer[0]}", peer[1])
            assert names.name(peer, here) == f"user {os.getuid()}"

    from_outside(scenario)


def test_where_it_cannot_be_had_the_address_is_told() -> None:
    async def scenario(world: Outside) -> None:
        world.route(await world.replica())
        await world.listen(free_port(), None, NAMES, "2001:db8::77")  # RFC 3849: no machine has it
        state = world.told[-1]
        assert state is not None
        assert f"Port {world.port} of 2001:db8::77 can't be had" in (state.error or "")

    from_outside(scenario)
