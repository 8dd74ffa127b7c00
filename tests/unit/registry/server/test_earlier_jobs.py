"""Jobs of the version before tickets have the owner's token, and keep it: it becomes a ticket of all of them."""

import pytest

from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.loop import Loop
from mlops_desk.registry.server.tickets import Grant, Tickets
from mlops_desk.registry.service import RegistryCore


@pytest.fixture
def core(tmp_path):
    folder = DataFolder(tmp_path / "data")
    folder.make()
    folder.registry.mkdir()
    (folder.registry / "token").write_text("from-before")
    (folder.registry / "mlflow.db").write_bytes(b"")
    made = RegistryCore(folder, Bus(), Loop("test"), lambda: None)
    yield made
    made.stop()


def tickets_of(core):
    return Tickets(core.server.ledger.tickets_folder)


def test_attempts_without_a_ticket_keep_their_token_and_those_with_one_do_not_get_it(core):
    tickets_of(core).issue(Grant("run-2", "k-a1"))
    core.admit_earlier([("j-a3", "run-1"), ("k-a1", "run-2")])
    assert tickets_of(core).find("from-before") == (Grant("run-1", "j-a3"),)
    core.admit_earlier([("j-a3", "run-1"), ("k-a1", "run-2")])  # the next agent
    assert tickets_of(core).find("from-before") == (Grant("run-1", "j-a3"),)
    core.keep_tickets(lambda attempt_id: attempt_id == "k-a1")
    assert tickets_of(core).find("from-before") == ()


def test_without_such_jobs_the_token_is_forgotten(core):
    core.admit_earlier([])
    assert core.server.ledger.earlier_token() is None
    core.admit_earlier([("j-a3", "run-1")])
    assert tickets_of(core).find("from-before") == ()


def test_a_registry_that_was_never_used_gets_no_files(tmp_path):
    folder = DataFolder(tmp_path / "data")
    folder.make()
    core = RegistryCore(folder, Bus(), Loop("test"), lambda: None)
    core.admit_earlier([("j-a1", "run-1")])
    core.stop()
    assert not core.server.ledger.token_file.exists()


def test_a_full_disk_keeps_no_agent_from_starting(core, monkeypatch):
    def full(*_given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Tickets, "admit", full)
    core.admit_earlier([("j-a3", "run-1")])
