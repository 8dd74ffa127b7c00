"""A mail server (RFC 5321, RFC 3207, RFC 4954) on this machine, as strict and as rude as a test wants it."""

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Mapping
from typing import Any

PATIENCE_SECONDS = 120.0
"""Chosen: no test waits so long; a server whose client is gone ends then."""


class MailServer:
    """Keeps the mails that it took.

    ``security`` is none, starttls or tls, ``login`` what it wants (USER:PASSWORD). ``refused`` receivers get 550, and
    ``answers`` says what a command is answered instead; one that is answered None hangs.
    """

    def __init__(
        self,
        security: str = "none",
        context: ssl.SSLContext | None = None,
        login: str | None = None,
        refused: tuple[str, ...] = (),
        answers: Mapping[str, str | None] | None = None,
    ) -> None:
        self.mails: list[tuple[list[str], str]] = []
        self.commands: list[str] = []
        self._security, self._context, self._login = security, context, login
        self._refused, self._answers = refused, dict(answers or {})
        self._ending = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE_SECONDS)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE_SECONDS)
            with contextlib.ExitStack() as open_ones, contextlib.suppress(OSError, EOFError):
                open_ones.enter_context(connection)  # who does not trust it, or has enough, hangs up
                if self._security == "tls" and self._context is not None:
                    connection = open_ones.enter_context(self._context.wrap_socket(connection, server_side=True))
                self._talk(connection, open_ones)

    def _talk(self, connection: Any, open_ones: contextlib.ExitStack) -> None:
        is_secure, to = self._security == "tls", []
        file = open_ones.enter_context(connection.makefile("rwb"))

        def say(text: str) -> None:
            file.write(f"{text}\r\n".encode())
            file.flush()

        say("220 mail.test ESMTP")
        while line := file.readline().decode().rstrip("\r\n"):
            word = line.split(" ")[0].split(":")[0].upper()
            self.commands.append(word)
            if word in self._answers:
                answer = self._answers[word]
                if answer is None:
                    self._ending.wait(PATIENCE_SECONDS)
                    return
                say(answer)
            elif word == "EHLO":
                offers = ["STARTTLS"] if self._security == "starttls" and not is_secure else []
                offers += ["AUTH PLAIN"] if self._login else []
                for offer in ["mail.test", *offers]:
                    say(f"250{' ' if offer == ['mail.test', *offers][-1] else '-'}{offer}")
            elif word == "STARTTLS" and self._context is not None:
                say("220 go ahead")
                connection = open_ones.enter_context(self._context.wrap_socket(connection, server_side=True))
                file, is_secure = open_ones.enter_context(connection.makefile("rwb")), True
            elif word == "AUTH":
                given = base64.b64decode(line.split(" ")[2]).decode().split("\0")[1:]
                user, _, password = (self._login or "").partition(":")
                say("235 welcome" if given == [user, password] else f"535 no such login: {':'.join(given)}")
            elif word == "RCPT":
                to.append(line.partition("<")[2].partition(">")[0])
                say("550 no such user" if to[-1] in self._refused else "250 yes")
            elif word == "DATA":
                say("354 go on")
                text = b""
                while (part := file.readline()) != b".\r\n":
                    text += part
                self.mails.append(([one for one in to if one not in self._refused], text.decode()))
                say("250 taken")
            elif word == "QUIT":
                say("221 bye")
                return
            else:
                say("250 yes")
