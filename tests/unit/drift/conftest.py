"""What tests that compare small files share."""

import pytest

from mlops_desk.kit.storage.data_files import connect


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    with connect(tmp_path_factory.mktemp("database")) as database:
        database.execute("SET TimeZone = 'UTC'")
        yield database


@pytest.fixture
def one_database(database, monkeypatch):
    """Give each comparison a connection to one database: opening one costs more than comparing small files."""
    monkeypatch.setattr("mlops_desk.drift.workspace.connect", lambda _folder, **_limits: database.cursor())
