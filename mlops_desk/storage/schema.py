"""Which schema a database has, and bringing it to the newest. Alembic is loaded only when there is something to do."""

from importlib.resources import files

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

_VERSIONS = "migrations/{}/versions"


class NewerSchemaError(Exception):
    """The database was written by a newer version of the program."""


def newest(branch: str) -> str:
    """Return the newest revision of a branch; revisions are numbered, and so are the names of their files."""
    folder = files("mlops_desk.storage").joinpath(_VERSIONS.format(branch))
    return max(file.name.removesuffix(".py") for file in folder.iterdir() if file.name.endswith(".py"))


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


def upgrade(connection: Connection, branch: str) -> None:
    """Bring the database to the newest schema within the connection's transaction. Raises NewerSchemaError."""
    from alembic import command  # noqa: PLC0415 - a tenth of a second and 6 MB that a start seldom needs
    from alembic.config import Config  # noqa: PLC0415 - likewise
    from alembic.util import CommandError  # noqa: PLC0415 - likewise

    config = Config()
    config.set_main_option("script_location", f"mlops_desk.storage:migrations/{branch}")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise NewerSchemaError(str(error)) from error
