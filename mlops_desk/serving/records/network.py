"""The gateway's way in from other machines: where, by which certificate, and what keeps it shut."""

from dataclasses import dataclass
from enum import StrEnum

from mlops_desk.jobs.records.reason import Reason


class EntranceState(StrEnum):
    """How the way in stands. ``OPENING``: it is wanted, and the gateway has not said yet what became of it."""

    OFF = "off"
    OPENING = "opening"
    OPEN = "open"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class NetworkAddress:
    """An endpoint's address for other machines; None for one that has none, which ``reason`` explains.

    ``certificate`` is the PEM file that callers trust, None where the certificate was given by a setting;
    ``fingerprint`` its SHA-256, as ``openssl x509 -fingerprint`` writes it.
    """

    url: str | None = None
    certificate: str | None = None
    fingerprint: str | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class NetworkEntrance:
    """The way in as a whole. ``listen`` is ADDRESS:PORT as it was set, ``url`` what addresses of endpoints begin with.

    ``names`` are what the certificate is for, until the Unix time ``expires_at``. ``pem`` is what callers trust: the
    desk's own authority with ``is_own``, else the certificate that was given; ``certificate`` is its file.
    """

    state: EntranceState
    listen: str = ""
    url: str | None = None
    names: tuple[str, ...] = ()
    expires_at: float | None = None
    is_own: bool = True
    certificate: str | None = None
    fingerprint: str | None = None
    reason: Reason | None = None
    pem: str | None = None
