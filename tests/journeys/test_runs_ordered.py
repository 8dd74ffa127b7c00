"""Runs are sorted and filtered as MLflow's own client does it, by its server and out of the mirror's memory."""

from pathlib import Path

import pytest

from mlops_desk.registry.mirror.mirror_registry import MirroredRegistry
from tests.end2end.compared_queries import compared
from tests.end2end.hard_orders import ordered_store
from tests.registry_reading import sqlite_source
from tests.registry_stores import small_store

pytestmark = [pytest.mark.end2end]


def test_runs_are_sorted_and_filtered_as_mlflows_own_client_does_it(tmp_path: Path) -> None:
    with ordered_store(tmp_path) as (registries, uri, truth):
        client, mirror = registries.open(uri), registries.read(uri)
        assert isinstance(mirror, MirroredRegistry)
        assert not isinstance(client, MirroredRegistry)
        for registry in (client, mirror):
            orders = {sort: [run.run_id for run in registry.runs("hard", sort, limit=1000)] for sort in truth}
            assert [sort for sort, right in truth.items() if orders[sort] != right] == []
    store = small_store(tmp_path / "store.db", 200, 5)
    told = compared(sqlite_source(store), f"sqlite:///{store}", 60)
    assert (told.n_found > 12, told.n_refused > 1) == (True, True), told
