"""One mail by SMTP: written so that nothing of a rule's text becomes a header, and sent within a deadline.

The server is one that an administrator named. A login is never sent over a connection that is not encrypted.
"""

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from hashlib import sha256

from mlops_desk.base.errors import Hint, Invalid, Refused, Unavailable
from mlops_desk.base.text import plain

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
        return self.address.rpartition(":")[0] or self.address

    @property
    def port(self) -> int:
        host, _, port = self.address.rpartition(":")
        return int(port) if host else _PORTS[self.security]


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
    shown = plain(f"{server.host}:{server.port}")
    try:
        with _connected(server) as connection:
            if server.login:
                user, _, password = server.login.partition(":")
                connection.login(user, password)
            connection.send_message(message)
    except smtplib.SMTPAuthenticationError as error:  # what the server says may quote the login
        raise Refused(f"The mail server {shown} does not take the login.", _SETTINGS) from error
    except smtplib.SMTPRecipientsRefused as error:
        names = ", ".join(plain(name, 100) for name in error.recipients)
        raise Refused(f"The mail server {shown} takes no mail for {names}.", _SETTINGS) from error
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        text = f"The mail server {shown} answered {error.smtp_code}: {plain(said, 200)}"
        lasting = 500 <= error.smtp_code < 600  # RFC 5321: trying again changes nothing
        raise (Refused if lasting else Unavailable)(text) from error
    except ssl.SSLError as error:
        text = (
            f"The mail server {shown} is not trusted, or does not speak TLS: {plain(error.reason or 'no reason', 80)}."
        )
        raise Unavailable(text, _SETTINGS) from error
    except (OSError, smtplib.SMTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise Unavailable(f"The mail server {shown} can't be reached: {plain(why, 200)}.") from error


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
