"""The desk's own authority and what it signs, and certificates that somebody else has made."""

import datetime as dt
import socket
import ssl
import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import pytest
from cryptography import x509

from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.serving.gateway.inbound.network import server_context
from mlops_desk.serving.network import certificate_worker
from mlops_desk.serving.network.certificate_worker import (
    AUTHORITY,
    CALLERS,
    OWN,
    machine_names,
    names_of,
    own_identity,
)
from mlops_desk.serving.network.identity import clear, identity_of

NOW = dt.datetime(2026, 11, 29, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
NAMES = ["desk.lab", "10.0.0.5", "fd00::5"]


def of(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificates(pem)[0]


def test_it_is_made_once_for_all_names_and_its_key_is_for_nobody_else(tmp_path: Path) -> None:
    first = own_identity(tmp_path, NAMES, NOW)
    assert own_identity(tmp_path, NAMES, NOW + 100 * DAY) == first
    assert own_identity(tmp_path, NAMES[:2], NOW) == first, "a name that is gone does no harm"
    assert names_of(of(first)) == NAMES
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in (AUTHORITY, OWN)] == [0o600, 0o600]
    assert b"PRIVATE" not in (tmp_path / CALLERS).read_bytes()
    assert (of(first).not_valid_after_utc - NOW).days == 397
    assert not of(first).extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    callers = of((tmp_path / CALLERS).read_bytes())
    assert callers.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def test_a_machine_with_a_long_name_has_one_too(tmp_path: Path) -> None:
    name = f"{'gpu' * 20}.{'lab' * 20}.example"
    assert names_of(of(own_identity(tmp_path, [name], NOW))) == [name]


def test_openssl_takes_it_as_strictly_as_it_can(tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_bytes(own_identity(tmp_path, NAMES, dt.datetime.now(dt.UTC)))
    for name in ("-verify_hostname=desk.lab", "-verify_ip=10.0.0.5", "-verify_ip=fd00::5"):
        word, _, value = name.partition("=")
        asked = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", str(tmp_path / CALLERS)]
        said = subprocess.run(
            [*asked, word, value, str(tmp_path / "own.pem")], capture_output=True, text=True, check=False
        )
        assert said.returncode == 0, said.stderr
    assert server_context(tmp_path / "own.pem").minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("later", "names", "is_new"),
    [
        (336, NAMES, False),
        (338, NAMES, True),
        (500, NAMES, True),
        (1, [*NAMES, "10.0.0.6"], True),
        (1, ["x.lab"], True),
    ],
)
def test_another_is_made_before_it_runs_out_and_where_a_name_is_new_by_the_authority_that_callers_know(
    tmp_path: Path, later: int, names: list[str], is_new: bool
) -> None:
    first = own_identity(tmp_path, NAMES, NOW)
    known = (tmp_path / CALLERS).read_bytes()
    then = own_identity(tmp_path, names, NOW + later * DAY)
    assert (then != first) is is_new
    of(then).verify_directly_issued_by(of(known))
    assert (tmp_path / CALLERS).read_bytes() == known
    assert set(names) <= set(names_of(of(then)))


def test_what_is_damaged_of_its_own_is_made_anew_and_an_authority_never(tmp_path: Path) -> None:
    first = own_identity(tmp_path, NAMES, NOW)
    for damage in (b"", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n", first[:200]):
        (tmp_path / OWN).write_bytes(damage)
        assert names_of(of(own_identity(tmp_path, NAMES, NOW))) == NAMES
    (tmp_path / CALLERS).unlink()
    own_identity(tmp_path, NAMES, NOW)
    assert (tmp_path / CALLERS).exists()
    (tmp_path / AUTHORITY).write_bytes(first[:100])
    with pytest.raises(Invalid, match="damaged, and no other one was made") as refused:
        own_identity(tmp_path, NAMES, NOW)
    assert str(tmp_path / AUTHORITY) in str(refused.value.hint)
    other = tmp_path / "other"
    other.mkdir()
    own_identity(other, NAMES, NOW)
    (tmp_path / AUTHORITY).write_bytes((other / AUTHORITY).read_bytes())
    assert own_identity(tmp_path, NAMES, NOW) != first, "one of another authority is not served by"


def test_this_machine_is_named_by_what_it_is_called_and_reached_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate_worker.socket, "gethostname", lambda: "Box.Lab.")
    everywhere = machine_names("0.0.0.0")
    assert everywhere[:3] == ["box.lab", "box.local", "localhost"]
    assert "127.0.0.1" in everywhere
    assert not any(":" in name for name in everywhere)
    assert machine_names("10.0.0.5") == ["box.lab", "box.local", "localhost", "10.0.0.5"]
    assert not any("%" in name for name in machine_names("::"))
    monkeypatch.setattr(certificate_worker.socket, "gethostname", lambda: "odd_name")
    assert machine_names("10.0.0.5") == ["localhost", "10.0.0.5"]


def test_of_its_addresses_the_one_on_the_way_to_others_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [
        SimpleNamespace(family=socket.AF_INET, address=one) for one in ("10.9.0.1", "127.0.0.1", "192.168.1.20")
    ]
    monkeypatch.setattr(
        certificate_worker.psutil, "net_if_addrs", lambda: {"docker0": addresses[:1], "lan": addresses[1:]}
    )
    monkeypatch.setattr(certificate_worker, "_outward", lambda _version: "192.168.1.20")
    assert machine_names("0.0.0.0")[-3:] == ["192.168.1.20", "10.9.0.1", "127.0.0.1"]
    monkeypatch.setattr(certificate_worker, "_outward", lambda _version: None)
    assert machine_names("0.0.0.0")[-3:] == ["10.9.0.1", "127.0.0.1", "192.168.1.20"]


def test_with_ipv6_both_ways_out_come_first_and_no_address_that_is_another_one_tomorrow(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    four = [SimpleNamespace(family=socket.AF_INET, address=one) for one in ("10.9.0.1", "127.0.0.1", "192.168.1.20")]
    six = [
        SimpleNamespace(family=socket.AF_INET6, address=one)
        for one in ("::1", "2001:db8::5", "2001:db8::beef", "fe80::5%lan")
    ]
    table = tmp_path / "if_inet6"
    table.write_text(
        "20010db8000000000000000000000005 02 40 00 80 lan\n20010db800000000000000000000beef 02 40 00 01 lan\n"
    )
    monkeypatch.setattr(certificate_worker, "_ADDRESSES", table)
    monkeypatch.setattr(
        certificate_worker.psutil, "net_if_addrs", lambda: {"docker0": four[:1], "lan": [*four[1:], *six]}
    )
    monkeypatch.setattr(certificate_worker, "_outward", {4: "192.168.1.20", 6: "2001:db8::5"}.get)
    found = machine_names("::")
    assert found[found.index("localhost") + 1 :] == ["2001:db8::5", "192.168.1.20", "10.9.0.1", "127.0.0.1", "::1"]
    monkeypatch.setattr(certificate_worker, "_outward", {4: "192.168.1.20"}.get)
    assert machine_names("::")[-4:] == ["10.9.0.1", "127.0.0.1", "2001:db8::5", "::1"], "sorted behind the way out"
    table.unlink()
    assert "2001:db8::beef" in machine_names("::"), "where the kernel does not tell, all are its own"


def test_a_machine_without_a_way_out_has_no_address_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoWay:
        def __init__(self, *_more: object) -> None: ...
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_more: object) -> None: ...
        def setsockopt(self, *_more: object) -> None: ...
        def connect(self, _address: object) -> None:
            raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(certificate_worker.socket, "socket", NoWay)
    assert certificate_worker._outward(4) is None
    assert certificate_worker._outward(6) is None


@pytest.fixture
def given(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and its key as somebody else writes them."""
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    more = ["-days", "30", "-subj", "/CN=a.lab", "-addext", "subjectAltName=DNS:A.lab,DNS:*.b.lab,IP:10.0.0.7"]
    subprocess.run([*command, *more], check=True, capture_output=True)
    return certificate, key


def asked(folder: Path, certificate: Path | str = "", key: Path | str = "") -> dict[str, object]:
    told: dict[str, object] = certificate_worker.answer(
        {"folder": str(folder / "tls"), "listen": "127.0.0.1", "certificate": str(certificate), "key": str(key)}
    )
    return told


def test_a_given_certificate_is_copied_with_its_key_so_that_both_are_of_one_moment(
    tmp_path: Path, given: tuple[Path, Path]
) -> None:
    told = asked(tmp_path, *given)
    assert told["names"] == ["a.lab", "*.b.lab", "10.0.0.7"]
    assert (told["is_own"], told["certificate"]) == (False, str(given[0]))
    said = subprocess.run(
        ["openssl", "x509", "-in", str(given[0]), "-noout", "-fingerprint", "-sha256"], capture_output=True, check=True
    )
    assert said.stdout.decode().strip().partition("=")[2] == told["fingerprint"]
    path = Path(str(told["path"]))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert asked(tmp_path, *given) == told
    server_context(path)
    own = asked(tmp_path)
    assert own["is_own"] is True
    assert "PRIVATE" not in str(own["pem"])
    clear(tmp_path / "tls", {str(own["path"])})
    assert sorted(one.name for one in (tmp_path / "tls").glob("identity-*")) == [Path(str(own["path"])).name]


@pytest.mark.slow
def test_what_nobody_could_be_served_by_is_refused_in_words(tmp_path: Path, given: tuple[Path, Path]) -> None:
    certificate, key = given
    other = tmp_path / "other.key"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(other)], check=True)
    locked, nameless, der = tmp_path / "locked.key", tmp_path / "nameless.pem", tmp_path / "x.der"
    command = ["openssl", "pkey", "-in", str(key), "-aes256", "-passout", "pass:x", "-out", str(locked)]
    subprocess.run(command, check=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-key", str(key), "-out", str(nameless), "-subj", "/CN=a.lab"], check=True
    )
    subprocess.run(["openssl", "x509", "-in", str(certificate), "-outform", "der", "-out", str(der)], check=True)
    for chosen, words in (
        ((certificate, other), "is not that of the first certificate"), ((certificate, locked), "wants a password"),
        ((nameless, key), "names no host"), ((der, key), "no file of PEM certificates"), ((key, key), "no file of PEM"),
        ((certificate, certificate), "no PEM key"), ((certificate, ""), "needs its key"), (("", key), "needs its key"),
        ((tmp_path / "gone", key), "There is no file"), ((tmp_path, key), "There is no file"),
    ):  # fmt: skip
        with pytest.raises(Invalid, match=words):
            asked(tmp_path, *chosen)
    with pytest.raises(Invalid, match="has run out"):
        certificate_worker.given_identity(certificate, key, dt.datetime.now(dt.UTC) + 31 * DAY)


def test_the_worker_answers_as_the_process_that_it_is(tmp_path: Path) -> None:
    found = identity_of(tmp_path / "tls", "127.0.0.1", "", "")
    assert found.is_own
    assert "127.0.0.1" in found.names
    with pytest.raises(DeskError, match="There is no file"):
        identity_of(tmp_path / "tls", "127.0.0.1", str(tmp_path / "gone"), str(tmp_path / "gone"))
