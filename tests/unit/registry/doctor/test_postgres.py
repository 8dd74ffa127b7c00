"""A store in a real PostgreSQL: what is found in it, what mends it, and that a login never stands in a message."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from mlops_desk.kit.base.errors import Invalid, Unavailable
from mlops_desk.registry.doctor import postgres, worker
from mlops_desk.registry.records.doctor import FindingState, StoreFinding
from tests.postgres_server import PASSWORD, PostgresServer, postgres_server
from tests.registry_stores import small_postgres

pytestmark = pytest.mark.timeout(240)
SHOWN = "postgresql://db.example/mlflow"
INDEX = "index_metrics_run_uuid_key_step"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as made:
        yield made


@pytest.fixture(scope="module")
def uri(server: PostgresServer) -> str:
    made = server.uri(server.new_database())
    small_postgres(made, n_runs=1200)
    return made


def change(uri: str, *statements: str) -> None:
    with psycopg.connect(uri, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def findings(uri: str) -> dict[str, StoreFinding]:
    with closing(postgres.ServerStore(uri, SHOWN)) as store:
        report = worker.server_report(store, SHOWN, store.size_bytes())
    assert report.size_bytes is not None
    assert sum(one.n_runs for one in report.experiments) == 1200
    assert sum(one.n_metric_points for one in report.experiments) > 1200
    return {one.check: one for one in report.findings}


@pytest.mark.slow
def test_a_server_that_never_counted_its_rows_is_counted(uri: str) -> None:
    change(uri, "ALTER TABLE metrics SET (autovacuum_enabled = off)", "SELECT pg_stat_reset()")
    change(
        uri, "INSERT INTO tags SELECT 'k' || n, 'v', (SELECT min(run_uuid) FROM runs) FROM generate_series(1, 1500) n"
    )
    postgres_waits(uri)
    before = findings(uri)
    assert before["statistics"].fix == "analyze"
    done = postgres.mend(uri, SHOWN, "analyze")
    assert done.backup is None
    assert "no copy was made" in done.text
    after = findings(uri)
    assert after["statistics"].state is FindingState.OK
    assert FindingState.UNKNOWN not in {one.state for one in after.values()}


def postgres_waits(uri: str) -> None:
    """Let the server write down what it has counted so far."""
    change(uri, "SELECT pg_stat_force_next_flush()")


@pytest.mark.slow
def test_an_index_that_lacks_is_made_while_writers_go_on(uri: str) -> None:
    change(uri, f"DROP INDEX {INDEX}")
    assert findings(uri)["indexes"].fix == "index"
    postgres.mend(uri, SHOWN, "index")
    assert findings(uri)["indexes"].state is FindingState.OK
    with psycopg.connect(uri) as connection:
        names = connection.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'metrics'").fetchall()
    assert ("mlops_desk_metrics_run_key_step",) in names


def test_what_is_only_for_files_is_refused_and_nothing_is_ever_written_while_looking(uri: str) -> None:
    with pytest.raises(Invalid, match="no fix"):
        postgres.mend(uri, SHOWN, "wal")
    with closing(postgres.ServerStore(uri, SHOWN)) as store, pytest.raises(Unavailable, match="read-only"):
        store.rows("DELETE FROM tags")


def test_a_server_that_is_gone_or_refuses_is_told_without_the_login(server: PostgresServer) -> None:
    for wrong in (
        server.uri("nothing"),
        server.uri("postgres", password="wrong"),
        f"postgresql://desk:{'s3cret'}@127.0.0.1:1/x",
    ):
        with pytest.raises(Unavailable) as caught:
            postgres.ServerStore(wrong, SHOWN)
        told = f"{caught.value.message} {caught.value.hint}"
        assert SHOWN in told
        assert PASSWORD not in told
        assert "s3cret" not in told
        assert "wrong" not in told.replace("wrong password", "")
