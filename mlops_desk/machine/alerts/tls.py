"""TLS to a webhook, and in words why one can't be trusted. Apart from ``delivery``, for it loads ``ssl``.

The name is checked that the person set, whatever address it led to. Trusted are the system's authorities, or those in
the file that ``SSL_CERT_FILE`` names.
"""

import socket
import ssl

from mlops_desk.kit.base.errors import Hint, Unavailable
from mlops_desk.kit.base.text import plain

_ADD_AUTHORITY = Hint(
    "sudo cp CA.pem /usr/local/share/ca-certificates/webhook.crt && sudo update-ca-certificates",
    before="Have this machine trust its authority: ",
    after=". Or start the agent with SSL_CERT_FILE=/path/to/CA.pem.",
)
_RENEW = Hint("date", before="Its owner has to renew it; with a wrong clock on this machine it looks the same: ")
_OTHER_NAME = "Set the webhook's address with a name that is in the certificate, or have one made for this name."
_TROUBLE = {
    9: ("is not valid yet", _RENEW),
    10: ("has expired", _RENEW),
    18: ("is signed by itself and by no authority", _ADD_AUTHORITY),
    19: ("comes from an authority that this machine does not know", _ADD_AUTHORITY),
    20: ("comes from an authority that this machine does not know", _ADD_AUTHORITY),
    21: ("comes from an authority that this machine does not know", _ADD_AUTHORITY),
    23: ("was revoked", _RENEW),
    62: ("is for another name", _OTHER_NAME),
    64: ("is for another address", _OTHER_NAME),
}
"""By OpenSSL's numbers (X509_V_ERR_…): what is wrong with a certificate, and what to do."""


def secure(connection: socket.socket, host: str, shown: str) -> ssl.SSLSocket:
    """Begin TLS for ``host`` on a connection to its address. Raises Unavailable, TimeoutError, OSError."""
    try:
        return ssl.create_default_context().wrap_socket(connection, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        wrong, hint = _TROUBLE.get(error.verify_code, (f"was refused ({plain(error.verify_message, 100)})", None))
        raise Unavailable(f"{shown} is not trusted: its certificate {wrong}.", hint) from error
    except ssl.SSLError as error:
        text = f"{shown} does not answer in TLS as it should ({plain(error.reason or 'no reason given', 60)})."
        raise Unavailable(text, "Is the port one for https?") from error
