"""The way out of this machine: proxy, certificates, package index; one group of settings for all who go it.

Addresses of proxies, package indexes and hosts that are reached without a proxy: split, and judged. Pure.

Certificates that are trusted beside the usual ones: judged, and put together with those.

Programs that are given a file trust nothing else, so a file that held the added ones alone would cut a job off from
everything public that no proxy looks into.

Places for those who come from outside: counted in all and for each of them, so that nobody takes all. Pure.

What the settings say of the network, as one record; what each consumer gets of it stands in ``ways``.

What each consumer gets of the network's settings. Pure: nothing here is asked, and nothing holds a login.

Where programs read two spellings of a name, both are set; where a job's own environment has one of them, it has both,
since most programs would prefer the other.
"""

import ipaddress
import math
import re
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from mlops_desk.kit.base.errors import Hint, Invalid
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.base.text import plain

_SHOWN = 200  # chosen: longer than any such address
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*", re.ASCII)
_PORTS = 65_535  # a port has 16 bits


def entries(text: str) -> tuple[str, ...]:
    """Split a list that a person wrote with blanks, commas or both."""
    return tuple(word for word in re.split(r"[\s,]+", text) if word)


def check_proxy(title: str, address: str, login_setting: str) -> None:
    """Raise Invalid for what is no proxy's address, or one that holds a login."""
    parts = _web_address(title, address, "http://proxy.example:3128", login_setting)
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise Invalid(
            f"{title}: {plain(address, _SHOWN)} names more than a host and a port.", "Write it as http://HOST:PORT."
        )


def check_index(title: str, address: str, login_setting: str) -> None:
    """Raise Invalid for what is no package index's address, or one that holds a login."""
    parts = _web_address(title, address, "https://pypi.example/simple", login_setting)
    if parts.query or parts.fragment:
        raise Invalid(f"{title}: {plain(address, _SHOWN)} has a ? or a # in it.", "Write it as https://HOST/PATH.")


def check_direct(title: str, text: str) -> None:
    """Raise Invalid for the first entry that no program would understand as a host without proxy."""
    for entry in entries(text):
        if direct(entry) is None:
            hint = "Write hosts (db.lab), domains (.lab), addresses (10.0.0.7) or networks (10.0.0.0/8)."
            raise Invalid(f"{title}: {plain(entry, _SHOWN)} is no host, domain, address or network.", hint)


def direct(entry: str) -> str | None:
    """Return an entry as most programs understand it (a ``*.lab`` is a ``.lab``); None for one that none does."""
    word = entry.strip().lower().removeprefix("*").rstrip(".") if entry != "*" else ""
    bare, _, port = word.rpartition(":") if word.count(":") == 1 else (word, "", "")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) <= _PORTS):
        return None
    name = bare.strip("[]")
    try:
        if "/" in name:
            return str(ipaddress.ip_network(name, strict=False)) + (f":{port}" if port else "")
        return str(ipaddress.ip_address(name)) + (f":{port}" if port else "")
    except ValueError:
        # Only numbers and dots: an address that is mistyped, and no host.
        fits = _HOST.fullmatch(name.removeprefix(".")) and not re.fullmatch(r"[\d.]+", name)
        return word if fits and "[" not in word else None


def host_of(address: str) -> str:
    """Return the host that an address names, without brackets; "" where it names none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _web_address(title: str, address: str, example: str, login_setting: str) -> SplitResult:
    if "@" in address:  # wherever it stands: a / in a password moves it out of the place where urlsplit looks
        name = login_setting.rpartition(".")[2].replace("_", "-")
        hint = Hint(
            f"mlops-desk secrets set {name} && mlops-desk settings set {login_setting} {name}",
            before="Leave it out, and keep USER:PASSWORD as a secret: ",
        )
        raise Invalid(f"{title}: the address holds a login, which settings show to everybody.", hint)
    shown = plain(address, _SHOWN)
    try:
        parts = urlsplit(address)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        if "[" not in address and address.count(":") > 2:
            raise Invalid(
                f"{title}: {shown} is no address.", "Write an IPv6 address as http://[fd00::7]:3128."
            ) from error
        raise Invalid(f"{title}: {shown} is no address: {error}.", _example(example)) from error
    if any(ord(letter) <= 32 or ord(letter) > 126 for letter in address):
        raise Invalid(f"{title}: {shown!r} has letters in it that no address has.", _example(example))
    if parts.scheme not in {"http", "https"} or not host:
        raise Invalid(f"{title}: {shown} is not of the form http://HOST:PORT or https://HOST.", _example(example))
    if port == 0 or not (_HOST.fullmatch(host) or _is_address(host)):
        raise Invalid(f"{title}: {shown} names no host that can be reached.", _example(example))
    return parts


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _example(address: str) -> str:
    return f"Write it as {address}."


_USUAL = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
)
_LARGEST_BYTES = 4 << 20  # chosen: ten times what the usual ones take
_KEY = "PRIVATE KEY-----"
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_DAY_SECONDS = 86_400


def read_bundle(path: str) -> str:
    """Return the certificates in a file, without what is written between them.

    Raises Invalid for a file that has none, and for one with a key.
    """
    file = Path(path).expanduser()
    title = "Certificates trusted besides"
    try:
        if not file.is_file():
            raise Invalid(f"{title}: there is no file {plain(str(file))}.", "Name a file of PEM certificates.")
        if file.stat().st_size > _LARGEST_BYTES:
            raise Invalid(f"{title}: {plain(str(file))} has more than {_LARGEST_BYTES >> 20} MiB.")
        data = file.read_bytes()
    except OSError as error:
        look = Hint(f"ls -l {file}", before="Everybody may read certificates: ")
        raise Invalid(f"{title}: {plain(str(file))} can't be read: {error.strerror}.", look) from error
    text = data.decode("utf-8", "replace")
    if _KEY in text:
        text = f"{title}: {plain(str(file))} holds a private key."
        raise Invalid(text, "Every job would get it: name a file that holds the certificate alone.")
    found = "".join(f"{block}\n" for block in _BLOCK.findall(text))
    try:
        _loaded(found)
    except (ssl.SSLError, ValueError) as error:
        hint = Hint(f"openssl x509 -inform der -in {file} -out ca.pem", before="A DER file becomes PEM by: ")
        raise Invalid(f"{title}: {plain(str(file))} is no file of PEM certificates.", hint) from error
    return found


def check_holds(path: str, text: str, now: float | None = None) -> None:
    """Raise Invalid where every certificate has run out; of several, an old one does no harm."""
    ends = _ends(text)
    past = (time.time() if now is None else now) - max(ends, default=math.inf)
    if past > 0:
        text = f"Certificates trusted besides: what is in {plain(path)} ran out {past / _DAY_SECONDS:.0f} days ago."
        raise Invalid(text, Hint(f"openssl x509 -in {path} -noout -subject -enddate", before="Ask for a newer one: "))


def first_end(text: str) -> float | None:
    """Return when the first of the certificates runs out (Unix seconds); None where none is of an authority."""
    return min(_ends(text), default=None)


def _ends(text: str) -> list[int]:
    return [ssl.cert_time_to_seconds(str(one["notAfter"])) for one in _loaded(text).get_ca_certs() if "notAfter" in one]


def days_left(text: str, now: float | None = None) -> float | None:
    """Return how many days are left of the certificate that runs out first."""
    end = first_end(text)
    return None if end is None else (end - (time.time() if now is None else now)) / _DAY_SECONDS


def with_usual(text: str, usual: tuple[str, ...] = _USUAL) -> bytes:
    """Return the certificates together with those that this machine trusts anyway, as far as it has any."""
    for name in usual:
        try:
            return Path(name).read_bytes().rstrip() + b"\n" + text.encode()
        except OSError:
            continue  # another distribution's place
    import certifi  # noqa: PLC0415 - only where the system has none of its own

    return Path(certifi.where()).read_bytes().rstrip() + b"\n" + text.encode()


def _loaded(text: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=text)  # ValueError for an empty one
    return context


class Places:
    """Counts what is taken, in total and by each peer, against a limit for each."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self.most = most
        self.most_of_one = most_of_one
        self.taken = 0
        self._by_peer: dict[str, int] = {}

    def of(self, peer: str) -> int:
        """Return what ``peer`` has taken."""
        return self._by_peer.get(peer, 0)

    def take(self, peer: str, amount: int = 1) -> bool:
        """Take ``amount`` for ``peer``; False, and nothing is taken, when that is more than there is."""
        of_one = self._by_peer.get(peer, 0) + amount
        if self.taken + amount > self.most or of_one > self.most_of_one:
            return False
        self.taken += amount
        self._by_peer[peer] = of_one
        return True

    def give(self, peer: str, amount: int = 1) -> None:
        """Give back what was taken."""
        self.taken -= amount
        left = self._by_peer.get(peer, 0) - amount
        if left > 0:
            self._by_peer[peer] = left
        else:
            self._by_peer.pop(peer, None)  # peers come and go for as long as the process lives


@dataclass(frozen=True, slots=True)
class NetworkRules:
    """The group ``network`` of the settings. No address holds a login.

    ``proxy_login`` and ``index_login`` name secrets, each a line USER:PASSWORD of whoever's job it is. "" and () mean
    that nothing is said.
    """

    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: tuple[str, ...] = ()
    proxy_login: str = ""
    ca_bundle: str = ""
    package_index: str = ""
    extra_indexes: tuple[str, ...] = ()
    index_login: str = ""
    wheelhouse: str = ""

    @property
    def has_proxy(self) -> bool:
        return bool(self.http_proxy or self.https_proxy)


def network_of(store: SettingsStore) -> NetworkRules:
    """Return what the settings say now."""
    return NetworkRules(
        http_proxy=store.text("network.http_proxy"),
        https_proxy=store.text("network.https_proxy"),
        no_proxy=entries(store.text("network.no_proxy")),
        proxy_login=store.text("network.proxy_login"),
        ca_bundle=store.text("network.ca_bundle"),
        package_index=store.text("network.package_index"),
        extra_indexes=entries(store.text("network.extra_indexes")),
        index_login=store.text("network.index_login"),
        wheelhouse=store.text("network.wheels"),
    )


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
