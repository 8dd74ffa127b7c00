"""Bundles of certificates: what is none is told before anything goes by it, and the usual ones are kept beside."""

import ssl
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.network import days_left, read_bundle, with_usual
from tests.authority import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_what_stands_between_certificates_is_left_out(tmp_path, authority):
    file = tmp_path / "ca.pem"
    file.write_text(f"# Größe: ünten\n{authority.pem}\nrubbish\n{authority.pem}")
    found = read_bundle(str(file))
    assert found.count("BEGIN CERTIFICATE") == 2
    assert found.isascii()
    assert "rubbish" not in found


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 200, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END"])
def test_a_file_without_certificates_is_told(tmp_path, content):
    file = tmp_path / "ca.pem"
    file.write_bytes(content)
    with pytest.raises(Invalid, match="no file of PEM certificates"):
        read_bundle(str(file))


def test_a_broken_certificate_is_told(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n")
    with pytest.raises(Invalid, match="no file of PEM certificates"):
        read_bundle(str(file))


def test_a_der_file_is_told_how_it_becomes_pem(tmp_path, authority):
    file = tmp_path / "ca.der"
    file.write_bytes(ssl.PEM_cert_to_DER_cert(authority.pem))
    with pytest.raises(Invalid) as told:
        read_bundle(str(file))
    assert "openssl x509 -inform der" in told.value.hint


def test_a_private_key_is_given_to_nobody(tmp_path, authority):
    file = tmp_path / "ca.pem"
    file.write_text(authority.pem + authority.key.read_text())
    with pytest.raises(Invalid, match="holds a private key"):
        read_bundle(str(file))


def test_a_file_that_is_not_there_or_too_large_is_told(tmp_path):
    with pytest.raises(Invalid, match="there is no file"):
        read_bundle(str(tmp_path / "none.pem"))
    with pytest.raises(Invalid, match="there is no file"):
        read_bundle(str(tmp_path))
    large = tmp_path / "large.pem"
    large.write_bytes(b"x" * ((4 << 20) + 1))
    with pytest.raises(Invalid, match="more than 4 MiB"):
        read_bundle(str(large))


def test_the_day_of_the_first_end_is_told(authority):
    left = days_left(authority.pem)
    assert left is not None
    assert 29 < left <= 30
    assert days_left(authority.pem, 0) > 10_000


def test_the_usual_ones_are_kept_beside_and_another_distributions_place_is_skipped(tmp_path, authority):
    usual = tmp_path / "usual.pem"
    usual.write_bytes(b"usual")
    assert with_usual("added\n", (str(tmp_path / "none"), str(usual))) == b"usual\nadded\n"
    import certifi

    assert with_usual("added\n", ()) == Path(certifi.where()).read_bytes().rstrip() + b"\nadded\n"
