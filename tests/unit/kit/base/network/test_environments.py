"""What each consumer gets of the network: both spellings, the local world without proxy, a job's own words first."""

import urllib.request

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.network import (
    NetworkRules,
    build_environment,
    git_environment,
    index_hosts,
    is_direct,
    job_environment,
    network_of,
    package_environment,
    proxy_environment,
    without_proxy,
)
from mlops_desk.kit.base.settings import SettingsStore

PROXY = "http://proxy.lab:3128"
INDEX = "https://pypi.lab/simple"
BRIDGE = "172.17.0.1"
hosts = st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8}){0,2}", fullmatch=True)
networks = st.builds(
    NetworkRules,
    http_proxy=st.sampled_from(["", PROXY]),
    https_proxy=st.sampled_from(["", PROXY]),
    no_proxy=st.lists(hosts, max_size=3).map(tuple),
    package_index=st.sampled_from(["", INDEX]),
    extra_indexes=st.sampled_from([(), ("https://one.lab/simple", "https://two.lab/simple")]),
)
owns = st.dictionaries(
    st.sampled_from(["http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "SSL_CERT_FILE", "PIP_INDEX_URL", "LR"]),
    st.just("own"),
    max_size=4,
)


def test_the_settings_become_one_record(tmp_path):
    store = SettingsStore(tmp_path / "settings.json")
    assert network_of(store) == NetworkRules()
    for key, value in {
        "http_proxy": PROXY, "https_proxy": PROXY, "no_proxy": "a.lab, .b", "proxy_login": "p", "ca_bundle": "/ca",
        "package_index": INDEX, "extra_indexes": f"{INDEX} {INDEX}2", "index_login": "i", "wheels": "/w",
    }.items():  # fmt: skip
        store.set(f"network.{key}", value)
    assert network_of(store) == NetworkRules(
        PROXY, PROXY, ("a.lab", ".b"), "p", "/ca", INDEX, (INDEX, f"{INDEX}2"), "i", "/w"
    )


@given(networks, owns)
@example(NetworkRules(http_proxy=PROXY), {"HTTP_PROXY": "own"})
@example(NetworkRules(http_proxy=PROXY), {"http_proxy": "own"})
@example(NetworkRules(https_proxy=PROXY), {"NO_PROXY": "own"})
def test_a_jobs_own_words_win_in_both_spellings(network, own):
    given_ = job_environment(network, own, local=(BRIDGE,), certificates="/ca.pem", wheels=None)
    assert not own.keys() & given_.keys()
    for name in own:
        if name.lower().endswith("_proxy"):
            assert not {name.lower(), name.upper()} & given_.keys()
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        assert given_.get(name) == given_.get(name.upper())


@given(networks.filter(lambda network: network.has_proxy), hosts)
def test_this_machine_and_its_servers_are_never_reached_through_the_proxy(network, server):
    named = proxy_environment(network, (BRIDGE, server))["no_proxy"]
    for host in ("localhost:5000", "127.0.0.1:5000", "[::1]:5000", f"{BRIDGE}:5000", server, *network.no_proxy):
        assert requests.utils.should_bypass_proxies(f"http://{host}/", named), host
        assert urllib.request.proxy_bypass_environment(host, {"no": named}), host


def test_without_a_proxy_nothing_is_said_of_one():
    assert proxy_environment(NetworkRules(no_proxy=("a",)), (BRIDGE,)) == {}


def test_what_no_program_understands_is_left_out_and_nothing_stands_twice():
    network = NetworkRules(http_proxy=PROXY, no_proxy=("*", "LOCALHOST", "*.lab", ".lab"))
    assert without_proxy(network, ("", "localhost", "a b")) == ("localhost", "127.0.0.1", "::1", "[::1]", ".lab")


def test_certificates_are_named_to_every_program_that_asks_by_a_name_of_its_own():
    given_ = job_environment(NetworkRules(), {}, local=(), certificates="/ca.pem", wheels=None)
    assert given_ == dict.fromkeys(
        ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS"),
        "/ca.pem",
    )


def test_wheels_without_an_index_are_all_that_is_asked():
    assert package_environment(NetworkRules(), "/w") == {
        "PIP_FIND_LINKS": "/w", "UV_FIND_LINKS": "/w", "PIP_NO_INDEX": "1", "UV_NO_INDEX": "1",
    }  # fmt: skip
    both = package_environment(NetworkRules(package_index=INDEX), "/w")
    assert both == {
        "PIP_FIND_LINKS": "/w", "UV_FIND_LINKS": "/w", "PIP_INDEX_URL": INDEX, "UV_DEFAULT_INDEX": INDEX,
    }  # fmt: skip
    more = package_environment(NetworkRules(extra_indexes=("https://a", "https://b")), "/w")
    assert more["PIP_EXTRA_INDEX_URL"] == more["UV_INDEX"] == "https://a https://b"
    assert "PIP_NO_INDEX" not in more
    assert package_environment(NetworkRules(), None) == {}


def test_a_build_goes_by_the_settings_and_else_by_the_agents_environment():
    ambient = {"HTTP_PROXY": "http://old", "no_proxy": "x", "PIP_INDEX_URL": "http://old/simple", "PIP_CERT": "/old",
               "PATH": "/bin"}  # fmt: skip
    old = {name: value for name, value in ambient.items() if name != "PATH"}
    assert build_environment(NetworkRules(), ambient, None) == old
    new = build_environment(NetworkRules(http_proxy=PROXY, package_index=INDEX), ambient, "/new.pem")
    assert new["http_proxy"] == new["HTTP_PROXY"] == PROXY
    assert new["PIP_INDEX_URL"] == INDEX
    assert new["PIP_CERT"] == "/new.pem"
    assert "http://old" not in new.values()


def test_git_is_told_of_proxy_and_certificates():
    found = git_environment(NetworkRules(https_proxy=PROXY), "/ca.pem")
    assert (found["https_proxy"], found["GIT_SSL_CAINFO"]) == (PROXY, "/ca.pem")
    assert "127.0.0.1" in found["no_proxy"]
    assert git_environment(NetworkRules(), None) == {}


def test_the_indexes_login_is_for_their_hosts_alone():
    network = NetworkRules(
        package_index="https://pypi.lab:8443/simple", extra_indexes=("https://pypi.lab/x", "https://b/")
    )
    assert index_hosts(network) == ("pypi.lab", "b")
    assert index_hosts(NetworkRules()) == ()


@pytest.mark.parametrize(
    ("added", "address", "direct"),
    [
        ("", "https://pypi.lab/simple", False),
        ("pypi.lab", "https://pypi.lab/simple", True),
        ("pypi.lab:8443", "https://pypi.lab:8443/simple", True),
        (".lab", "https://pypi.lab/simple", True),
        ("lab", "https://pypi.lab/simple", True),
        ("*.lab", "https://PyPI.Lab/simple", True),
        ("ypi.lab", "https://pypi.lab/simple", False),
        ("10.0.0.0/8", "https://10.1.2.3/simple", True),
        ("10.0.0.0/8", "https://11.1.2.3/simple", False),
        ("fd00::/8", "https://[fd00::7]/simple", True),
        ("10.0.0.7", "https://10.0.0.7:8080/simple", True),
        ("", "http://localhost:3141/simple", True),
        ("", "http://[::1]:3141/simple", True),
        ("10.0.0.0/8", "https://10.example/simple", False),
    ],
)
def test_who_is_reached_without_the_proxy(added, address, direct):
    network = NetworkRules(http_proxy=PROXY, no_proxy=(added,) if added else ())
    assert is_direct(network, address) is direct


def test_pip_asks_an_index_without_tls_since_a_person_named_it_and_trusts_no_other_blindly():
    network = NetworkRules(package_index="http://pypi.lab:3141/simple", extra_indexes=(INDEX, "http://[::1]/simple"))
    assert package_environment(network, None)["PIP_TRUSTED_HOST"] == "pypi.lab:3141 [::1]"
    assert "PIP_TRUSTED_HOST" not in package_environment(NetworkRules(package_index=INDEX), None)
