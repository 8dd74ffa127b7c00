"""What runs of the tests leave at a container engine, and clearing it away: theirs alone, never what a person made.

Images of the tests carry the label below, and so does each image that was built on one of them. The build cache bears
no names: cleared is what came while the run ran, that no build is using and no image that is left shares.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlparse

if TYPE_CHECKING:
    from collections.abc import Mapping

LABEL = "io.mlops-desk.test"
OLD_SECONDS = 3 * 3600
"""Chosen: thrice what a run may take, so no other run on this machine still needs them."""
ANSWER_SECONDS = 120
"""Chosen: an engine that has gigabytes to remove, on a busy disk."""
CACHE_AT_ONCE = 100
"""Of their names in one request: these 2,600 letters fit any address."""
REFUSED = 400


class Line(Protocol):
    """The way to an engine."""

    def ask(self, method: str, path: str) -> tuple[int, Any]:
        """Return status and document. Raises OSError, ValueError, HTTPException."""


class _Socket(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("engine", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ANSWER_SECONDS)
        self.sock.connect(self._path)


class SocketLine:
    """To an engine on this machine."""

    def __init__(self, path: str) -> None:
        self._path = path

    def ask(self, method: str, path: str) -> tuple[int, Any]:
        connection = _Socket(self._path)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()


def line_to(env: Mapping[str, str]) -> SocketLine | None:
    """Return the way to the engine of this machine; none to one elsewhere, whose disk is not ours."""
    host = urlparse(env.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    return SocketLine(host.path) if host.scheme == "unix" else None


class Traces:
    """What is at the engine behind `line`. What it does not answer is said in the sentences, and clears nothing."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def folder(self) -> Path | None:
        """Return the folder in which it keeps everything; None where it does not tell."""
        told = self._asked("GET", "/info")
        root = told.get("DockerRootDir") if isinstance(told, dict) else None
        return Path(root) if isinstance(root, str) and root else None

    def all(self) -> dict[str, list[str]] | None:
        """Return the names of the tests' images and of all build cache; None where it does not tell."""
        images, cache = self._images(), self._cache()
        if images is None or cache is None:
            return None
        return {"images": [one["Id"] for one in images], "cache": [one["ID"] for one in cache]}

    def unused_cache_bytes(self) -> int | None:
        """Return what a person could have back of the build cache, in bytes; None where it does not tell."""
        cache = self._cache()
        return None if cache is None else sum(one["Size"] for one in cache if _is_free(one))

    def clear_old(self) -> str:
        """Remove the images of runs that are long over. Returns what to say."""
        images = self._images()
        if images is None:
            return "The engine does not tell which images of tests it has, so none is cleared away."
        limit = time.time() - OLD_SECONDS
        return self._remove([one["Id"] for one in images if one["Created"] < limit], "earlier runs")

    def clear_new(self, before: Mapping[str, list[str]]) -> str:
        """Remove images and build cache that came since `all` gave `before`. Returns what to say."""
        images = self._images()
        if images is None:
            return "The engine does not tell which images of tests it has, so none is cleared away."
        said = self._remove([one["Id"] for one in images if one["Id"] not in before["images"]], "this run")
        cache = self._cache()  # now that those images are gone, it is shared with what stays alone
        if cache is None:
            return f"{said} Of its build cache the engine tells nothing, so all is left."
        ours = [one["ID"] for one in cache if one["ID"] not in before["cache"] and _is_free(one)]
        freed = 0
        for start in range(0, len(ours), CACHE_AT_ONCE):
            chosen = quote(json.dumps({"id": ["|".join(ours[start : start + CACHE_AT_ONCE])]}))
            freed += self._prune(f"&filters={chosen}")
        return f"{said} Build cache of this run that was cleared away: {freed / 10**9:.1f} GB."

    def clear_containers(self) -> int:
        """Remove the containers of tests, running or not. Returns how many."""
        told = self._asked("GET", f"/containers/json?all=1&filters={quote(json.dumps({'label': [LABEL]}))}")
        found = [one["Id"] for one in told] if isinstance(told, list) else []
        # What the engine answers is no document: asked once more, it knows those no longer that are gone.
        for one in found:
            self._asked("DELETE", f"/containers/{one}?force=1&v=1")
        left = self._asked("GET", f"/containers/json?all=1&filters={quote(json.dumps({'label': [LABEL]}))}")
        still = {one["Id"] for one in left} if isinstance(left, list) else set(found)
        return len(set(found) - still)

    def clear_cache(self) -> str:
        """Remove all build cache that nothing uses, whoever made it. Returns what to say."""
        return f"Build cache that nothing used, cleared away: {self._prune('') / 10**9:.1f} GB."

    def _prune(self, filters: str) -> int:
        told = self._asked("POST", f"/build/prune?all=1{filters}")
        return told.get("SpaceReclaimed", 0) if isinstance(told, dict) else 0

    def _remove(self, images: list[str], whose: str) -> str:
        """Remove images that no container uses; whoever is built on must wait for what is built on it."""
        removed, left = 0, images
        while left:
            still = [one for one in left if self._asked("DELETE", f"/images/{one}?force=1") is None]
            removed += len(left) - len(still)
            if len(still) == len(left):
                break
            left = still
        kept = f", and {len(left)} are in use" if left else ""
        return f"Images of the tests that {whose} left: {removed} were cleared away{kept}."

    def _images(self) -> list[dict[str, Any]] | None:
        told = self._asked("GET", f"/images/json?filters={quote(json.dumps({'label': [LABEL]}))}")
        return told if isinstance(told, list) else None

    def _cache(self) -> list[dict[str, Any]] | None:
        told = self._asked("GET", "/system/df?type=build-cache")
        return told["BuildCache"] or [] if isinstance(told, dict) and "BuildCache" in told else None

    def _asked(self, method: str, path: str) -> Any:
        """Return the document, and None where the engine refuses or does not answer."""
        try:
            status, told = self._line.ask(method, path)
        except (OSError, ValueError, http.client.HTTPException):
            return None
        return told if status < REFUSED else None


def _is_free(record: Mapping[str, Any]) -> bool:
    return not record["InUse"] and not record["Shared"]
