"""The login that a person's own MLflow has: its variables in the agent's environment, and ``~/.mlflow/credentials``.

We read that file ourselves, so that the server is asked with the same login by REST and by MLflow's client, which would
let it go before a token that was kept for the server, and would send it to any host (``mlflow/utils/credentials.py``).
"""

import base64
import configparser
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from mlops_desk.base.errors import Unavailable
from mlops_desk.base.text import plain
from mlops_desk.registry.address import host_of

_TOKEN, _USER, _PASSWORD = "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
LOGIN_VARIABLES = (
    _TOKEN, _USER, _PASSWORD, "MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_TRACKING_CLIENT_CERT_PATH",
)  # fmt: skip
_SECTION = "mlflow"


def foreign_environment(
    uri: str, ambient: Mapping[str, str] | None = None, home: Path | None = None
) -> dict[str, str | None]:
    """Return the login for somebody else's registry, in MLflow's variables; for a server also that of its file.

    It belongs to the server that MLFLOW_TRACKING_URI names, where it names one: no other host is sent it. Raises
    Unavailable where the file can't be understood.
    """
    given = os.environ if ambient is None else ambient
    login: dict[str, str | None] = {name: given.get(name) for name in (*LOGIN_VARIABLES, "NO_PROXY", "no_proxy")}
    meant = given.get("MLFLOW_TRACKING_URI", "")
    if urlsplit(meant).scheme in {"http", "https"} and host_of(meant) != host_of(uri):
        return login | dict.fromkeys(LOGIN_VARIABLES)
    if uri.startswith(("http://", "https://")):
        user, password = _of_file(home)
        login[_USER], login[_PASSWORD] = login[_USER] or user, login[_PASSWORD] or password
    return login


def _of_file(home: Path | None) -> tuple[str | None, str | None]:
    """Return user and password of MLflow's file, read as MLflow does; None where it says none."""
    path = Path("~/.mlflow/credentials").expanduser() if home is None else home / ".mlflow" / "credentials"
    parser = configparser.ConfigParser()
    try:
        parser.read(path)
        if _SECTION not in parser:
            return None, None
        found = parser[_SECTION]
        return found.get(_USER.lower()), found.get(_PASSWORD.lower())
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        # What stands in it is a password: only where the trouble is may be told.
        text = f"{plain(str(path), 400)} can't be read as MLflow's credentials ({type(error).__name__})."
        raise Unavailable(text, "MLflow sends what is in it to every server: mend it, or move it away.") from None


def login_headers(environment: Mapping[str, str | None]) -> dict[str, str]:
    """Return what an HTTP request logs in with, as MLflow's client would: a user and password before a token."""
    user, password, token = (environment.get(name) for name in (_USER, _PASSWORD, _TOKEN))
    if user and password:
        return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}
    return {"Authorization": f"Bearer {token}"} if token else {}


def login_environment(headers: Mapping[str, str]) -> dict[str, str | None]:
    """Return the login of a kept registry as MLflow's client takes it, in place of any other; without one: nothing."""
    kind, _, told = headers.get("Authorization", "").partition(" ")
    if not told:
        return {}
    login: dict[str, str | None] = dict.fromkeys(LOGIN_VARIABLES)
    if kind == "Bearer":
        return {**login, _TOKEN: told}
    user, _, password = base64.b64decode(told).decode().partition(":")
    return {**login, _USER: user, _PASSWORD: password}
