"""How a person is told where endpoints are reached from other machines, and by which certificate."""

from dataclasses import replace

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, ModelRef
from mlops_desk.serving.records.network import EntranceState, NetworkAddress, NetworkEntrance
from mlops_desk.serving.text import endpoints, network

PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
OPEN = NetworkEntrance(
    EntranceState.OPEN, "0.0.0.0:8443", "https://10.0.0.5:8443", ("box.lab", "10.0.0.5"), 1_800_000_000.0, True,
    "/tls/authority.pem", "AA:BB", None, PEM,
)  # fmt: skip
FRONT = Endpoint("front", EndpointState.LIVE, None, 1, ModelRef("m", "1", "u"))


def test_the_certificate_is_what_stands_last_and_the_line_to_ask_by_before_it() -> None:
    told = network.entrance(OPEN)
    assert told.endswith(PEM.strip())
    assert 'curl --cacert authority.pem -H "Authorization: Bearer $TOKEN"' in told
    assert "https://10.0.0.5:8443/NAME" in told
    assert "AA:BB" in told
    given = network.entrance(replace(OPEN, is_own=False, certificate="/a.pem"))
    assert "--cacert" not in given
    assert "/a.pem" in given


def test_what_keeps_it_shut_is_told_and_how_it_is_opened() -> None:
    assert "mlops-desk settings set serving.listen 0.0.0.0:8443" in network.entrance(NetworkEntrance(EntranceState.OFF))
    shut = replace(OPEN, state=EntranceState.FAILED, reason=Reason("taken", "Port 8443 is taken.", hint="Look."))
    assert "Port 8443 is taken." in network.entrance(shut)
    assert "Look." in network.entrance(shut)
    bare = network.entrance(NetworkEntrance(EntranceState.FAILED, "x", reason=Reason("address", "It is no address.")))
    assert "It is no address." in bare
    assert "BEGIN" not in bare


def test_an_endpoint_tells_what_the_processor_is_worth_to_it() -> None:
    told = endpoints.endpoint(replace(FRONT, processor=("avx2", "avx512", "vnni")))
    assert "processor       avx2, avx512, vnni; int8 models gain from vnni\n" in told
    assert "the kernel names no instructions" in endpoints.endpoint(FRONT)


def test_an_endpoint_tells_its_second_address() -> None:
    def told(address: NetworkAddress | None) -> str:
        return endpoints.endpoint(replace(FRONT, network=address))

    assert "other machines  do not reach it\n" in told(None)
    found = told(NetworkAddress("https://10.0.0.5:8443/front", "/tls/authority.pem", "AA:BB"))
    assert "https://10.0.0.5:8443/front" in found
    assert "/tls/authority.pem" in found
    assert "AA:BB" in found
    assert "do not reach it: It is open" in told(NetworkAddress(reason=Reason("open", "It is open.")))
