"""Logins as the files that programs read: MLflow's credentials, netrc, and those with a proxy's for pip, git and curl.

Pure; ``SecretFiles`` lays them. What a program takes from a file is never in its environment. MLflow's bare tokens (and
clients before 2.5) are taken from there alone: the wrapper puts a token there for the command, where the job asks for
it. Programs beside those three would take a proxy's login from there too, where it never is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit, urlunsplit

from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.runtimes.local.folder import HOME_TARGET
from mlops_desk.jobs.runtimes.runtime import RunTicket
from mlops_desk.kit.base.errors import Refused
from mlops_desk.kit.base.network import NetworkRules, index_hosts, indexes, is_direct

LOGINS_TARGET = "/run/mlops-desk"
TOKEN = "token"  # noqa: S105 - the name of a file
CREDENTIALS = "mlflow-credentials"
NETRC = "netrc"
PIP_CONF = "pip.conf"
GIT_CONFIG = "gitconfig"
CURL_CONFIG = "curlrc"
_HOMES = {CREDENTIALS: ".mlflow/credentials", NETRC: ".netrc", CURL_CONFIG: ".curlrc"}
LOGIN_USER = "mlops-desk"  # the tracking server asks for the token alone, and takes it as a password too
_UNFIT = frozenset("\"'\\#")
"""What a netrc has no writing for that all of its readers agree on."""


@dataclass(frozen=True, slots=True)
class LoginFiles:
    """``files`` by name; ``at_home`` says which of them are found in the home, and where."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    def at_home(self, spec: JobSpec) -> Mapping[str, str]:
        """Return the places at which files are mounted once more, where a program looks for them by HOME.

        None lies on what a job has mounted: a folder of the person would keep an empty file of that name.
        """
        home = PurePosixPath(spec.env.get("HOME", HOME_TARGET))
        targets = [*(mount.target for mount in spec.mounts), *spec.outputs]
        targets += [one for one in (spec.checkpoint, spec.source.target if spec.source else None) if one is not None]
        if not home.is_absolute() or ".." in home.parts or any(home.is_relative_to(target) for target in targets):
            return {}
        return {name: str(home / place) for name, place in _HOMES.items() if name in self.files}


def needed_secrets(spec: JobSpec) -> tuple[str, ...]:
    """Return the secrets that a job can't do without."""
    login = None if spec.mlflow is None else spec.mlflow.login
    return spec.secrets if login is None else (*spec.secrets, login)


def has_logins(spec: JobSpec) -> bool:
    """Tell whether a job logs in somewhere whatever the settings say."""
    return spec.mlflow is not None and (spec.mlflow.server is None or spec.mlflow.login is not None)


def login_files(
    spec: JobSpec, rules: NetworkRules, ticket: RunTicket | None, value: Callable[[str], bytes]
) -> LoginFiles:
    """Return the files of a job's logins; ``value`` says what a secret of the person is. Raises Refused, and its own.

    Those of proxy and index are for jobs that name their secret: no other job can give them away.
    """
    files: dict[str, bytes] = {}
    environment: dict[str, str] = {}
    if ticket is not None and ticket.token is not None:
        files |= {TOKEN: f"{ticket.token}\n".encode(), CREDENTIALS: mlflow_credentials(LOGIN_USER, ticket.token)}
    if spec.mlflow is not None and spec.mlflow.server is not None and spec.mlflow.login is not None:
        files |= _own_server(spec.mlflow.login, value(spec.mlflow.login))
    if rules.index_login and rules.index_login in spec.secrets and index_hosts(rules):
        files[NETRC] = netrc(index_hosts(rules), *split_login(rules.index_login, value(rules.index_login)))
        environment["NETRC"] = f"{LOGINS_TARGET}/{NETRC}"
    if rules.proxy_login and rules.proxy_login in spec.secrets and rules.has_proxy:
        of_proxy = _of_proxy(rules, value(rules.proxy_login))
        files |= of_proxy.files
        environment |= of_proxy.environment
    return LoginFiles(files, environment)


def _of_proxy(rules: NetworkRules, value: bytes) -> LoginFiles:
    """Return a proxy's login for pip, git and curl. Raises Refused.

    pip's file is found by a name of its own. git's is included, so that a job's own settings are read too (before 2.31
    git takes no notice). pip asks all by a proxy that stands in its file, so it has none where every index is near.
    """
    proxy = with_login(rules.https_proxy or rules.http_proxy, rules.proxy_login, value)
    user, password = split_login(rules.proxy_login, value)
    said = f"{user}:{password}".replace("\\", "\\\\").replace('"', '\\"')
    files = {GIT_CONFIG: f'[http]\n\tproxy = "{proxy}"\n'.encode(), CURL_CONFIG: f'proxy-user = "{said}"\n'.encode()}
    environment = {
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "include.path",
        "GIT_CONFIG_VALUE_0": f"{LOGINS_TARGET}/{GIT_CONFIG}",
    }  # fmt: skip
    asked = indexes(rules)
    if not asked or not all(is_direct(rules, address) for address in asked):
        files[PIP_CONF] = f"[global]\nproxy = {proxy}\n".encode()
        environment["PIP_CONFIG_FILE"] = f"{LOGINS_TARGET}/{PIP_CONF}"
    return LoginFiles(files, environment)


def split_login(name: str, value: bytes) -> tuple[str, str]:
    """Return user and password of a secret that is one line USER:PASSWORD. Raises Refused, without a word of it."""
    line = _line(name, value)
    user, colon, password = line.partition(":")
    if not colon or not user or not password:
        raise Refused(f"The secret {name} is not of the form USER:PASSWORD.", "Set it again, as one line.")
    return user, password


def with_login(proxy: str, name: str, value: bytes) -> str:
    """Return a proxy's address with its login, as pip and git take it. Raises Refused."""
    user, password = split_login(name, value)
    parts = urlsplit(proxy)
    place = f"{quote(user, safe='')}:{quote(password, safe='')}@{parts.netloc}"
    return urlunsplit((parts.scheme, place, "", "", ""))


def mlflow_credentials(user: str, password: str) -> bytes:
    """Return MLflow's file of credentials, whose reader would take a single % for the beginning of a reference."""
    lines = {"mlflow_tracking_username": user, "mlflow_tracking_password": password}
    told = "".join(f"{name} = {value.replace('%', '%%')}\n" for name, value in lines.items())
    return f"[mlflow]\n{told}".encode()


def netrc(hosts: tuple[str, ...], user: str, password: str) -> bytes:
    """Return a netrc with one login for several hosts. Raises Refused for what can't be written in one."""
    for word in (user, password):
        if any(letter.isspace() or letter in _UNFIT for letter in word):
            text = "The login of the package index has a blank, a quote, a backslash or a # in it: no netrc can say it."
            raise Refused(text, "Use a token of the index instead, or another password.")
    return "".join(f"machine {host} login {user} password {password}\n" for host in hosts).encode()


def _own_server(name: str, value: bytes) -> dict[str, bytes]:
    """Return the login at a person's own tracking server: USER:PASSWORD as credentials, anything else as a token."""
    line = _line(name, value)
    if ":" not in line:
        return {TOKEN: f"{line}\n".encode()}
    user, password = split_login(name, value)
    if user != user.strip() or password != password.strip():
        raise Refused(f"The login in the secret {name} begins or ends with a blank, which MLflow does not read.")
    return {CREDENTIALS: mlflow_credentials(user, password)}


def _line(name: str, value: bytes) -> str:
    try:
        line = value.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise Refused(f"The secret {name} is no text.", "Set it again, as one line USER:PASSWORD.") from error
    if not line or any(ord(letter) < 32 or ord(letter) == 127 for letter in line):
        raise Refused(f"The secret {name} is not one line of text.", "Set it again, as one line USER:PASSWORD.")
    return line
