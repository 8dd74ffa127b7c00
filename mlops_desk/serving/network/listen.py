"""The setting that says where: a numeric address of this machine and a port. Pure."""

import ipaddress
import re
from dataclasses import dataclass

from mlops_desk.base.errors import Hint, Invalid
from mlops_desk.base.text import plain

SETTING = "serving.listen"
_FORM = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9.]{7,15})):([0-9]{1,5})")
_HINT = Hint(f"mlops-desk settings set {SETTING} 0.0.0.0:8443", before="For all addresses of this machine: ")
_MOST_PORT = 65_535  # TCP has 16 bits for it


@dataclass(frozen=True, slots=True)
class ListenPlace:
    """Where the gateway is to listen. ``is_everywhere``: at all addresses of this machine."""

    address: str
    port: int

    @property
    def is_everywhere(self) -> bool:
        return ipaddress.ip_address(self.address).is_unspecified

    def __str__(self) -> str:
        return f"{bracketed(self.address)}:{self.port}"


def bracketed(host: str) -> str:
    """Return a name or an address as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def parse(text: str) -> ListenPlace | None:
    """Return what the setting means; None for nowhere. Raises Invalid."""
    if not text:
        return None
    found = _FORM.fullmatch(text)
    if found is None:
        raise Invalid(f"{plain(text, 100)} is no address with a port, such as 0.0.0.0:8443 or [::]:8443.", _HINT)
    six, four, port = found.groups()
    try:
        address = ipaddress.IPv6Address(six) if six else ipaddress.IPv4Address(four)
    except ValueError as error:
        raise Invalid(f"{plain(six or four)} is no address of a machine.", _HINT) from error
    if not 0 < int(port) <= _MOST_PORT:
        raise Invalid(f"{port} is no port: they go from 1 to {_MOST_PORT}.", _HINT)
    if address.is_multicast:
        raise Invalid(f"{address} is an address of many machines.", _HINT)
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped  # another way to write it, which kernels and Python spell differently
        elif address.is_link_local:
            text = f"{address} is an address within one cable or radio, which nobody reaches by it alone."
            raise Invalid(text, Hint(f"mlops-desk settings set {SETTING} [::]:{port}", before="For all addresses: "))
    return ListenPlace(str(address), int(port))
