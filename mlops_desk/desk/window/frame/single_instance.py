"""One window for each user and address: a second start hands over to the first, with where to go, and ends with 0.

A lock that the kernel gives back however the first one ended decides who is first; the local socket,
in the user's private runtime folder, only carries the request to come up.
"""

import hashlib
import os
import time
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QObject, Signal

from mlops_desk.kit.base.disk.lock import FolderLock
from mlops_desk.kit.base.disk.paths import runtime_folder

if TYPE_CHECKING:
    from PySide6.QtNetwork import QLocalServer, QLocalSocket

HAND_OVER_SECONDS = 5.0  # chosen: the first window may be starting, or be busy for a moment
_TRY_MILLISECONDS = 300  # chosen: a local socket answers at once
_LIMIT_BYTES = 4096  # chosen: a request is one line of some words


class Instance(QObject):
    """Either the first window, which hears ``asked_up``, or a later one, which hands over.

    ``asked_to`` carries the address (``mlops-desk://…``) of what is to be shown, where there is one.
    """

    asked_up = Signal(str)
    asked_to = Signal(str)

    def __init__(self, address_text: str) -> None:
        super().__init__()
        digest = hashlib.sha256(f"{os.getuid()}:{address_text}".encode()).hexdigest()[:12]
        folder = runtime_folder()
        self._name = str(folder / f"window-{digest}.sock")
        self._lock = FolderLock(folder / f"window-{digest}.lock")
        self._server: QLocalServer | None = None

    def is_first(self) -> bool:
        """Become the one window; False when there is one already."""
        return self._lock.acquire()

    def listen(self) -> None:
        """Hear of later starts from now on; one that came earlier tries until it is heard."""
        from PySide6.QtNetwork import QLocalServer  # noqa: PLC0415 - 5 ms that the first paint need not wait for

        QLocalServer.removeServer(self._name)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._greet)
        self._server.listen(self._name)

    def hand_over(self, destination: str = "") -> bool:
        """Ask the first window to come up, and to go somewhere; False when it doesn't answer."""
        import json  # noqa: PLC0415 - only the second start needs it

        from PySide6.QtNetwork import QLocalSocket  # noqa: PLC0415 - as above

        token = os.environ.get("XDG_ACTIVATION_TOKEN") or os.environ.get("DESKTOP_STARTUP_ID") or ""
        deadline = time.monotonic() + HAND_OVER_SECONDS
        while time.monotonic() < deadline:
            socket = QLocalSocket()
            socket.connectToServer(self._name)
            if socket.waitForConnected(_TRY_MILLISECONDS):
                socket.write(json.dumps({"token": token, "open": destination}).encode() + b"\n")
                answered = socket.waitForReadyRead(int(HAND_OVER_SECONDS * 1000))
                socket.disconnectFromServer()
                return answered
            time.sleep(0.05)
        return False

    def end(self) -> None:
        """Stop listening, so that the next start is the first."""
        if self._server is not None:
            self._server.close()
        self._lock.release()

    def _greet(self) -> None:
        while self._server is not None and (socket := self._server.nextPendingConnection()) is not None:
            socket.disconnected.connect(socket.deleteLater)
            socket.readyRead.connect(self._read)
            if socket.bytesAvailable():
                self._hear(socket)

    def _read(self) -> None:
        socket = self.sender()
        if socket is not None:
            self._hear(cast("QLocalSocket", socket))  # only sockets are connected to this

    def _hear(self, socket: "QLocalSocket") -> None:
        if not socket.canReadLine():
            if socket.bytesAvailable() > _LIMIT_BYTES:
                socket.abort()
            return
        import json  # noqa: PLC0415 - as above

        try:
            request = json.loads(bytes(socket.readLine(_LIMIT_BYTES).data()))
            told = request if isinstance(request, dict) else {}
            token, destination = str(told.get("token", "")), str(told.get("open", ""))
        except ValueError:
            socket.abort()
            return
        socket.write(b"up\n")
        socket.flush()
        self.asked_up.emit(token)
        if destination:
            self.asked_to.emit(destination)
