"""What MLflow raises, as a person reads it."""

import pytest

from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.registry.address import parse_address
from mlops_desk.registry.mlflow.errors import tame

SERVER = parse_address("http://me:secret@models.example:5000")
STORE = parse_address("sqlite:////data/mlflow.db")


class RaisedError(Exception):
    def __init__(self, text, code="INTERNAL_ERROR"):
        super().__init__(text)
        self.error_code = code


@pytest.mark.parametrize(
    ("text", "code", "kind"),
    [
        (
            "API request to http://me:secret@models.example failed with exception ... Connection refused",
            "",
            Unavailable,
        ),
        ("Max retries exceeded ... Failed to resolve 'models.example'", "", Unavailable),
        ("Read timed out. (read timeout=8)", "", TimedOut),
        ("API request to endpoint /x failed with error code 401 != 200. Response body: 'no'", "", Refused),
        ("API request to endpoint /x failed with error code 302 != 200. Response body: ''", "", Refused),
        ("the response body was not in a valid JSON format. Response body: '<html>'", "", Unavailable),
        ("API request to endpoint /x failed with error code 404 != 200. Response body: 'nope'", "", Unavailable),
        ("Run with id=12 not found", "RESOURCE_DOES_NOT_EXIST", NotFound),
        ("Invalid attribute key 'x'", "INVALID_PARAMETER_VALUE", Invalid),
        ("something new", "INTERNAL_ERROR", Unavailable),
    ],
)
def test_trouble_with_a_server_has_its_kind_and_keeps_its_secret(text, code, kind):
    error = tame(RaisedError(text, code), SERVER)
    assert type(error) is kind
    assert "secret" not in error.message
    assert "me:secret" not in (error.hint or "")


def test_an_old_store_says_how_to_upgrade_it():
    text = "Detected out-of-date database schema (found version abc, but expected def). Take a backup ..."
    error = tame(RaisedError(text), STORE)
    assert isinstance(error, Refused)
    assert "abc" in error.message
    assert "mlflow db upgrade sqlite:////data/mlflow.db" in (error.hint or "")


def test_a_long_or_hostile_text_is_cut_and_made_plain():
    error = tame(ValueError("\x1b[31m\u202e<b>" + "x" * 100_000), SERVER)
    assert len(error.message) < 1000
    assert error.message.isprintable()


def test_files_that_only_a_server_can_give_are_said_to_be_its():
    raised = RaisedError(
        "When an mlflow-artifacts URI was supplied, the tracking URI must be a valid http", "INTERNAL_ERROR"
    )
    error = tame(raised, parse_address("sqlite:////srv/mlflow.db"))
    assert type(error) is Refused
    assert "kept by an MLflow server, which the store sqlite:////srv/mlflow.db does not name" in error.message
