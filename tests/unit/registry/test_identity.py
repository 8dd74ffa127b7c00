"""Whether two ways to name a registry mean one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.loop import Loop
from mlops_desk.registry.identity import identity_of
from mlops_desk.registry.service import RegistryCore


@pytest.mark.parametrize(
    "spellings",
    [
        ("/data/my runs/mlflow.db", "sqlite:////data/my runs/mlflow.db", "sqlite:////data/my%20runs/mlflow.db",
         "sqlite://///data/my runs/mlflow.db", "/data/./my runs//mlflow.db", "/data/x/../my runs/mlflow.db"),
        ("sqlite:////data/100%/a#b.db", "/data/100%/a#b.db", "sqlite:////data/100%25/a%23b.db"),
        ("http://Lab:80/", "http://lab", "http://me:secret@lab:80", "http://lab/"),
        ("https://lab/mlflow", "https://lab:443/mlflow/"),
        ("file:///data/mlruns", "/data/mlruns/", "/data/mlruns"),
        ("postgresql://ada:a@db/mlflow", "postgresql+psycopg://bob@DB/mlflow?sslmode=require"),
    ],
)  # fmt: skip
def test_one_registry_is_one_however_it_is_written(spellings):
    assert len({identity_of(one) for one in spellings}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/data/a.db", "/data/A.db"),
        ("http://lab", "https://lab"),
        ("http://lab:5000", "http://lab:5001"),
        ("http://lab/a", "http://lab/b"),
        ("postgresql://db/a", "postgresql://db/b"),
        ("postgresql://db/a", "mysql://db/a"),
        ("postgresql:///a?host=/run/x", "postgresql:///a?host=/run/y"),
        ("prod", "test"),
    ],
)
def test_two_registries_are_two(one, other):
    assert identity_of(one) != identity_of(other)


@given(st.text())
def test_any_text_has_an_identity_that_is_its_own(text):
    assert identity_of(text) == identity_of(text)


def test_no_password_is_in_an_identity():
    for uri in ("http://me:hunter2@lab", "postgresql://me:hunter2@db/x?password=hunter2", "mysql://u:hunter2@h/d"):
        assert "hunter2" not in identity_of(uri)


def test_a_kept_name_its_address_and_its_path_are_one_registry_and_the_desks_own_is_another(tmp_path):
    data = DataFolder(tmp_path / "desk")
    data.make()
    core = RegistryCore(data, Bus(), Loop("test"), lambda: None)
    core.registries.kept_uri = {"mine": "sqlite:////data/my%20runs/mlflow.db"}.get
    assert core.is_same("mine", "/data/my runs/mlflow.db")
    assert core.is_same("mine", "sqlite:////data/my runs/mlflow.db")
    assert not core.is_same("mine", None)
    assert not core.is_same("mine", "other")
    own = core.server.ledger.store
    for named in ("own", str(own), f"sqlite:///{own}"):
        assert core.is_same(named, None), named
