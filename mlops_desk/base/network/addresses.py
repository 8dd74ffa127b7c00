"""Addresses of proxies, package indexes and hosts that are reached without a proxy: split, and judged. Pure."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from mlops_desk.base.errors import Hint, Invalid
from mlops_desk.base.text import plain

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
