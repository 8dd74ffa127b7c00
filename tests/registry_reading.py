"""Sources of registries for tests of readers."""

from pathlib import Path

from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import TrackerKind


def sqlite_source(path: Path) -> RegistrySource:
    return RegistrySource(TrackerKind.SQLITE, f"sqlite:///{path}", f"sqlite:///{path}", path)


def postgres_source(uri: str) -> RegistrySource:
    return RegistrySource(TrackerKind.DATABASE, uri, "postgresql://127.0.0.1/…")
