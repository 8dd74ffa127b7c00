"""What is handed to the gateway follows the settings, and what is told is what the gateway made of it."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.serving.gateway.process_control import GatewayState
from mlops_desk.serving.gateway.routes import NetworkListening, NetworkState
from mlops_desk.serving.network.identity import ServerIdentity
from mlops_desk.serving.network.network_listener import GatewayEntrance
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, ModelRef
from mlops_desk.serving.records.network import EntranceState

NAMES = ("localhost", "box.lab", "127.0.0.1", "169.254.1.1", "10.0.0.5")
OWN = ServerIdentity("/tls/identity-1.pem", NAMES, 2e9, True, "/tls/authority.pem", "AA:BB", "PEM")
ENDPOINT = Endpoint("front", EndpointState.LIVE, None, 1, ModelRef("m", "1", "u"), token_required=True)


class Desk:
    """What the way in stands on: the settings, a gateway that says what a test has it say, and certificates."""

    def __init__(self, folder: Path) -> None:
        self.settings = SettingsStore(folder / "settings.json")
        self.gateway: GatewayState | None = GatewayState(1, 1, "b", 2, "t", "v")
        self.identity: ServerIdentity | Invalid = OWN
        self.asked: list[tuple[str, str, str]] = []
        self.routed = self.announced = 0
        self.entrance = GatewayEntrance(folder / "tls", self.settings, lambda: self.gateway, self.identify)

    def identify(self, _folder: Path, listen: str, certificate: str, key: str) -> ServerIdentity:
        self.asked.append((listen, certificate, key))
        if isinstance(self.identity, Invalid):
            raise self.identity
        return self.identity

    def look(self) -> EntranceState:
        def route() -> None:
            self.routed += 1

        def announce() -> None:
            self.announced += 1

        self.entrance.look(route, announce)
        return self.entrance.told().state

    def says(self, error: str | None = None, identity: str = OWN.path, port: int = 8443) -> None:
        assert self.gateway is not None
        self.gateway = replace(self.gateway, network=NetworkState("0.0.0.0", port, identity, error))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_by_default_nothing_is_made_and_nothing_listens(desk: Desk) -> None:
    assert [desk.look() for _ in range(3)] == [EntranceState.OFF] * 3
    assert (desk.entrance.listening(), desk.entrance.of(ENDPOINT), desk.asked, desk.routed) == (None, None, [], 0)


def test_it_is_opened_told_and_closed_as_the_setting_says(desk: Desk) -> None:
    desk.look()
    desk.settings.set("serving.listen", "0.0.0.0:8443")
    assert desk.look() is EntranceState.OPENING
    assert desk.entrance.listening() == NetworkListening("0.0.0.0", 8443, OWN.path, NAMES)
    assert desk.entrance.of(ENDPOINT) is not None
    assert desk.entrance.of(ENDPOINT).url is None  # type: ignore[union-attr]  # said above
    desk.says()
    assert desk.look() is EntranceState.OPEN
    found = desk.entrance.of(ENDPOINT)
    assert found is not None
    assert (found.url, found.certificate, found.fingerprint, found.reason) == (
        "https://10.0.0.5:8443/front", "/tls/authority.pem", "AA:BB", None,
    )  # fmt: skip
    before = (desk.routed, desk.announced, len(desk.asked))
    desk.look()
    assert (desk.routed, desk.announced, len(desk.asked)) == before == (1, 3, 1), "nothing new is not told"
    desk.settings.set("serving.listen", "")
    assert desk.look() is EntranceState.OFF
    assert (desk.entrance.listening(), desk.entrance.of(ENDPOINT), desk.routed) == (None, None, 2)


def test_an_open_endpoint_has_no_address_and_says_how_it_gets_one(desk: Desk) -> None:
    desk.settings.set("serving.listen", "0.0.0.0:8443")
    desk.says()
    desk.look()
    found = desk.entrance.of(replace(ENDPOINT, token_required=False))
    assert found is not None
    assert found.url is None
    assert found.reason is not None
    assert "--no-open" in (found.reason.hint or "")


def test_what_keeps_it_shut_is_told(desk: Desk) -> None:
    desk.settings.set("serving.listen", "0.0.0.0:8443")
    desk.says("Port 8443 of 0.0.0.0 can't be had: Address already in use.")
    assert desk.look() is EntranceState.FAILED
    told = desk.entrance.told()
    assert told.reason is not None
    assert "Address already in use" in told.reason.text
    assert "ss -ltnp" in (told.reason.hint or "")
    found = desk.entrance.of(ENDPOINT)
    assert found is not None
    assert (found.url, found.reason) == (None, told.reason)
    desk.gateway = None
    assert desk.look() is EntranceState.OPENING
    assert "first endpoint" in (desk.entrance.told().reason or told.reason).text


def test_a_certificate_that_cannot_be_had_leaves_the_last_one_and_is_told(desk: Desk, tmp_path: Path) -> None:
    desk.settings.set("serving.listen", "0.0.0.0:8443")
    desk.says()
    desk.look()
    given = tmp_path / "given.pem"
    given.write_text("1")
    desk.identity = Invalid("The certificate has run out.", "Renew it.")
    desk.settings.set("serving.tls_certificate", str(given))
    assert desk.look() is EntranceState.OPEN
    told = desk.entrance.told()
    assert told.reason is not None
    assert (told.reason.text, told.reason.hint) == ("The certificate has run out.", "Renew it.")
    assert desk.entrance.listening() == NetworkListening("0.0.0.0", 8443, OWN.path, NAMES)
    desk.look()
    assert len(desk.asked) == 2, "it is not asked for again at once"
    desk.identity = replace(OWN, path="/tls/identity-2.pem", is_own=False, names=("*.lab", "a.lab"))
    given.write_text("22")
    os.utime(given, ns=(1, 1))
    assert desk.look() is EntranceState.OPENING
    desk.says(identity="/tls/identity-2.pem")
    assert desk.look() is EntranceState.OPEN
    assert desk.entrance.told().url == "https://a.lab:8443"
    found = desk.entrance.of(ENDPOINT)
    assert found is not None
    assert found.certificate is None


def test_without_any_certificate_nothing_is_opened(desk: Desk) -> None:
    desk.identity = Invalid("Damaged.", "Move it away.")
    desk.settings.set("serving.listen", "0.0.0.0:8443")
    assert desk.look() is EntranceState.FAILED
    assert desk.entrance.listening() is None
    assert desk.routed == 0


def test_it_is_called_by_what_others_surely_reach(desk: Desk) -> None:
    desk.settings.set("serving.listen", "10.0.0.77:9000")
    desk.look()
    assert desk.entrance.told().url == "https://10.0.0.77:9000"
    desk.settings.set("serving.listen", "[fd00::7]:9000")
    desk.look()
    assert desk.entrance.told().url == "https://[fd00::7]:9000"
    desk.identity = replace(OWN, names=("box.lab", "127.0.0.1"))
    desk.settings.set("serving.listen", "0.0.0.0:8443")
    desk.look()
    assert desk.entrance.told().url == "https://box.lab:8443"


def test_a_setting_that_is_no_address_is_told_and_closes_what_was_open(desk: Desk) -> None:
    desk.settings.set("serving.listen", "0.0.0.0:8443")
    desk.look()
    desk.settings.set("serving.listen", "999.0.0.1:8443")
    assert desk.look() is EntranceState.FAILED
    assert desk.entrance.listening() is None
    assert "no address" in (desk.entrance.told().reason or OWN).text  # type: ignore[union-attr]  # it has one
