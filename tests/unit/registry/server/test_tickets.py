"""Tickets: one for each attempt, known by their digest only, void as soon as the attempt is over."""

import hashlib

import pytest

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.registry.server.files import ServerFiles
from mlops_desk.registry.server.tickets import Grant, Tickets


def test_a_ticket_is_good_for_its_run_until_it_is_void_and_outlives_who_issued_it(tmp_path):
    token = Tickets(tmp_path / "t").issue(Grant("run", "j-a1"))
    later = Tickets(tmp_path / "t")
    assert later.find(token) == (Grant("run", "j-a1"),)
    assert later.held() == [Grant("run", "j-a1")]
    later.void("j-a2")
    assert later.find(token)
    later.void("j-a1")
    assert later.find(token) == ()
    assert later.held() == []


def test_a_new_ticket_of_an_attempt_makes_the_old_one_void_and_no_other(tmp_path):
    tickets = Tickets(tmp_path / "t")
    old, other, new = (tickets.issue(Grant("run", name)) for name in ("j-a1", "k-a1", "j-a1"))
    assert len({old, other, new}) == 3
    assert (tickets.find(old), tickets.find(other), tickets.find(new)) == (
        (),
        (Grant("run", "k-a1"),),
        (Grant("run", "j-a1"),),
    )


def test_what_is_kept_tells_no_token_and_is_for_this_user_only(tmp_path):
    tickets = Tickets(tmp_path / "t")
    token = tickets.issue(Grant("run", "j-a1"))
    (path,) = (tmp_path / "t").iterdir()
    assert token not in path.read_text()
    assert path.name == hashlib.sha256(token.encode()).hexdigest()
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "t").stat().st_mode & 0o777 == 0o700
    assert tickets.find(path.name) == ()
    assert tickets.find("job-" + path.name) == ()


@pytest.mark.parametrize("token", ["", "job-", "job-../../token", "right-token", "job-\udc80", "job-" + "x" * 100_000])
def test_nothing_else_is_a_ticket(tmp_path, token):
    assert Tickets(tmp_path / "t").find(token) == ()


def test_a_damaged_grant_is_void_and_a_foreign_file_is_left_alone(tmp_path):
    tickets = Tickets(tmp_path / "t")
    token = tickets.issue(Grant("run", "j-a1"))
    (path,) = (tmp_path / "t").iterdir()
    path.write_text('{"run_id": "other"}')
    (tmp_path / "t" / "notes").write_text('{"run_id": "other", "attempt_id": "j-a1"}')
    assert tickets.find(token) == ()
    tickets.void("j-a1")
    assert (tmp_path / "t" / "notes").exists()


def test_a_folder_that_can_not_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable) as caught:
        Tickets(tmp_path / "file" / "t").issue(Grant("run", "j-a1"))
    assert str(tmp_path / "file" / "t") in caught.value.message


def test_the_owners_token_is_kept_out_of_the_servers_sight(tmp_path):
    fresh = ServerFiles(tmp_path / "fresh")
    assert fresh.token() == fresh.token() != ""
    assert not fresh.token_file.is_relative_to(tmp_path / "fresh")
    assert fresh.token_file.stat().st_mode & 0o777 == 0o600
    assert fresh.earlier_token() is None


def test_a_token_that_an_earlier_version_gave_its_jobs_is_the_owners_no_more(tmp_path):
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "token").write_text("from-before")
    ledger = ServerFiles(tmp_path / "mlflow")
    token = ledger.token()
    assert token not in {"", "from-before"}
    assert (ledger.token(), ledger.earlier_token()) == (token, "from-before")
    assert not (tmp_path / "mlflow" / "token").exists()
    ledger.forget_earlier_token()
    assert (ledger.token(), ledger.earlier_token()) == (token, None)


def test_one_token_is_good_for_several_jobs_until_each_is_over(tmp_path):
    tickets = Tickets(tmp_path / "t")
    first, second = Grant("run-1", "j-a1"), Grant("run-2", "k-a2")
    for grant in (first, second, first):
        tickets.admit("from-before", grant)
    assert set(tickets.find("from-before")) == {first, second} == set(tickets.held())
    assert tickets.find("from-befor") == tickets.find("") == tickets.find("*") == ()
    assert not any("from-before" in path.name + path.read_text() for path in (tmp_path / "t").iterdir())
    tickets.void("j-a1")
    assert tickets.find("from-before") == (second,)
    tickets.void("k-a2")
    assert tickets.find("from-before") == ()


def test_a_ticket_of_a_later_version_that_says_more_is_good_too(tmp_path):
    tickets = Tickets(tmp_path / "t")
    token = tickets.issue(Grant("run", "j-a1", 5))
    (path,) = (tmp_path / "t").iterdir()
    path.write_text(path.read_text().replace("{", '{"colour": "red", ', 1))
    assert tickets.find(token) == (Grant("run", "j-a1", 5),)
    path.write_text('{"run_id": "run", "attempt_id": "j-a1"}')  # an earlier one's
    assert tickets.find(token) == (Grant("run", "j-a1", 100 << 30),)


def test_whose_it_is_and_which_models_it_registers_come_back_as_they_were(tmp_path):
    tickets = Tickets(tmp_path / "t")
    for models in (None, (), ("fraud", "churn")):
        grant = Grant("run", "j-a1", 5, "train", models, ("fraud",))
        assert tickets.find(tickets.issue(grant)) == (grant,)
