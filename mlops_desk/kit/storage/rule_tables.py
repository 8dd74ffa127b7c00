"""What of rules is written together: a firing is stored with what keeps it from being fired again, or neither is."""

from collections.abc import Sequence

from mlops_desk.automation.records.firing import KeptFiring
from mlops_desk.automation.records.retraining_rule import Rule
from mlops_desk.automation.records.rule_record import KeptStanding, RuleSight, WrittenRule
from mlops_desk.kit.storage.database import Database
from mlops_desk.kit.storage.records import StoredRecords
from mlops_desk.machine.records.alert import AlertRule


class RuleTables:
    """The tables of rules. All methods raise Unavailable where nothing can be written, and then wrote nothing."""

    def __init__(
        self,
        database: Database,
        earlier: StoredRecords[Rule],
        rules: StoredRecords[WrittenRule],
        standings: StoredRecords[KeptStanding],
        firings: StoredRecords[KeptFiring],
        sights: StoredRecords[RuleSight],
        alert_rules: StoredRecords[AlertRule],
    ) -> None:
        self._database = database
        self.earlier = earlier
        self.rules = rules
        self.standings = standings
        self.firings = firings
        self.sights = sights
        self.alert_rules = alert_rules

    def keep(
        self,
        standings: Sequence[KeptStanding],
        firings: Sequence[KeptFiring] = (),
        rules: Sequence[WrittenRule] = (),
        sights: Sequence[RuleSight] = (),
    ) -> None:
        """Store what a look found, all of it or none."""
        with self._database.transaction() as connection:
            for standing in standings:
                self.standings.insert(connection, standing)
            for firing in firings:
                self.firings.insert(connection, firing)
            for rule in rules:
                self.rules.insert(connection, rule)
            for sight in sights:
                self.sights.insert(connection, sight)

    def take_up(self, earlier: str, rule: WrittenRule, standing: KeptStanding | None) -> None:
        """Store the document of a rule that was kept otherwise, and forget it as it was."""
        with self._database.transaction() as connection:
            self.rules.insert(connection, rule)
            if standing is not None:
                self.standings.insert(connection, standing)
            self.earlier.forget(connection, earlier)

    def take_up_alert_rule(self, earlier: str, rule: WrittenRule | None) -> None:
        """Store the document of an alert rule that a person changed (None: not at all), and forget it as it was."""
        with self._database.transaction() as connection:
            if rule is not None:
                self.rules.insert(connection, rule)
            self.alert_rules.forget(connection, earlier)

    def forget_document(self, rule_id: str) -> None:
        """Forget what a rule says; how it stands and what it did stays."""
        with self._database.transaction() as connection:
            self.rules.forget(connection, rule_id)

    def forget_things(self, keys: Sequence[str]) -> None:
        """Forget how rules stood for things that are gone."""
        with self._database.transaction() as connection:
            for key in keys:
                self.standings.forget(connection, key)

    def forget_sights(self, rule_id: str) -> None:
        """Forget what was seen of what a rule waits for to change."""
        with self._database.transaction() as connection:
            self.sights.forget_of(connection, rule_id)

    def remove(self, rule_id: str) -> None:
        """Forget a rule and how it stands; what it did stays."""
        with self._database.transaction() as connection:
            self.rules.forget(connection, rule_id)
            self.standings.forget_of(connection, rule_id)
            self.sights.forget_of(connection, rule_id)
