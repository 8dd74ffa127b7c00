"""Who is at the other end of a connection: on loopback the user whose process opened it, else the address.

All of this machine's programs come from 127.0.0.1; the kernel's socket diagnostics (sock_diag(7)) tell
whose socket it is, for one connection at a time and to anybody who asks.
"""

import contextlib
import ipaddress
import logging
import os
import socket
import struct

_log = logging.getLogger(__name__)

_NETLINK_SOCK_DIAG = 4  # linux/netlink.h
_SOCK_DIAG_BY_FAMILY = 20  # linux/sock_diag.h
_REQUEST = 1  # NLM_F_REQUEST of linux/netlink.h
_ALL_STATES = 0xFFFFFFFF  # one bit for each state of TCP
_NO_COOKIE = b"\xff" * 8
_HEADER = struct.Struct("=IHHII")
# inet_diag_msg: family, state and two more bytes; the socket's name (48 bytes); expires, two queues, uid, inode.
_UID_AT = _HEADER.size + 4 + 48 + 3 * 4
_ANSWER_BYTES = 8192  # a page or two is what netlink sends at once
UNKNOWN = "unknown"

Address = tuple[str, int]


class Peers:
    """Names the peers of a listening socket, at ``here``. For one thread: a question and its answer at a time."""

    def __init__(self, here: Address) -> None:
        self._here = here
        self._kernel: socket.socket | None = None
        with contextlib.suppress(OSError):
            self._kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG)
            self._kernel.setblocking(False)
        if self._uid_of(here, ("0.0.0.0", 0)) != os.getuid():  # noqa: S104 - the other end of a socket that listens
            _log.warning("The kernel does not tell whose connections come in; all users share one limit")
            self.close()

    def name(self, peer: Address | None, here: Address | None = None) -> str:
        """Return ``user UID`` for a peer on this machine, ``address IP`` for another, ``unknown`` if it is gone.

        ``here`` is where it was accepted, if that is another address than the one this was made for: whoever comes
        from that very address is on this machine too.
        """
        if peer is None:
            return UNKNOWN
        here = here or self._here
        if peer[0] != here[0] and not ipaddress.ip_address(peer[0]).is_loopback:
            return f"address {peer[0]}"
        uid = self._uid_of(peer, here)
        return UNKNOWN if uid is None else f"user {uid}"

    def close(self) -> None:
        """Ask the kernel no more."""
        if self._kernel is not None:
            self._kernel.close()
            self._kernel = None

    def _uid_of(self, peer: Address, here: Address) -> int | None:
        if self._kernel is None:
            return None
        try:
            self._kernel.sendto(question(peer, here), (0, 0))
            return uid_in(self._kernel.recv(_ANSWER_BYTES))  # the kernel answers before sendto returns
        except OSError:
            return None


def question(peer: Address, here: Address) -> bytes:
    """Return the message that asks for the socket bound to ``peer`` and connected to ``here``, of IPv4 or IPv6."""
    family = socket.AF_INET6 if ":" in here[0] else socket.AF_INET
    packed = (socket.inet_pton(family, end[0]) for end in (peer, here))
    ends = struct.pack("!HH16s16s", peer[1], here[1], *packed)  # an address of IPv4 fills the first four bytes
    asked = struct.pack("=BBBxI", family, socket.IPPROTO_TCP, 0, _ALL_STATES) + ends + struct.pack("=I", 0)
    body = asked + _NO_COOKIE
    return _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _REQUEST, 1, 0) + body


def uid_in(answer: bytes) -> int | None:
    """Return the uid that an answer names; None for an error, such as that the socket is gone."""
    if len(answer) < _UID_AT + 8:
        return None
    _, kind, *_ = _HEADER.unpack_from(answer)
    uid, inode = struct.unpack_from("=II", answer, _UID_AT)
    # A socket that nobody holds any more has no inode, and its uid reads 0, which would be root's.
    return uid if kind == _SOCK_DIAG_BY_FAMILY and inode else None
