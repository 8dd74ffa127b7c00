"""Stores for the reader's tests, on both databases: a small unfriendly one for each test."""

import shutil
from contextlib import contextmanager

import pytest

from mlops_desk.registry.store.reader import SqlReader
from tests.postgres_server import postgres_server
from tests.registry_reading import postgres_source, sqlite_source
from tests.registry_stores import small_postgres, small_store
from tests.registry_writers import Writer

N_RUNS = 120


@pytest.fixture(scope="session")
def postgres():
    """A server with one filled database that others are made from."""
    with postgres_server() as server:
        server.filled = server.new_database()
        small_postgres(server.uri(server.filled), N_RUNS, seed=1)
        yield server


@pytest.fixture(scope="session")
def filled_file(tmp_path_factory):
    return small_store(tmp_path_factory.mktemp("stores") / "filled.db", N_RUNS, seed=1)


@contextmanager
def opened(source, target):
    reader, writer = SqlReader(source), Writer(target)
    yield reader, writer
    reader.close()
    writer.close()


@pytest.fixture
def file_store(filled_file, tmp_path):
    """A reader of an SQLite file, and a writer to it."""
    path = tmp_path / "mlflow.db"
    shutil.copyfile(filled_file, path)
    with opened(sqlite_source(path), str(path)) as pair:
        yield pair


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request):
    """A reader and a writer, of each database."""
    if request.param == "sqlite":
        yield request.getfixturevalue("file_store")
        return
    server = request.getfixturevalue("postgres")
    uri = server.uri(server.new_database(template=server.filled))
    with opened(postgres_source(uri), uri) as pair:
        yield pair
