"""Where the network's settings and people's logins meet the rest of the desk."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mlops_desk.engines.logins.lookup import find_login
from mlops_desk.engines.logins.private_images import PrivateImages, nobodys_login
from mlops_desk.jobs.runtimes.local.network import with_login
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import DeskError, NotFound
from mlops_desk.kit.base.network import NetworkRules, build_environment, git_environment, network_of
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.storage.secrets import SecretStore


def private_images(folder: DataFolder, *, simulated: bool) -> PrivateImages:
    """Return what knows of private images; on a machine that is made up nobody has a login."""
    return PrivateImages(folder.private_images, nobodys_login if simulated else find_login)


def git_network(folder: DataFolder, store: SettingsStore) -> Callable[[int], Mapping[str, Any]]:
    """Return what tells how git gets out on behalf of a person."""
    return partial(_git_network, SecretStore(folder.secrets), store)


def _git_network(secrets: SecretStore, store: SettingsStore, uid: int) -> Mapping[str, Any]:
    """Return environment and certificates for git. Raises DeskError where a login is kept that can't be had."""
    rules = network_of(store)
    environment = git_environment(rules, None)
    login = _login(secrets, rules, uid)
    if login is not None:
        for name, proxy in (("http_proxy", rules.http_proxy), ("https_proxy", rules.https_proxy)):
            if proxy:
                environment[name] = environment[name.upper()] = with_login(proxy, rules.proxy_login, login)
    return {"environment": environment, "ca_bundle": rules.ca_bundle}


def _login(secrets: SecretStore, rules: NetworkRules, uid: int) -> bytes | None:
    if not rules.proxy_login or not rules.has_proxy:
        return None
    try:
        return secrets.value(uid, rules.proxy_login)
    except NotFound:
        return None  # a person without one goes without, and the proxy says what it thinks of it
    except DeskError as error:
        raise type(error)(f"The proxy's login is not to be had: {error.message}", error.hint) from error


def build_arguments(store: SettingsStore) -> Mapping[str, str]:
    """Return the arguments of a build: those of proxies are known to every engine, and in no image's history."""
    return build_environment(network_of(store), os.environ, None)
