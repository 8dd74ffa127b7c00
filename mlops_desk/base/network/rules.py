"""What the settings say of the network, as one record; what each consumer gets of it stands in ``ways``."""

from dataclasses import dataclass

from mlops_desk.base.network.addresses import entries
from mlops_desk.base.settings import SettingsStore


@dataclass(frozen=True, slots=True)
class NetworkRules:
    """The group ``network`` of the settings. No address holds a login.

    ``proxy_login`` and ``index_login`` name secrets, each a line USER:PASSWORD of whoever's job it is. "" and () mean
    that nothing is said.
    """

    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: tuple[str, ...] = ()
    proxy_login: str = ""
    ca_bundle: str = ""
    package_index: str = ""
    extra_indexes: tuple[str, ...] = ()
    index_login: str = ""
    wheelhouse: str = ""

    @property
    def has_proxy(self) -> bool:
        return bool(self.http_proxy or self.https_proxy)


def network_of(store: SettingsStore) -> NetworkRules:
    """Return what the settings say now."""
    return NetworkRules(
        http_proxy=store.text("network.http_proxy"),
        https_proxy=store.text("network.https_proxy"),
        no_proxy=entries(store.text("network.no_proxy")),
        proxy_login=store.text("network.proxy_login"),
        ca_bundle=store.text("network.ca_bundle"),
        package_index=store.text("network.package_index"),
        extra_indexes=entries(store.text("network.extra_indexes")),
        index_login=store.text("network.index_login"),
        wheelhouse=store.text("network.wheels"),
    )
