"""The doctor's checks of the way out: each asks what jobs will ask, without a login, and says what to paste.

What is not set is not asked. Connections are made to what the settings name and to nothing else.
"""

import contextlib
import json
import shlex
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from mlops_desk.engines.dialects import DOCKER
from mlops_desk.engines.engine import Engine
from mlops_desk.engines.logins.lookup import find_login
from mlops_desk.engines.logins.private_images import FindLogin
from mlops_desk.kit.base import network
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import DeskError, hint_of
from mlops_desk.kit.base.network import NetworkRules, entries, is_direct, network_of, without_proxy
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.agent import Check

_SECONDS = 5.0  # chosen: a server that takes longer makes every pip and pull of a job slow
_SOON_DAYS = 30  # chosen: certificates of one's own are renewed by hand, by somebody who has to be found
_PULLS = "image pulls"
_SET = "mlops-desk settings set {} ''"
_PORTS = {"http": 80, "https": 443}


def network_checks(store: SettingsStore, engine: Engine) -> Mapping[str, Callable[[], Check]]:
    """Return the checks of what the settings name now, and of how ``engine`` itself gets out."""
    rules = network_of(store)
    found: dict[str, Callable[[], Check]] = {}
    for key, address in (("http_proxy", rules.http_proxy), ("https_proxy", rules.https_proxy)):
        if address:
            name = f"proxy for {key.partition('_')[0]}"
            found[name] = lambda name=name, key=key, address=address: proxy_check(name, f"network.{key}", address)  # type: ignore[misc]  # defaults
    if rules.has_proxy:
        found[_PULLS] = lambda: pulls_check(rules, engine)
    if rules.ca_bundle:
        found["certificates"] = lambda: certificates_check(rules.ca_bundle)
    if rules.package_index:
        found["package index"] = lambda: index_check(rules)
    for host in entries(store.text("network.registries")):
        found[f"image registry {host}"] = lambda host=host: registry_check(host, rules)  # type: ignore[misc]  # a default
    return found


def proxy_check(name: str, key: str, address: str) -> Check:
    """Tell whether a proxy listens."""
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or _PORTS[parts.scheme]), _SECONDS):
            return Check(name, "ok", f"{address} listens")
    except OSError as error:
        return Check(name, "problem", f"{address} can't be reached: {_why(error)}", _SET.format(key))


def pulls_check(rules: NetworkRules, engine: Engine) -> Check:
    """Tell whether the engine, which pulls images by itself, goes by a proxy too."""
    info = engine.info()
    if info.proxy:
        return Check(_PULLS, "ok", f"{info.name} pulls images through {info.proxy}")
    if info.proxy == "":
        return Check(
            _PULLS, "unknown", f"{info.name} does not tell by which proxy it pulls; it has settings of its own"
        )
    text = f"{info.name} pulls images without a proxy: these settings are for jobs, builds, git and pip"
    if info.name != DOCKER.name:
        return Check(_PULLS, "warning", f"{text}; its service takes https_proxy from its own environment")
    text = (
        f"{text}; once told, it takes the proxy over when it is restarted, which ends containers without live-restore"
    )
    return Check(_PULLS, "warning", text, _telling_docker(rules, rootless=info.rootless))


def _telling_docker(rules: NetworkRules, *, rootless: bool) -> str:
    """Return a command that puts the proxy into dockerd's file, and keeps what that says besides."""
    named = {"http-proxy": rules.http_proxy, "https-proxy": rules.https_proxy}
    named["no-proxy"] = ",".join(without_proxy(rules, ()))
    told = json.dumps({name: value for name, value in named.items() if value})
    place = (
        'pathlib.Path.home() / ".config/docker/daemon.json"' if rootless else 'pathlib.Path("/etc/docker/daemon.json")'
    )
    program = (
        f"import json, pathlib, sys; f = {place}; f.parent.mkdir(parents=True, exist_ok=True); "
        'd = json.loads(f.read_text()) if f.exists() else {}; d["proxies"] = json.loads(sys.argv[1]); '
        "f.write_text(json.dumps(d, indent=2))"
    )
    return f"{'' if rootless else 'sudo '}python3 -c {shlex.quote(program)} {shlex.quote(told)}"


def certificates_check(path: str) -> Check:
    """Tell whether the certificates can be read, and how long they hold."""
    name, key = "certificates", "network.ca_bundle"
    try:
        left = network.days_left(network.read_bundle(path))
    except DeskError as error:
        return Check(name, "problem", error.message, str(hint_of(error.hint, error.command) or _SET.format(key)))
    fix = f"openssl x509 -in {path} -noout -subject -enddate"
    if left is None:
        return Check(name, "unknown", f"{path} holds no certificate of an authority", fix)
    if left < 0:
        return Check(name, "problem", f"a certificate in {path} ran out {-left:.0f} days ago", fix)
    state = "warning" if left < _SOON_DAYS else "ok"
    return Check(name, state, f"{path} holds for {left:.0f} days more", fix if state == "warning" else None)


def index_check(rules: NetworkRules) -> Check:
    """Tell whether the package index answers as jobs reach it."""
    name, address = "package index", rules.package_index
    status = _asked(address, rules)
    if isinstance(status, str):
        return Check(name, "problem", f"{address} can't be reached: {status}", _SET.format("network.package_index"))
    if status in {401, 403}:
        text = f"{address} wants a login, which jobs get that name the secret of it"
        return Check(
            name, "ok" if rules.index_login else "warning", text, "mlops-desk settings set network.index_login NAME"
        )
    if status >= 400:
        return Check(name, "problem", f"{address} answers with {status}", f"curl -I {address}")
    return Check(name, "ok", f"{address} answers")


def registry_check(host: str, rules: NetworkRules, find: FindLogin = find_login) -> Check:
    """Tell whether an image registry answers, and whether who asks has a login there."""
    name = f"image registry {host}"
    status = _asked(f"https://{host}/v2/", rules)
    if isinstance(status, str):
        return Check(name, "problem", f"it can't be reached: {status}", f"curl -I https://{host}/v2/")
    if status == 401:
        has_login = find(f"{host}/any", current_caller().uid) is not None
        text = "it answers, and you are logged in" if has_login else "it answers; for what is private you have no login"
        return Check(name, "ok", text, None if has_login else f"docker login {host}")
    if status >= 400:
        return Check(name, "problem", f"it answers with {status}: is it a registry?", f"curl -I https://{host}/v2/")
    return Check(name, "ok", "it answers")


def _asked(address: str, rules: NetworkRules) -> int | str:
    """Return the status of an answer; or why there is none."""
    try:
        context = ssl.create_default_context()
        if rules.ca_bundle:
            context.load_verify_locations(cadata=network.read_bundle(rules.ca_bundle))
        request = urllib.request.Request(address, method="HEAD")  # noqa: S310 - http or https, by the setting's form
        with contextlib.closing(_opener(address, rules, context).open(request, timeout=_SECONDS)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except DeskError as error:
        return error.message
    except OSError as error:
        return _why(error)


def _opener(address: str, rules: NetworkRules, context: ssl.SSLContext) -> urllib.request.OpenerDirector:
    named = {"http": rules.http_proxy, "https": rules.https_proxy}
    proxies = {} if is_direct(rules, address) else {scheme: proxy for scheme, proxy in named.items() if proxy}
    return urllib.request.build_opener(
        urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=context)
    )


def _why(error: OSError) -> str:
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({plain(inner.verify_message)}): set network.ca_bundle"
    if isinstance(inner, TimeoutError):
        return f"no answer within {_SECONDS:g} s"
    return plain(str(getattr(inner, "strerror", None) or inner))
