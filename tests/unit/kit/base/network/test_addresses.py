"""Addresses: what is one is taken, what is none is told, and no login is ever repeated."""

import urllib.request
from urllib.parse import quote

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Invalid, command_of
from mlops_desk.kit.base.network import check_direct, check_index, check_proxy, direct, entries


@pytest.mark.parametrize(
    "address",
    ["http://proxy.lab:3128", "https://10.0.0.7:8443/", "http://[fd00::7]:3128", "http://proxy", "http://a_b.lab:80"],
)
def test_proxies_that_programs_understand_are_taken(address):
    check_proxy("Proxy", address, "network.proxy_login")


@pytest.mark.parametrize(
    "address",
    [
        "proxy.lab:3128", "socks5://proxy:1080", "http://", "http://:3128", "http://proxy:0", "http://proxy:99999",
        "http://proxy/path", "http://proxy?x=1", "http://pro xy", "http://pröxy", "http://a\nb", "http://[::1", "ftp://x",
        "http://-/", "http://proxy\u202e",
    ],
)  # fmt: skip
def test_what_is_no_proxy_is_told(address):
    with pytest.raises(Invalid) as told:
        check_proxy("Proxy", address, "network.proxy_login")
    assert "http" in told.value.hint
    assert told.value.message.isprintable()


@pytest.mark.slow
@given(st.text(min_size=1), st.text(min_size=4), st.booleans())
@example("ada", "can/ary", False)
@example("ada", "c#nary", False)
@example("ada", "cana:ry@", False)
@example("", "99999x", False)
def test_a_login_in_an_address_is_refused_and_never_repeated(user, password, quoted):
    shown = quote(password, safe="") if quoted else password
    for check, setting in ((check_proxy, "network.proxy_login"), (check_index, "network.index_login")):
        with pytest.raises(Invalid) as told:
            check("Title", f"https://{user}:{shown}@host.lab:3128", setting)
        assert told.value.message == "Title: the address holds a login, which settings show to everybody."
        name = setting.partition(".")[2].replace("_", "-")
        assert (
            command_of(told.value.hint) == f"mlops-desk secrets set {name} && mlops-desk settings set {setting} {name}"
        )


def test_an_index_has_a_path_and_no_question():
    check_index("Index", "https://pypi.lab/root/pypi/+simple/", "network.index_login")
    for address in ("https://pypi.lab/simple?x=1", "pypi.lab", "file:///wheels", "https://pypi.lab/#x"):
        with pytest.raises(Invalid):
            check_index("Index", address, "network.index_login")


@pytest.mark.parametrize(
    ("entry", "meant"),
    [
        ("db.lab", "db.lab"), ("DB.Lab.", "db.lab"), (".lab", ".lab"), ("*.lab", ".lab"), ("10.0.0.7", "10.0.0.7"),
        ("10.0.0.7:8080", "10.0.0.7:8080"), ("10.1.2.3/8", "10.0.0.0/8"), ("::1", "::1"), ("[fd00::7]", "fd00::7"),
        ("fd00::/8", "fd00::/8"), ("db.lab:5432", "db.lab:5432"), ("a_b", "a_b"),
    ],
)  # fmt: skip
def test_hosts_without_proxy_are_written_as_programs_read_them(entry, meant):
    assert direct(entry) == meant


@pytest.mark.parametrize(
    "entry",
    ["*", "", "..", "10.0.0.999", "10.0.0", "10.0.0.0/33", "db.lab:0", "db.lab:x", "a b", "http://db.lab", "-", "*lab*",
     "a/b", "[db]", "a" * 64 + ".lab", "db..lab"],
)  # fmt: skip
def test_what_no_program_understands_is_told(entry):
    assert direct(entry) is None
    if len(entries(entry)) == 1:
        with pytest.raises(Invalid):
            check_direct("Reached without proxy", f"ok.lab {entry}")


def test_lists_are_written_with_blanks_commas_or_both():
    assert entries(" a.lab, .b ,c\n") == ("a.lab", ".b", "c")
    assert entries("") == ()


def bypassed(url, no_proxy, monkeypatch):
    """Return who goes without the proxy: requests, and urllib."""
    monkeypatch.setenv("no_proxy", no_proxy)
    host = url.partition("//")[2]
    return requests.utils.should_bypass_proxies(url, None), bool(urllib.request.proxy_bypass(host))


@pytest.mark.parametrize(
    ("entry", "url", "who"),
    [
        ("db.lab", "http://db.lab", (True, True)),
        ("*.lab", "http://db.lab", (True, True)),
        (".lab", "http://db.lab:8080", (True, True)),
        ("10.0.0.7", "http://10.0.0.7:5000", (True, True)),
        ("10.0.0.0/8", "http://10.0.0.7", (True, False)),  # as the setting's help says
        ("lab", "http://db.other", (False, False)),
    ],
)
def test_what_is_written_is_understood_by_real_programs(entry, url, who, monkeypatch):
    assert bypassed(url, direct(entry), monkeypatch) == who
