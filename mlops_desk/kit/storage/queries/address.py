"""Where a database lies, with and without its password; what is shown or written down never has one.

``sqlite:////absolute/path``, ``sqlite:///relative/path`` and ``postgresql://USER@HOST:PORT/DATABASE``. PostgreSQL's own
``~/.pgpass`` and ``PGPASSWORD`` are looked at too, so that no password has to stand in an address.
"""

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

_HINT = "Write sqlite:////path/to/file.db or postgresql://USER@HOST/DATABASE; an @ in a password is written as %40."
_SECRETS = ("password", "passwd", "passfile", "sslpassword")
"""What libpq takes a password by, besides its own place."""
_POSTGRES = {"postgres", "postgresql", "postgresql+psycopg"}
_SQLITE = {"sqlite", "sqlite+pysqlite"}
_SHOWN = 500  # chosen: an address is one line


def read(place: str, password: str | None = None) -> URL:
    """Return an address as SQLAlchemy has it, with the password where one is given beside it. Raises Invalid."""
    try:
        url = make_url(place)
    except (ArgumentError, ValueError) as error:  # neither says where; both repeat the address, with what is in it
        raise Invalid("The address of a database can't be read.", _HINT) from error
    if url.drivername in _POSTGRES:
        url = url.set(drivername="postgresql+psycopg")
    elif url.drivername in _SQLITE:
        url = url.set(drivername="sqlite")
    else:
        raise Invalid(f"A database of the kind {plain(url.drivername, 40)!r} is not read.", _HINT)
    if url.get_backend_name() == "sqlite" and not url.database:
        raise Invalid("The address of this SQLite database names no file.", _HINT)
    return url if password is None else url.set(password=password)


def shown(place: str) -> str:
    """Return an address as it may be shown: without any password. Raises Invalid."""
    url = read(place).difference_update_query(_SECRETS)._replace(password=None)
    scheme = url.get_backend_name()
    return plain(url.set(drivername=scheme).render_as_string(hide_password=False), _SHOWN)  # there is none in it


def secrets_of(url: URL) -> list[str]:
    """Return what must not be in any text about this address."""
    found = [url.password, *(url.query.get(name) for name in _SECRETS)]
    return [str(one) for one in found if one]
