"""Logins as files: every reader finds in them what the person wrote, and what can't be written is told, not leaked."""

import configparser
import importlib.util
import netrc as netrc_module
import os
import subprocess
from dataclasses import replace
from functools import cache
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mlops_desk.jobs.records.spec import JobSpec, MlflowSpec, Mount, Source
from mlops_desk.jobs.runtimes.local.network import (
    login_files,
    mlflow_credentials,
    needed_secrets,
    netrc,
    split_login,
    with_login,
)
from mlops_desk.jobs.runtimes.runtime import RunTicket
from mlops_desk.kit.base.errors import Refused
from mlops_desk.kit.base.network import NetworkRules
from tests.proxy_double import ProxyDouble

RULES = NetworkRules(
    https_proxy="http://proxy.lab:3128",
    proxy_login="proxy",
    package_index="https://pypi.lab/simple",
    extra_indexes=("https://more.lab/simple",),
    index_login="index",
)
SECRETS = {"proxy": b"ada:p@ss w%rd\n", "index": b"ada:canary:2\n", "own": b"ada:c%nary", "bare": b"t0ken\n"}
TICKET = RunTicket("run", "http://172.17.0.1:5000", "s3cr3t")
words = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=("Cc", "Cs")), min_size=1)


@cache
def mlflows_reader():
    """Load MLflow's own module anew: what the agent's client does to it in this process is not what a job meets."""
    found = importlib.util.find_spec("mlflow.utils.credentials")
    reader = importlib.util.module_from_spec(found)
    found.loader.exec_module(reader)
    return reader


def files(spec, rules=RULES, ticket=None):
    return login_files(spec, rules, ticket, lambda name: SECRETS[name])


def test_a_jobs_own_run_is_logged_to_by_a_file_and_by_no_variable():
    found = files(JobSpec("a", "i", mlflow=MlflowSpec("digits")), ticket=TICKET)
    assert found.files == {
        "token": b"s3cr3t\n",
        "mlflow-credentials": b"[mlflow]\nmlflow_tracking_username = mlops-desk\nmlflow_tracking_password = s3cr3t\n",
    }
    assert found.environment == {}
    assert files(JobSpec("a", "i"), ticket=RunTicket("run", "http://h")).files == {}


@given(words, words)
@example("ada", "100%")
@example("ada", "%(x)s")
@example("ada", "a = b : c ; d # e")
@example("ada", "[mlflow]")
def test_mlflow_reads_what_was_written(tmp_path_factory, user, password):
    assume(user == user.strip() and password == password.strip())
    path = tmp_path_factory.mktemp("c") / "credentials"
    path.write_bytes(mlflow_credentials(user, password))
    reader = mlflows_reader()
    reader._get_credentials_path = lambda: str(path)
    assert reader._read_mlflow_creds_from_file() == (user, password)


@given(words, words)
@example("ada", "pass:word")
@example("ada", "machine")
@example("__token__", "pypi-AgEI")
def test_netrc_is_read_as_it_was_written_or_refused_without_a_word_of_it(tmp_path_factory, user, password):
    if set("\"'\\#") & set(user + password) or any(letter.isspace() for letter in user + password):
        with pytest.raises(Refused, match="netrc"):
            netrc(("pypi.lab", "more.lab"), user, password)
        return
    data = netrc(("pypi.lab", "more.lab"), user, password)
    path = tmp_path_factory.mktemp("n") / "netrc"
    path.write_bytes(data)
    found = netrc_module.netrc(str(path))
    assert {found.authenticators(host)[0::2] for host in ("pypi.lab", "more.lab")} == {(user, password)}
    assert found.authenticators("elsewhere.lab") is None


@given(words, words)
@example("ada", "p@ss/w:rd")
def test_a_proxys_login_is_quoted(user, password):
    assume(":" not in user)
    parts = urlsplit(with_login("http://proxy.lab:3128/", "proxy", f"{user}:{password}".encode()))
    assert (unquote(parts.username), unquote(parts.password)) == (user, password)
    assert (parts.scheme, parts.hostname, parts.port) == ("http", "proxy.lab", 3128)


def test_pip_gets_the_proxys_login_from_a_file():
    found = files(JobSpec("a", "i", secrets=("proxy",)))
    parser = configparser.RawConfigParser()  # as pip reads it
    parser.read_string(found.files["pip.conf"].decode())
    assert parser["global"]["proxy"] == "http://ada:p%40ss%20w%25rd@proxy.lab:3128"
    assert found.environment["PIP_CONFIG_FILE"] == "/run/mlops-desk/pip.conf"


@pytest.mark.parametrize("near", ["pypi.lab", ".lab", "10.0.0.0/8"])
def test_pip_which_asks_all_by_the_proxy_of_its_file_gets_none_where_every_index_is_near(near):
    host = "10.1.2.3" if near[0] == "1" else "pypi.lab"
    rules = replace(RULES, package_index=f"https://{host}/simple", extra_indexes=(), no_proxy=(near,))
    found = files(JobSpec("a", "i", secrets=("proxy",)), rules)
    assert set(found.files) == {"gitconfig", "curlrc"}
    assert "PIP_CONFIG_FILE" not in found.environment
    further = replace(rules, extra_indexes=("https://far.example/simple",))
    assert "pip.conf" in files(JobSpec("a", "i", secrets=("proxy",)), further).files
    public = replace(rules, package_index="")
    assert "pip.conf" in files(JobSpec("a", "i", secrets=("proxy",)), public).files


@pytest.mark.parametrize("password", ["p@ss w%rd", 'a"b\\c', "\\n", "c:d#e;f", "ünï"])
def test_git_and_curl_find_the_proxys_login_as_it_was_written(tmp_path, password):
    found = login_files(JobSpec("a", "i", secrets=("proxy",)), RULES, None, lambda _: f"ada:{password}".encode())
    for name in ("gitconfig", "curlrc"):
        (tmp_path / name).write_bytes(found.files[name])
    environment = {**os.environ, **found.environment, "GIT_CONFIG_VALUE_0": str(tmp_path / "gitconfig")}
    said = subprocess.run(["git", "config", "http.proxy"], env=environment, capture_output=True, text=True, check=True)
    parts = urlsplit(said.stdout.strip())
    assert (unquote(parts.username), unquote(parts.password), parts.hostname) == ("ada", password, "proxy.lab")
    proxy = ProxyDouble(f"ada:{password}")
    words = ["curl", "-sS", "-o", str(tmp_path / "x"), "-K", str(tmp_path / "curlrc"), "-x", proxy.address]
    subprocess.run([*words, "http://none.test/"], capture_output=True, check=False, timeout=30)
    proxy.close()
    assert [let_in for let_in, _ in proxy.asked] == [True]
    assert not any(password in value for value in found.environment.values())


def test_a_curl_that_looks_for_it_at_home_finds_it():
    found = files(JobSpec("a", "i", secrets=("proxy",)))
    assert found.at_home(JobSpec("a", "i")) == {"curlrc": "/mlops-desk/home/.curlrc"}


def test_the_indexes_login_is_found_where_programs_look():
    found = files(JobSpec("a", "i", secrets=("index",)))
    assert found.files["netrc"] == (
        b"machine pypi.lab login ada password canary:2\nmachine more.lab login ada password canary:2\n"
    )
    assert found.environment == {"NETRC": "/run/mlops-desk/netrc"}
    assert found.at_home(JobSpec("a", "i")) == {"netrc": "/mlops-desk/home/.netrc"}


def test_logins_are_for_jobs_that_name_them_alone():
    assert files(JobSpec("a", "i", secrets=("other",))).files == {}
    both = JobSpec("a", "i", secrets=("proxy", "index"))
    assert set(files(both).files) == {"netrc", "pip.conf", "gitconfig", "curlrc"}
    assert files(both, NetworkRules(proxy_login="proxy", index_login="index")).files == {}


def test_the_login_of_a_persons_own_server_is_a_file_of_credentials_or_a_token():
    own = JobSpec("a", "i", mlflow=MlflowSpec("e", "https://mlflow.lab", "own"))
    assert files(own).files == {
        "mlflow-credentials": b"[mlflow]\nmlflow_tracking_username = ada\nmlflow_tracking_password = c%%nary\n"
    }
    assert needed_secrets(own) == ("own",)
    bare = JobSpec("a", "i", secrets=("x",), mlflow=MlflowSpec("e", "https://mlflow.lab", "bare"))
    assert files(bare).files == {"token": b"t0ken\n"}
    assert needed_secrets(bare) == ("x", "bare")
    assert files(JobSpec("a", "i", mlflow=MlflowSpec("e", "https://mlflow.lab"))).files == {}


@pytest.mark.parametrize(
    "value", [b"", b"canary", b":canary", b"canary:", b"ada:can\nary", b"\xffcanary", b"a:can\0ary"]
)
def test_what_is_no_login_is_told_without_a_word_of_it(value):
    with pytest.raises(Refused) as told:
        split_login("proxy", value)
    assert "canary" not in f"{told.value.message}{told.value.hint}"
    assert "The secret proxy" in told.value.message


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        (JobSpec("a", "i"), "/mlops-desk/home/.mlflow/credentials"),
        (JobSpec("a", "i", env={"HOME": "/root"}), "/root/.mlflow/credentials"),
        (JobSpec("a", "i", env={"HOME": "/data/me"}, mounts=(Mount("/data", "/data", "rw"),)), None),
        (JobSpec("a", "i", env={"HOME": "/out"}, outputs=("/out",)), None),
        (JobSpec("a", "i", env={"HOME": "/ck/x"}, checkpoint="/ck"), None),
        (JobSpec("a", "i", env={"HOME": "/work"}, source=Source(folder="/s")), None),
        (JobSpec("a", "i", env={"HOME": "home"}), None),
        (JobSpec("a", "i", env={"HOME": "/a/../data"}), None),
        (JobSpec("a", "i", env={"HOME": ""}), None),
    ],
)
def test_no_empty_file_is_left_in_a_folder_of_the_persons(spec, place):
    found = login_files(spec, RULES, TICKET, lambda name: SECRETS[name])
    assert found.at_home(spec) == ({} if place is None else {"mlflow-credentials": place})
