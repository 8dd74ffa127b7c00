"""What of the catalogue of data is written together: what a look found, and the version that it made."""

from collections.abc import Sequence

from mlops_desk.records.data.catalogue import CatalogueEntry, DataVersion
from mlops_desk.records.data.redaction import KeptRedaction
from mlops_desk.storage.database import Database
from mlops_desk.storage.records import StoredRecords


class DataTables:
    """The tables of data. All methods raise Unavailable where nothing can be written, and then wrote nothing."""

    def __init__(
        self,
        database: Database,
        sets: StoredRecords[CatalogueEntry],
        versions: StoredRecords[DataVersion],
        redactions: StoredRecords[KeptRedaction],
    ) -> None:
        self._database = database
        self.sets = sets
        self.versions = versions
        self.redactions = redactions

    def keep(self, entry: CatalogueEntry, versions: Sequence[DataVersion]) -> None:
        """Store what a look found, all of it or none."""
        with self._database.transaction() as connection:
            self.sets.insert(connection, entry)
            for version in versions:
                self.versions.insert(connection, version)

    def forget(self, name: str) -> None:
        """Forget a set and its versions."""
        with self._database.transaction() as connection:
            self.sets.forget(connection, name)
            self.versions.forget_of(connection, name)
