"""Sources of registries for tests of readers."""

from pathlib import Path

from mlops_desk.records.registry.tracker import TrackerKind
from mlops_desk.registry.reading.source import RegistrySource


def sqlite_source(path: Path) -> RegistrySource:
    return RegistrySource(TrackerKind.SQLITE, f"sqlite:///{path}", f"sqlite:///{path}", path)


def postgres_source(uri: str) -> RegistrySource:
    return RegistrySource(TrackerKind.DATABASE, uri, "postgresql://127.0.0.1/…")
