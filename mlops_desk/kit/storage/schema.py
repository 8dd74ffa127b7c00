"""Which schema a database has, and bringing it to the newest. Alembic is loaded only when there is something to do."""

from importlib.resources import files
from threading import Lock

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

_upgrading = Lock()
"""Alembic keeps what it works with in globals of its modules: of two threads one would take the other's away."""
_VERSIONS = "migrations/{}/versions"


def revisions(branch: str) -> list[str]:
    """Return the revisions of a branch, oldest first; they are numbered, and so are the names of their files."""
    folder = files("mlops_desk.kit.storage").joinpath(_VERSIONS.format(branch))
    return sorted(file.name.removesuffix(".py") for file in folder.iterdir() if file.name.endswith(".py"))


def newest(branch: str) -> str:
    """Return the newest revision of a branch."""
    return revisions(branch)[-1]


def current(engine: Engine) -> str | None:
    """Return the revision that a database says it has; None for a new one."""
    try:
        with engine.connect() as connection:
            found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    return found


def tables(engine: Engine) -> set[str]:
    """Return the names of the tables that a database has."""
    with engine.connect() as connection:
        query = text("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        return set(connection.execute(query).scalars())


def upgrade(connection: Connection, branch: str, revision: str = "head") -> None:
    """Bring the database to a schema that this program knows, within the connection's transaction."""
    from alembic import command  # noqa: PLC0415 - a tenth of a second and 6 MB that a start seldom needs
    from alembic.config import Config  # noqa: PLC0415 - likewise

    config = Config()
    config.set_main_option("script_location", f"mlops_desk.kit.storage:migrations/{branch}")
    config.attributes["connection"] = connection
    with _upgrading:
        command.upgrade(config, revision)
