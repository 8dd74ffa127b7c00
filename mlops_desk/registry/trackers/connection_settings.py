"""How a server elsewhere is reached: by which proxy, whose certificates are trusted; for us and for MLflow's client.

The group ``network`` of the settings says it. Where it names no proxy, the agent's own environment does, as for every
other program of the person.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import getproxies_environment, proxy_bypass

from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.network import NetworkRules, is_direct, proxy_environment, read_bundle, with_usual


@dataclass(frozen=True, slots=True)
class RegistryWay:
    """``proxy`` may hold a login; ``ca_file`` has the usual ones too. ``environment`` says the same to MLflow."""

    proxy: str | None = None
    ca_file: Path | None = None
    environment: Mapping[str, str | None] = field(default_factory=dict)


class RegistryWays:
    """Finds the way to a server. ``proxy_login`` returns USER:PASSWORD, None where there is none."""

    def __init__(
        self, rules: Callable[[], NetworkRules], folder: Path, proxy_login: Callable[[], bytes | None] = lambda: None
    ) -> None:
        self._rules = rules
        self._folder = folder
        self._proxy_login = proxy_login

    def to(self, uri: str) -> RegistryWay:
        """Return the way to a server. Raises Invalid where the settings' certificates are none, and of the login."""
        rules = self._rules()
        ca_file = self._bundle(rules.ca_bundle) if rules.ca_bundle else None
        proxy = self._proxy(rules, uri)
        environment: dict[str, str | None] = {}
        if rules.has_proxy:
            environment = dict(proxy_environment(rules))
            if proxy is not None:
                environment |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), proxy)
        if ca_file is not None:
            environment["MLFLOW_TRACKING_SERVER_CERT_PATH"] = str(ca_file)
        return RegistryWay(proxy, ca_file, environment)

    def _proxy(self, rules: NetworkRules, uri: str) -> str | None:
        scheme = urlsplit(uri).scheme
        if not rules.has_proxy:
            host = urlsplit(uri).netloc.rpartition("@")[2]
            is_near = urlsplit(uri).hostname in {"localhost", "127.0.0.1", "::1"}
            return None if is_near or proxy_bypass(host) else getproxies_environment().get(scheme)
        if is_direct(rules, uri):
            return None
        named = rules.https_proxy if scheme == "https" else rules.http_proxy
        return _with_login(named, self._proxy_login()) if named and rules.proxy_login else named or None

    def _bundle(self, path: str) -> Path:
        """Write the usual certificates and a person's own into one file: MLflow's client trusts what one file has."""
        wanted, target = with_usual(read_bundle(path)), self._folder / "trusted.pem"
        if not target.exists() or target.read_bytes() != wanted:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(target, wanted)
        return target


def _with_login(proxy: str, login: bytes | None) -> str:
    if login is None:
        return proxy
    user, _, password = login.decode("utf-8", "replace").strip("\r\n").partition(":")
    parts = urlsplit(proxy)
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{parts.netloc}"))
