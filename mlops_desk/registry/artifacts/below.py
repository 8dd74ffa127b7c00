"""The files in one folder of others, as if it were the root of all: what a version of a model is, for one."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

from mlops_desk.records.model import Artifact
from mlops_desk.registry.artifacts.files import Files, OpenFile, parts_of


class FilesBelow:
    """The files of ``files`` in its folder ``base``; an empty one is the root itself."""

    def __init__(self, files: Files, base: str) -> None:
        self._files = files
        self._base = parts_of(base)

    def list(self, path: str) -> list[Artifact]:
        return [self._seen(one) for one in self._files.list(self._path(path))]

    def open(self, path: str, limit_bytes: int) -> AbstractContextManager[OpenFile]:
        return self._files.open(self._path(path), limit_bytes)

    def walk(self, path: str, most: int) -> Iterator[Artifact]:
        return (self._seen(one) for one in self._files.walk(self._path(path), most))

    def _path(self, path: str) -> str:
        return "/".join((*self._base, *parts_of(path)))

    def _seen(self, listed: Artifact) -> Artifact:
        return replace(listed, path="/".join(listed.path.split("/")[len(self._base) :]))
