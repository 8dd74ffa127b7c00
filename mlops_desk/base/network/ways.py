"""What each consumer gets of the network's settings. Pure: nothing here is asked, and nothing holds a login.

Where programs read two spellings of a name, both are set; where a job's own environment has one of them, it has both,
since most programs would prefer the other.
"""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from mlops_desk.base.network.addresses import direct, host_of
from mlops_desk.base.network.rules import NetworkRules

HERE = ("localhost", "127.0.0.1", "::1", "[::1]")
"""This machine; urllib compares an IPv6 address with its brackets, everybody else without."""
CERTIFICATE_NAMES = (
    "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS",
)  # fmt: skip
"""OpenSSL, Go and uv; requests; curl; pip; git; Node, which alone adds to its own."""
_SPELLINGS = ("http_proxy", "https_proxy", "no_proxy")


def without_proxy(network: NetworkRules, local: Iterable[str]) -> tuple[str, ...]:
    """Return who is reached without the proxy: this machine, ``local`` hosts or addresses, and what a person added."""
    near = [entry for host in local if (entry := direct(host)) is not None]
    added = [entry for word in network.no_proxy if (entry := direct(word)) is not None]
    return tuple(dict.fromkeys((*HERE, *near, *added)))


def is_direct(network: NetworkRules, address: str) -> bool:
    """Tell whether a web address is reached without the proxy, as most programs understand what a person added."""
    host = host_of(address)
    return any(
        _means(entry.rpartition(":")[0] if entry.count(":") == 1 else entry, host)
        for entry in without_proxy(network, ())
    )


def _means(entry: str, host: str) -> bool:
    try:
        return ip_address(host) in ip_network(entry.strip("[]"))
    except ValueError:
        return host == entry or host.endswith(f".{entry.removeprefix('.')}")


def proxy_environment(network: NetworkRules, local: Iterable[str] = ()) -> dict[str, str]:
    """Return the proxies in both spellings: curl reads http_proxy in small letters alone."""
    if not network.has_proxy:
        return {}
    values = {"http_proxy": network.http_proxy, "https_proxy": network.https_proxy}
    values["no_proxy"] = ",".join(without_proxy(network, local))
    named = {name: value for name, value in values.items() if value}
    return {**named, **{name.upper(): value for name, value in named.items()}}


def certificate_environment(file: str | None) -> dict[str, str]:
    """Return the names by which programs find the certificates that they trust."""
    return {} if file is None else dict.fromkeys(CERTIFICATE_NAMES, file)


def package_environment(network: NetworkRules, wheels: str | None) -> dict[str, str]:
    """Return where pip and uv look for packages; ``wheels`` is the folder of wheels as they see it.

    With a folder and no index they ask nobody else: on a machine without a way out they would try for minutes.
    """
    found: dict[str, str] = {}
    if network.package_index:
        found |= {"PIP_INDEX_URL": network.package_index, "UV_DEFAULT_INDEX": network.package_index}
    if network.extra_indexes:
        several = " ".join(network.extra_indexes)
        found |= {"PIP_EXTRA_INDEX_URL": several, "UV_INDEX": several}
    # What is asked without TLS, pip passes over, unless it is told by host and port that a person wants it so.
    if bare := [urlsplit(one).netloc for one in indexes(network) if one.startswith("http://")]:
        found["PIP_TRUSTED_HOST"] = " ".join(bare)
    if wheels is not None:
        found |= {"PIP_FIND_LINKS": wheels, "UV_FIND_LINKS": wheels}
        if not network.package_index and not network.extra_indexes:
            found |= {"PIP_NO_INDEX": "1", "UV_NO_INDEX": "1"}
    return found


def job_environment(
    network: NetworkRules, own: Mapping[str, str], *, local: Iterable[str], certificates: str | None, wheels: str | None
) -> dict[str, str]:
    """Return what a job's container finds in its environment besides ``own``, which it has by itself and which wins.

    ``certificates`` and ``wheels`` are where they lie in the container.
    """
    offered = {
        **proxy_environment(network, local),
        **certificate_environment(certificates),
        **package_environment(network, wheels),
    }
    taken = set(own) | {name.upper() for name in own if name in _SPELLINGS}
    taken |= {name.lower() for name in own if name.lower() in _SPELLINGS}
    return {name: value for name, value in offered.items() if name not in taken}


def build_environment(network: NetworkRules, ambient: Mapping[str, str], certificates: str | None) -> dict[str, str]:
    """Return what a build goes by: the settings, and where they say nothing what the agent's environment does."""
    proxies = proxy_environment(network) or {
        name: ambient[name] for spelling in _SPELLINGS for name in (spelling, spelling.upper()) if name in ambient
    }
    packages = package_environment(network, None) or {
        name: ambient[name] for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL") if name in ambient
    }
    trusted = certificate_environment(certificates) or {
        name: ambient[name] for name in CERTIFICATE_NAMES if name in ambient
    }
    return {**proxies, **packages, **trusted}


def git_environment(network: NetworkRules, certificates: str | None) -> dict[str, str]:
    """Return what git goes by. A proxy that a person has set for git itself (http.proxy) goes before these."""
    trusted = {} if certificates is None else {"GIT_SSL_CAINFO": certificates}
    return {**proxy_environment(network), **trusted}


def index_hosts(network: NetworkRules) -> tuple[str, ...]:
    """Return the hosts that the index's login is for."""
    return tuple(dict.fromkeys(host for address in indexes(network) if (host := host_of(address))))


def indexes(network: NetworkRules) -> tuple[str, ...]:
    """Return the indexes that are named, which pip and uv ask."""
    return tuple(address for address in (network.package_index, *network.extra_indexes) if address)
