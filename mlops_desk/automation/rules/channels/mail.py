"""One mail by SMTP: written so that nothing of a rule's text becomes a header, and sent within a deadline.

The server is one that an administrator named. A login is never sent over a connection that is not encrypted.
"""

import smtplib
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from hashlib import sha256

from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, Refused, Unavailable
from mlops_desk.kit.base.text import plain

DEADLINE_SECONDS = 20.0
"""Chosen: for one answer of the server; one that looks senders up takes some seconds."""
_SUBJECT = 200  # chosen: lists of mails show less
_PORTS = {"tls": 465, "starttls": 587, "none": 25}  # RFC 8314 and RFC 6409
_SETTINGS = Hint("mlops-desk settings list", after=" shows those of mail (notify.…).")


@dataclass(frozen=True, slots=True)
class MailServer:
    """``address`` is HOST or HOST:PORT, ``security`` tls, starttls or none; ``login`` USER:PASSWORD, or ""."""

    address: str
    security: str
    sender: str
    receivers: tuple[str, ...]
    login: str = ""

    @property
    def host(self) -> str:
        return self._parts[0]

    @property
    def port(self) -> int:
        return self._parts[1] or _PORTS[self.security]

    @property
    def shown(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return plain(f"{host}:{self.port}")

    @property
    def _parts(self) -> tuple[str, int | None]:
        """Return host and port; an address of IPv6 stands in brackets before a port."""
        host, _, port = self.address.rpartition(":")
        has_port = bool(host) and port.isdecimal() and (":" not in host or host.endswith("]"))
        name = (host if has_port else self.address).removeprefix("[").removesuffix("]")
        return name, int(port) if has_port else None


def letter(server: MailServer, subject: str, text: str, key: str, at: float) -> EmailMessage:
    """Return a mail; the same ``key`` gives it the same Message-ID, by which who receives it knows a repetition."""
    message = EmailMessage()
    message["From"] = server.sender
    message["To"] = ", ".join(server.receivers)
    message["Subject"] = plain(subject, _SUBJECT)
    message["Date"] = formatdate(at)
    message["Message-ID"] = f"<{sha256(key.encode()).hexdigest()[:40]}@mlops-desk>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody on holiday answers it
    message.set_content(text)
    return message


def send(server: MailServer, message: EmailMessage) -> None:
    """Send a mail. Raises Invalid, Refused, Unavailable; each step has the deadline."""
    if not server.address or not server.sender or not server.receivers:
        raise Invalid("No mail server, sender or receiver is set.", _SETTINGS)
    if server.login and server.security == "none":
        raise Refused(
            "A login is not sent without encryption.", Hint("mlops-desk settings set notify.smtp_security tls")
        )
    try:
        with _connected(server) as connection:
            if server.login:
                user, _, password = server.login.partition(":")
                connection.login(user, password)
            refused = connection.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise _trouble(error, server) from error
    if refused:  # the others have it
        raise _not_taken(refused, server)


def _trouble(error: OSError | smtplib.SMTPException, server: MailServer) -> DeskError:
    """Return what is told of a mail that did not go; what the server says of a login may quote it."""
    shown = server.shown
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return Refused(f"The mail server {shown} does not take the login.", _SETTINGS)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return _not_taken(error.recipients, server)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        what = "takes no login" if "AUTH" in str(error) else "does not offer STARTTLS"
        return Refused(f"The mail server {shown} {what}.", _SETTINGS)
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        text = f"The mail server {shown} answered {error.smtp_code}: {plain(said, 200)}"
        lasting = 500 <= error.smtp_code < 600  # RFC 5321: trying again changes nothing
        return (Refused if lasting else Unavailable)(text)
    if isinstance(error, ssl.SSLError):
        why = plain(error.reason or "no reason", 80)
        return Unavailable(f"The mail server {shown} is not trusted, or does not speak TLS: {why}.", _SETTINGS)
    broke_off = str(error) if isinstance(error, smtplib.SMTPServerDisconnected) else ""
    why = broke_off or getattr(error, "strerror", None) or str(error) or type(error).__name__
    return Unavailable(f"The mail server {shown} can't be reached: {plain(why, 200)}.")


def _not_taken(refused: Iterable[str], server: MailServer) -> Refused:
    """Say who gets no mail, and of how many: the others have theirs, so nobody may read that none was told."""
    names = [plain(name, 100) for name in refused]
    others = len(server.receivers) - len(names)
    of = (
        f" ({len(names)} of {len(server.receivers)}; {'the other has' if others == 1 else 'the others have'} it)"
        if others
        else ""
    )
    return Refused(f"The mail server {server.shown} takes no mail for {', '.join(names)}{of}.", _SETTINGS)


def _connected(server: MailServer) -> smtplib.SMTP:
    if server.security == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(server.host, server.port, timeout=DEADLINE_SECONDS, context=context)
    connection = smtplib.SMTP(server.host, server.port, timeout=DEADLINE_SECONDS)
    if server.security == "starttls":
        try:
            connection.starttls(context=ssl.create_default_context())
        except BaseException:
            connection.close()
            raise
    return connection
