"""One window for each user and data folder: a second start hands over to the first and ends with 0.

A lock that the kernel gives back however the first one ended decides who is first; the local socket,
in the user's private runtime folder, only carries the request to come up.
"""

import hashlib
import json
import os
import time

from PySide6.QtCore import QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from mlops_desk.base.lock import FolderLock
from mlops_desk.base.paths import runtime_folder

HAND_OVER_SECONDS = 5.0
_TRY_MILLISECONDS = 300
_LIMIT_BYTES = 4096


class Instance(QObject):
    """Either the first window, which hears ``asked_up``, or a later one, which hands over."""

    asked_up = Signal(str)

    def __init__(self, data_dir_text: str) -> None:
        super().__init__()
        digest = hashlib.sha256(f"{os.getuid()}:{data_dir_text}".encode()).hexdigest()[:12]
        folder = runtime_folder()
        self._name = str(folder / f"window-{digest}.sock")
        self._lock = FolderLock(folder / f"window-{digest}.lock")
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._greet)

    def is_first(self) -> bool:
        """Become the one window; False when there is one already."""
        if not self._lock.acquire():
            return False
        QLocalServer.removeServer(self._name)
        self._server.listen(self._name)
        return True

    def hand_over(self) -> bool:
        """Ask the first window to come up; False when it doesn't answer."""
        token = os.environ.get("XDG_ACTIVATION_TOKEN") or os.environ.get("DESKTOP_STARTUP_ID") or ""
        deadline = time.monotonic() + HAND_OVER_SECONDS
        while time.monotonic() < deadline:
            socket = QLocalSocket()
            socket.connectToServer(self._name)
            if socket.waitForConnected(_TRY_MILLISECONDS):
                socket.write(json.dumps({"token": token}).encode() + b"\n")
                answered = socket.waitForReadyRead(int(HAND_OVER_SECONDS * 1000))
                socket.disconnectFromServer()
                return answered
            time.sleep(0.05)
        return False

    def end(self) -> None:
        """Stop listening, so that the next start is the first."""
        self._server.close()
        self._lock.release()

    def _greet(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            socket.disconnected.connect(socket.deleteLater)
            socket.readyRead.connect(self._read)
            if socket.bytesAvailable():
                self._hear(socket)

    def _read(self) -> None:
        socket = self.sender()
        if isinstance(socket, QLocalSocket):
            self._hear(socket)

    def _hear(self, socket: QLocalSocket) -> None:
        if not socket.canReadLine():
            if socket.bytesAvailable() > _LIMIT_BYTES:
                socket.abort()
            return
        try:
            request = json.loads(bytes(socket.readLine(_LIMIT_BYTES).data()))
            token = str(request.get("token", "")) if isinstance(request, dict) else ""
        except ValueError:
            socket.abort()
            return
        socket.write(b"up\n")
        socket.flush()
        self.asked_up.emit(token)
