"""Whose login a server is shown that none was kept for: that of the person's own MLflow, and only where it belongs."""

import base64
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.registry.registries import (
    LOGIN_VARIABLES,
    foreign_environment,
    login_environment,
    login_headers,
)

USER, PASSWORD, TOKEN = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"
FILE = "[mlflow]\nmlflow_tracking_username = ann\nmlflow_tracking_password = p%%ss w\n"


def home(folder: Path, text: str | None) -> Path:
    (folder / ".mlflow").mkdir()
    if text is not None:
        (folder / ".mlflow" / "credentials").write_text(text)
    return folder


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def test_the_file_logs_in_where_the_environment_says_nothing(tmp_path: Path) -> None:
    login = foreign_environment("https://ml.example", {}, home(tmp_path, FILE))
    assert (login[USER], login[PASSWORD], login[TOKEN]) == ("ann", "p%ss w", None)
    assert login_headers(login) == basic("ann", "p%ss w")


def test_it_goes_before_a_token_of_the_environment_and_behind_a_user_there_as_with_mlflow(tmp_path: Path) -> None:
    folder = home(tmp_path, FILE)
    assert login_headers(foreign_environment("https://h", {TOKEN: "t"}, folder)) == basic("ann", "p%ss w")
    given = {USER: "bob", PASSWORD: "b"}
    assert login_headers(foreign_environment("https://h", given, folder)) == basic("bob", "b")
    assert login_headers(foreign_environment("https://h", {USER: "bob"}, folder)) == basic("bob", "p%ss w")


def test_it_reaches_no_other_host_than_the_one_that_is_meant_and_no_store(tmp_path: Path) -> None:
    folder = home(tmp_path, FILE)
    meant = {"MLFLOW_TRACKING_URI": "https://ml.example:443"}
    assert login_headers(foreign_environment("https://ml.example/base", meant, folder)) == basic("ann", "p%ss w")
    assert login_headers(foreign_environment("https://elsewhere.example", meant, folder)) == {}
    assert foreign_environment("sqlite:////x.db", {}, folder)[USER] is None


@pytest.mark.parametrize("name", LOGIN_VARIABLES)
def test_neither_does_a_login_of_the_environment(tmp_path: Path, name: str) -> None:
    given = {"MLFLOW_TRACKING_URI": "https://ml.example", USER: "bob", PASSWORD: "b", name: "geheim"}
    assert foreign_environment("https://ml.example", given, tmp_path)[name] == "geheim"
    elsewhere = foreign_environment("https://elsewhere.example", given, tmp_path)
    assert {elsewhere[one] for one in LOGIN_VARIABLES} == {None}


@pytest.mark.parametrize("text", [None, "", "[other]\nmlflow_tracking_username = ann\n", "[mlflow]\n"])
def test_a_file_that_says_nothing_is_no_login(tmp_path: Path, text: str | None) -> None:
    assert login_headers(foreign_environment("https://h", {TOKEN: "t"}, home(tmp_path, text))) == {
        "Authorization": "Bearer t"
    }


@pytest.mark.parametrize(
    "text", ["geheim", "[mlflow]\nmlflow_tracking_password = a%geheim\n", "[mlflow]\ngeheim\n", "\x00[\n"]
)
def test_a_file_that_can_not_be_understood_says_so_without_what_is_in_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(Unavailable) as refused:
        foreign_environment("https://h", {}, home(tmp_path, text))
    assert ".mlflow/credentials can't be read as MLflow's credentials" in refused.value.message
    assert "geheim" not in f"{refused.value.message} {refused.value.hint} {refused.value.__cause__}"


def test_a_folder_in_its_place_is_no_login(tmp_path: Path) -> None:
    (tmp_path / ".mlflow" / "credentials").mkdir(parents=True)
    assert login_headers(foreign_environment("https://h", {}, tmp_path)) == {}


def test_a_login_that_was_kept_takes_the_place_of_every_other() -> None:
    login = login_environment({"Authorization": "Bearer abc"})
    assert (login[TOKEN], login[USER], login[PASSWORD]) == ("abc", None, None)
    login = login_environment(basic("ann", "a:b"))
    assert (login[TOKEN], login[USER], login[PASSWORD]) == (None, "ann", "a:b")
    assert login_environment({}) == {}
