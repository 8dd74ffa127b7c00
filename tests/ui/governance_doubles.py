"""Cards, policies, data sets, evidence and the audit's chain of the scripted agent."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from service_double import Service

from mlops_desk.governance.records.card import (
    CARD_TEXTS,
    CardAct,
    CardData,
    CardExport,
    CardFacts,
    CardFigure,
    CardGap,
    CardOfVersion,
    CardStage,
    CardStep,
    CardText,
)
from mlops_desk.governance.records.data.catalogue import (
    DataKind,
    DataPlace,
    DataSet,
    DataSetBrief,
    DataUse,
    DataUser,
    DataUserKind,
    DataVersion,
    LookProgress,
    PersonalData,
    SetState,
    SetTraits,
)
from mlops_desk.governance.records.data.redaction import (
    RedactedValue,
    Redaction,
    RedactionHint,
    RedactionPreview,
    RedactionWay,
    RewriteDone,
    RewritePlan,
)
from mlops_desk.governance.records.data.retention import RetentionDone, RetentionHold, RetentionItem, RetentionPlan
from mlops_desk.governance.records.policy import ApprovalPolicy, PolicyStanding, policy_key
from mlops_desk.kit.base.errors import NotFound, Refused
from mlops_desk.registry.records.evidence import EvidencePack, EvidencePart, PartState

if TYPE_CHECKING:
    from builtins import list as list_of

    from doubles import Double

NOW = time.time()
FACTS = CardFacts(
    NOW - 60.0, "run1", "a1", NOW - 86_400.0, "ana", (CardData("digits-2026-10", "ab12", "training"),),
    (CardFigure("accuracy", 0.973, 0.965, 0.981, 1800, "digits/test.csv"), CardFigure("loss", 0.11)),
    gaps=(CardGap("environment", "Its run was not made by a job of this desk."),),
)  # fmt: skip


def card_record(version: str) -> CardOfVersion:
    model, _, number = version.replace("@champion", "/3").partition("/")
    texts = (CardText("intended_use", "Reading digits of parcels.", by_desk=False, by="ana", at=NOW - 3600.0),)
    step = CardStep(CardAct.MADE, NOW - 7200.0, "ana", CardStage.DRAFT, 1, "first words")
    return CardOfVersion(
        model, number, CardStage.DRAFT, 1, texts, FACTS, (step,), "sha", ("limits", "licence", "owner")
    )


class Cards(Service):
    def show(self, version: str, uri: str | None = None) -> CardOfVersion:
        name = version.replace("@champion", "/3")
        return self._double.cards_by_version.setdefault(name, card_record(version))

    def edit(self, version: str, texts: dict[str, str] | None = None, clear: str = "", uri: str | None = None, why: str = "",
             expected: str | None = None) -> CardOfVersion:  # fmt: skip
        card = self.show(version)
        if expected is not None and expected != card.sha256:
            raise Refused("The card says something else by now.", "Look at it again.")
        self._double.edited_cards.append((version, dict(texts or {}), clear, why))
        said = {one.name: one for one in card.texts} | {
            name: CardText(name, text, by_desk=False, by="ana", at=NOW) for name, text in (texts or {}).items()
        }
        needed = tuple(name for name in card.needed if name not in said)
        ordered = tuple(said[name] for name in CARD_TEXTS if name in said)
        return self._put(version, replace(card, texts=ordered, needed=needed, sha256=card.sha256 + "+"))

    def submit(self, version: str, uri: str | None = None, why: str = "") -> CardOfVersion:
        return self._stage(version, CardStage.IN_REVIEW, CardAct.SUBMITTED, why)

    def send_back(self, version: str, uri: str | None = None, why: str = "") -> CardOfVersion:
        return self._stage(version, CardStage.DRAFT, CardAct.SENT_BACK, why)

    def approve(
        self, version: str, uri: str | None = None, why: str = "", expected: str | None = None
    ) -> CardOfVersion:
        if expected != self.show(version).sha256:
            raise Refused("The card says something else by now.", "Look at it again.")
        return self._stage(version, CardStage.APPROVED, CardAct.APPROVED, why)

    def archive(self, version: str, uri: str | None = None, why: str = "") -> CardOfVersion:
        return self._stage(version, CardStage.ARCHIVED, CardAct.ARCHIVED, why)

    def export(self, version: str, form: str = "markdown", uri: str | None = None) -> CardExport:
        card = self.show(version)
        return CardExport(
            "card", form, f"a card as {form}".encode(), card.model, card.version, card.revision, card.stage
        )

    def _stage(self, version: str, stage: CardStage, act: CardAct, why: str) -> CardOfVersion:
        card = self.show(version)
        step = CardStep(act, NOW, "ana", stage, card.revision, why)
        return self._put(version, replace(card, stage=stage, steps=(*card.steps, step)))

    def _put(self, version: str, card: CardOfVersion) -> CardOfVersion:
        self._double.cards_by_version[version.replace("@champion", "/3")] = card
        return card


def brief_record(name: str, state: SetState, **more: Any) -> DataSetBrief:
    given: dict[str, Any] = {
        "kind": DataKind.FOLDER,
        "place": f"/srv/data/{name}",
        "looked_at": NOW - 60.0,
        "users": 2,
    } | more
    return DataSetBrief(name=name, state=state, **given)


def some_data() -> list_of[DataSetBrief]:
    kept = SetTraits("ana", "CC BY 4.0", 90.0, PersonalData.NO)
    return [
        brief_record(
            "digits-2026-10", SetState.SAME, sha256="ab" * 32, size_bytes=48_000_000, files=3, versions=2, traits=kept
        ),
        brief_record("churn-log", SetState.GROWS, kind=DataKind.LOG, place="requests of churn-prod"),
        brief_record("old-exports", SetState.GONE, text="There is no such folder any more."),
        brief_record(
            "warehouse", SetState.UNKNOWN, kind=DataKind.QUERY, text="The database did not answer within 30 s."
        ),
    ]


class Data(Service):
    def list(self, text: str = "", kind: str | None = None) -> list_of[DataSetBrief]:
        return [*self._double.data_by_name.values()]

    def show(self, name: str) -> DataSet:
        brief = self._double.data_by_name.get(name)
        if brief is None:
            raise NotFound(f"There is no data set {name!r}.")
        versions = (DataVersion(name, 2, NOW - 60.0, NOW, "ab" * 32, None, 48_000_000, 3, 1797),)
        users = (
            DataUser(DataUserKind.MODEL, "digits/3", "training data", 2),
            DataUser(DataUserKind.MONITOR, "digits", "reference"),
        )
        endpoint = name.partition("-log")[0] if brief.kind is DataKind.LOG else None
        place = DataPlace(brief.kind, brief.place, endpoint=endpoint)
        looking = LookProgress(NOW, 1204, 9_000_000) if brief.state is SetState.LOOKING else None
        made = self._double.data_versions.get(name, versions)
        return DataSet(brief, place, (), "It is a folder of pictures.", made, users, looking)

    def check(self, name: str) -> DataSet:
        self._double.checked_data.append(name)
        return self._put(replace(self._double.data_by_name[name], state=SetState.LOOKING, text="It is looked at now."))

    def cancel(self, name: str) -> DataSet:
        self._double.cancelled_data.append(name)
        return self._put(replace(self._double.data_by_name[name], state=SetState.SAME, text=""))

    def register(self, name: str, **said: Any) -> DataSet:
        if name in self._double.data_by_name:
            raise Refused(f"There is a data set {name} already.", "Name it otherwise.")
        self._double.registered_data.append((name, {key: value for key, value in said.items() if value is not None}))
        return self._put(brief_record(name, SetState.LOOKING, is_registered=True))

    def update(self, name: str, **said: Any) -> DataSet:
        self._double.updated_data.append((name, said))
        traits = replace(self._double.data_by_name[name].traits, licence=said.get("licence", "as before"))
        return self._put(replace(self._double.data_by_name[name], traits=traits))

    def forget(self, name: str) -> DataSet:
        shown = self.show(name)
        del self._double.data_by_name[name]
        return shown

    def _put(self, brief: DataSetBrief) -> DataSet:
        self._double.data_by_name[brief.name] = brief
        return self.show(brief.name)

    def uses(self, thing: str) -> list_of[DataUse]:
        if thing == "nobody":
            return []
        return [DataUse("digits-2026-10", DataKind.FOLDER, "its training data", SetState.SAME, 2)]

    def redaction(self, endpoint: str) -> Redaction:
        return Redaction(endpoint, self._double.redaction_rules, watched_by=("churn-monitor",))

    def preview(self, endpoint: str, columns: dict[str, str] | None = None, rows: int = 5) -> RedactionPreview:
        ways = self._ways(columns or {})
        values = tuple(
            RedactedValue("q1", 0, name, "ana@example.org", {"drop": None, "mask": "***", "hash": "h:9f2c"}[way])
            for name, way in ways.items()
            if name == "email"
        )
        hints = (RedactionHint("email", "e-mail addresses", "5 of 5 values", RedactionWay.HASH, "email" in ways),)
        untouched = tuple(name for name in ways if name != "email")
        return RedactionPreview(endpoint, 5, ways, values, hints, untouched)

    def redact(self, endpoint: str, columns: dict[str, str]) -> Redaction:
        self._double.redacted.append((endpoint, columns))
        self._double.redaction_rules = self._ways(columns)
        return replace(self.redaction(endpoint), is_in_force=self._double.redaction_holds)

    def _ways(self, columns: dict[str, str]) -> dict[str, RedactionWay]:
        ways = {**self._double.redaction_rules, **columns}
        return {name: RedactionWay(way) for name, way in ways.items() if way != "keep"}

    def rewriting(self, endpoint: str) -> RewritePlan:
        return self._double.rewrite_plan

    def rewrite(self, endpoint: str, token: str) -> RewriteDone:
        if token != self._double.rewrite_plan.token:
            raise Refused("Other rows are logged by now than were shown.", "Look at them again.")
        self._double.rewritten.append((endpoint, token))
        return RewriteDone(endpoint, 6, 1204, self._double.rewrite_left)

    def retention(self, days: float | None = None, name: str | None = None) -> RetentionPlan:
        return self._double.retention_plan

    def retain(self, token: str, days: float | None = None, name: str | None = None) -> RetentionDone:
        if token != self._double.retention_plan.token:
            raise Refused("Other files are too old by now than were shown.", "Look at them again.")
        self._double.retained.append(token)
        return RetentionDone(token, 2, 3_000_000)


def some_policies() -> list_of[ApprovalPolicy]:
    return [
        ApprovalPolicy(
            "digits", "champion", 2, ("ann", "bo"), (1001, 1002), card=True, author=False, signed_tag=True,
            signers="ann@example.org ssh-ed25519 AAAAC3Nz\n", set_at=NOW - 7200.0, set_by="ana",
        ),
        ApprovalPolicy("fraud-score", "champion", 1, set_at=NOW - 3600.0, set_by="bo",
                       trouble="This agent does not let in chen, so they can't approve."),
    ]  # fmt: skip


class Policies(Service):
    def list(self) -> list_of[ApprovalPolicy]:
        return [*self._double.policy_by_key.values()]

    def show(self, model: str, alias: str = "champion", uri: str | None = None) -> ApprovalPolicy:
        found = self._double.policy_by_key.get(policy_key("own" if uri is None else uri, model, alias))
        if found is None:
            raise NotFound(f"{model}@{alias} has no policy.")
        return found

    def set(self, model: str, alias: str = "champion", people: int = 1, who: str = "", uri: str | None = None,
            signers: str | None = None, *, card: bool = False, not_author: bool = False, signed_tag: bool = False,
            free_rollback: bool = False) -> ApprovalPolicy:  # fmt: skip
        names = tuple(one.strip() for one in who.split(",") if one.strip())
        registry = "own" if uri is None else uri
        made = ApprovalPolicy(model, alias, people, names, (), card, not not_author, signed_tag, signers or "",
                              free_rollback, registry, time.time(), "ana")  # fmt: skip
        self._double.set_policies.append(made)
        self._double.policy_by_key[made.key] = made
        return made

    def remove(self, model: str, alias: str = "champion", uri: str | None = None) -> ApprovalPolicy:
        return self._double.policy_by_key.pop(self.show(model, alias, uri).key)

    def check(self, model: str, version: str, alias: str = "champion", uri: str | None = None) -> PolicyStanding:
        self._double.checked_policies.append((model, alias, version, uri))
        if version == "3":
            return PolicyStanding(
                model, alias, version, self.show(model, alias, uri), passes=True, agreed=("ann", "bo")
            )
        return PolicyStanding(
            model, alias, version, self.show(model, alias, uri), passes=False, agreed=("ann",), lapsed=("bo",),
            lacking=("1 of 2 people (ann, bo) have approved it", "its card is not approved"),
            hint=f"Ask for it: mlops-desk approvals ask {model}/{version} --alias {alias}.",
        )  # fmt: skip


class EvidenceVerbs(Service):
    def build(self, version: str, ticket: str | None = None) -> EvidencePack:
        if self._double.pack_waits:
            self._double.found_beside["pack"] = None
            self._double.beside("pack", version, {"ticket": ticket})
        parts = (EvidencePart("card", PartState.THERE, "card.json"), EvidencePart("drift", PartState.NOTHING),
                 EvidencePart("lineage", PartState.UNKNOWN, None, "The registry does not answer."))  # fmt: skip
        return EvidencePack("pack", "digits", "3", b"PK pack", "SHA256:signer", parts)


def begin_governance(double: Double, *, empty: bool) -> None:
    """Give the double what its page on governance shows."""
    double.cards_by_version, double.edited_cards = {}, []
    double.policy_by_key = {} if empty else {one.key: one for one in some_policies()}
    double.set_policies, double.checked_policies = [], []
    double.policies = Policies(double, "policies")
    double.data_by_name = {} if empty else {one.name: one for one in some_data()}
    double.checked_data, double.retained, double.cancelled_data = [], [], []
    double.registered_data, double.updated_data, double.data_versions = [], [], {}
    double.redaction_rules, double.redacted, double.redaction_holds = {}, [], True
    double.rewrite_plan = RewritePlan(
        "churn", "rewrite-1", 6, 1204, 9_000_000, {"email": 1190, "email_2": 14}, ("churn-monitor",)
    )
    double.rewritten, double.rewrite_left, double.pack_waits = [], (), False
    item = RetentionItem(
        "churn-log", "requests/churn-prod/2026-06-01.parquet", NOW - 180 * 86_400, NOW - 179 * 86_400, 1_500_000, 7, 9
    )
    hold = RetentionHold("churn-log", "the champion churn/4 was trained on them", 3, 9_000_000)
    double.retention_plan = RetentionPlan("token-1", None, (item,) * 2, (hold,), 2, 3_000_000, ("warehouse",))
    double.cards, double.data, double.evidence = (
        Cards(double, "cards"),
        Data(double, "data"),
        EvidenceVerbs(double, "evidence"),
    )
