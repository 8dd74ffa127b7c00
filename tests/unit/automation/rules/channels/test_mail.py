"""Mail to a server that speaks SMTP: with TLS and a login, refused, rude and silent."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.automation.rules.channels import mail
from mlops_desk.kit.base.errors import Refused, Unavailable
from tests.certificates import sign
from tests.mail_server import MailServer

AUTHORITY = sign("Laboratory", authority=True)
Start = Callable[..., MailServer]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start servers whose certificate is of an authority that is trusted here."""
    monkeypatch.setenv("SSL_CERT_FILE", str(AUTHORITY.write(tmp_path / "ca.pem")))
    started: list[MailServer] = []

    def begin(security: str = "none", name: str = "localhost", **more: Any) -> MailServer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sign(name, AUTHORITY).write(tmp_path / f"{name}.pem"))
        started.append(MailServer(security, context, **more))
        return started[-1]

    yield begin
    for one in started:
        one.close()


def send(
    server: MailServer, security: str = "none", login: str = "", to: tuple[str, ...] = ("ann@example.org",)
) -> None:
    place = mail.MailServer(f"localhost:{server.port}", security, "desk@example.org", to, login)
    mail.send(place, mail.letter(place, "GPU 0 is höt", "It is 90 °C.\n.\nReally.", "k/1", 0.0))


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_goes_out_encrypted_and_with_the_login(start: Start, security: str) -> None:
    server = start(security, login="ann:s3cret:more")
    send(server, security, "ann:s3cret:more", ("ann@example.org", "bob@example.org"))
    ((to, text),) = server.mails
    assert to == ["ann@example.org", "bob@example.org"]
    assert "Auto-Submitted: auto-generated" in text
    with pytest.raises(Refused, match="does not take the login") as refused:
        send(server, security, "ann:wrong")
    assert "wrong" not in f"{refused.value}{refused.value.hint}"
    assert len(server.mails) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_nothing_is_said_to_a_server_that_is_not_trusted(start: Start, security: str) -> None:
    server = start(security, "other.example", login="ann:secret")
    with pytest.raises(Unavailable, match="is not trusted, or does not speak TLS"):
        send(server, security, "ann:secret")
    assert (server.mails, "AUTH" in server.commands) == ([], False)


def test_a_server_without_what_is_wanted_is_told_and_gets_no_login(start: Start) -> None:
    server = start("none", login="ann:secret")
    with pytest.raises(Refused, match="does not offer STARTTLS"):
        send(server, "starttls", "ann:secret")
    assert "AUTH" not in server.commands
    with pytest.raises(Refused, match="takes no login"):
        send(start("starttls"), "starttls", "ann:secret")


def test_who_does_not_get_it_is_named_though_others_do(start: Start) -> None:
    server = start(refused=("bob@example.org",))
    with pytest.raises(Refused, match=r"takes no mail for bob@example\.org") as refused:
        send(server, to=("ann@example.org", "bob@example.org"))
    assert "(1 of 2; the other has it)" in str(refused.value)
    assert server.mails[0][0] == ["ann@example.org"]
    with pytest.raises(Refused, match=r"takes no mail for bob@example\.org"):
        send(server, to=("bob@example.org",))
    assert len(server.mails) == 1


@pytest.mark.parametrize(
    ("answers", "kind", "said"),
    [
        ({"DATA": "451 greylisted, come again"}, Unavailable, "answered 451: greylisted, come again"),
        ({"DATA": "554 it is spam\x1b[2J"}, Refused, "answered 554: it is spam"),
        ({"MAIL": "530 not from there"}, Refused, "530: not from there"),
        ({"MAIL": "500 what is that"}, Refused, "500: what is that"),
        ({"MAIL": "499 not now"}, Unavailable, "499: not now"),
    ],
)
def test_what_may_pass_is_tried_again_and_what_lasts_is_not(start: Start, answers, kind, said: str) -> None:
    with pytest.raises(kind, match=said) as error:
        send(start(answers=answers))
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize("word", ["EHLO", "RCPT", "DATA"])
def test_a_server_that_hangs_is_left_at_the_deadline(start: Start, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setattr(mail, "DEADLINE_SECONDS", 0.2)
    with pytest.raises(Unavailable, match=r"can't be reached: .*timed out"):
        send(start(answers={word: None}))


def test_nobody_there_is_told_and_an_address_of_six_bytes_is_one() -> None:
    place = mail.MailServer("[::1]:1", "none", "desk@example.org", ("ann@example.org",))
    assert (place.host, place.port) == ("::1", 1)
    assert [(one.host, one.port) for one in (replace(place, address="::1"), replace(place, address="[::1]"))] == [
        ("::1", 25), ("::1", 25),
    ]  # fmt: skip
    with pytest.raises(Unavailable, match=r"\[::1\]:1 can't be reached"):
        mail.send(place, mail.letter(place, "hot", "body", "k", 0.0))
