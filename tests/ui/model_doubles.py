"""What the scripted agent tells of a registry: versions with metrics, files, lineage, where aliases went, the stores."""

from __future__ import annotations

import math
import time
from builtins import list as list_of
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlops_desk.kit.base.errors import Invalid, NotFound, Place, Refused
from mlops_desk.machine.records import event as events
from mlops_desk.registry.records.alias_move import AliasMove, AliasPreview, Follower
from mlops_desk.registry.records.artifact_view import ArtifactTable, ArtifactView, Downloaded
from mlops_desk.registry.records.comparison import ComparedGroup, ComparedValue
from mlops_desk.registry.records.labels import Labels
from mlops_desk.registry.records.lineage import Lineage, LineageEdge, LineageKind, LineageNode, OpenLineage
from mlops_desk.registry.records.model import Artifact, Model
from mlops_desk.registry.records.model_files import ModelFileFacts, SignatureColumn
from mlops_desk.registry.records.undo import Undo
from mlops_desk.registry.records.version_hit import ModelCard, VersionHit, VersionsFound

if TYPE_CHECKING:
    from doubles import Double

NOW = time.time()
AUTHORS = ("ana", "jonas", "maria")
LOWER = frozenset({"loss"})


def metrics_of(model: str, number: int) -> dict[str, float]:
    """Return metrics that vary, one that does not, and one that is no number."""
    wave = math.sin(number * 1.7 + len(model)) * 0.02
    some = {"auc": 0.86 + 0.012 * number + wave, "loss": 0.52 / (number + 1) - wave, "rows": 12000.0}
    return {**some, "f1_macro": math.nan if number == 1 else 0.8 + 0.02 * number - wave}


def hits_of(double: Double, model: str) -> list[VersionHit]:
    """Return a model's versions, the newest first."""
    known = double.models_by_name[model]
    return [
        VersionHit(
            model,
            one.version,
            one.aliases,
            metrics_of(model, int(one.version)),
            {"lr": str(10 ** -(2 + int(one.version) % 3)), "epochs": str(10 * int(one.version))},
            {"team": known.tags.get("team", "lab"), **double.version_tags.get(f"{model}/{one.version}", {})},
            one.created_at,
            one.run_id,
            AUTHORS[int(one.version) % 3],
            description=double.descriptions.get(f"{model}/{one.version}"),
            source=f"models:/m-{one.run_id}",
            flavors=("sklearn", "python_function"),
            format="cloudpickle",
            size_bytes=48_213 * int(one.version),
            dataset=f"{model}-train 9f2c11aa",
        )
        for one in double.versions_of(model)
    ]


class ModelVerbs:
    """A part of the service of models."""

    _double: Double

    def cards(self, uri: str | None = None) -> list[ModelCard]:
        self.list(uri)  # type: ignore[attr-defined]  # that of the whole service, which refuses some addresses
        found = []
        for model in self._double.models_by_name.values():
            newest = next(iter(hits_of(self._double, model.name)), None)
            served = {
                name: one.model.version
                for name, one in self._double.endpoints_by_name.items()
                if one.model.name == model.name
            }
            found.append(
                ModelCard(
                    model.name,
                    model.latest_version,
                    int(model.latest_version or 0),
                    model.aliases,
                    model.tags,
                    model.description,
                    newest.author if newest else None,
                    model.updated_at,
                    ("auc", newest.metrics["auc"]) if newest else None,
                    served,
                    "drift" if served else None,
                )
            )
        return found

    def search(self, query: str, uri: str | None = None, limit: int = 200) -> list_of[VersionHit]:
        return list(self.find(query, uri, limit).hits)

    def find(self, query: str, uri: str | None = None, limit: int = 200, wait: float = 4.0) -> VersionsFound:
        """Find all of what is known; ``unread`` of the double is what the files are not known of."""
        self._double.searched.append(query)
        hits = self._hits(query)
        unread = self._double.unread.pop(0) if self._double.unread else 0
        return VersionsFound(tuple(hits[:limit]), len(hits), unread)

    def _hits(self, query: str) -> list_of[VersionHit]:
        if "bad" in query:
            raise Invalid("Character 5 of the search: what auc is compared with is missing.", "Write auc>0.9",
                          place=Place(1, 5))  # fmt: skip
        every = [hit for model in self._double.models_by_name for hit in hits_of(self._double, model)]
        if query.startswith("name:"):
            wanted = query.removeprefix("name:").strip('"')
            return [hit for hit in every if wanted in hit.name]
        if query.startswith("alias:"):
            return [hit for hit in every if query.removeprefix("alias:") in hit.aliases]
        return [hit for hit in every if query in hit.name or query in hit.author]

    def history(
        self, model: str, uri: str | None = None, alias: str = "", at: float | None = None
    ) -> list_of[AliasMove]:
        return [one for one in self._double.moves if one.model == model and alias in {"", one.alias}]

    def preview(self, model: str, alias: str, version: str, uri: str | None = None) -> AliasPreview:
        now = self._double.models_by_name[model].aliases.get(alias)
        sides = [version] if now is None or now == version else [now, version]
        found = [metrics_of(model, int(one)) for one in sides]
        values = [_compared(name, [one[name] for one in found]) for name in sorted(found[0])]
        followers = [
            Follower(name, one.model.version, name == "digits-follows")
            for name, one in self._double.endpoints_by_name.items()
            if one.model.name == model
        ]
        history = tuple(self.history(model, uri, alias))
        return AliasPreview(model, alias, now, version, now or "none", tuple(values), tuple(followers), history[:20])

    def promote(
        self, model: str, alias: str, version: str, uri: str | None = None, expected: str | None = None
    ) -> Model:
        return self._moved(model, alias, version, expected)

    def rollback(
        self,
        model: str,
        alias: str,
        uri: str | None = None,
        expected: str | None = None,
        version: str | None = None,
    ) -> Model:
        now = self._double.models_by_name[model].aliases.get(alias)
        before = [
            one for one in self._double.moves if one.model == model and one.alias == alias and one.to_version == now
        ]
        if version is None and not before:
            raise Refused("No version is known that it pointed at before.")
        return self._moved(model, alias, version or before[0].from_version or "1", expected)

    def _moved(self, model: str, alias: str, version: str, expected: str | None) -> Model:
        double = self._double
        old = double.models_by_name[model]
        at = old.aliases.get(alias, "none")
        if expected is not None and at != expected:
            raise Refused(f"{model}@{alias} points at version {at} by now; it was seen at {expected}.")
        new = replace(old, aliases={**old.aliases, alias: version})
        double.models_by_name[model] = new
        before = None if at == "none" else at
        double.moves.insert(0, AliasMove(model, alias, time.time(), before, version, "you"))
        double.announce(events.RegistryChanged(double.server))
        given: dict[str, Any] = {"model": model, "alias": alias, "version": at, "expected": version}
        return replace(new, undo=Undo("models.promote", given, ""))

    def tag(
        self,
        model: str,
        key: str,
        value: str | None = None,
        version: str | None = None,
        uri: str | None = None,
        expected: str | None = None,
    ) -> Labels:
        now = self.labels(model, version).tags.get(key, "")
        if expected is not None and now != expected:
            raise Refused(f"The tag {key} reads {now!r} by now. It was not changed.", "Look again.")
        tags = self._double.version_tags.setdefault(f"{model}/{version}", {})
        before = tags.pop(key, None)
        if value is not None:
            tags[key] = value
        self._double.announce(events.RegistryChanged(self._double.server))
        given = {"model": model, "key": key, "value": before, "version": version}
        return Labels(model, version, None, dict(tags), Undo("models.tag", given))

    def labels(self, model: str, version: str | None = None, uri: str | None = None) -> Labels:
        known = self._double.models_by_name[model]
        tags = {"team": known.tags.get("team", "lab")} if version else dict(known.tags)
        text = self._double.descriptions.get(f"{model}/{version}", known.description if version is None else None)
        return Labels(model, version, text, {**tags, **self._double.version_tags.get(f"{model}/{version}", {})})

    def remove_alias(self, model: str, alias: str, uri: str | None = None, expected: str | None = None) -> Model:
        double = self._double
        old = double.models_by_name[model]
        at = old.aliases.get(alias, "none")
        if expected is not None and at != expected:
            raise Refused(f"{model}@{alias} points at version {at} by now; it was seen at {expected}.")
        new = replace(old, aliases={name: one for name, one in old.aliases.items() if name != alias})
        double.models_by_name[model] = new
        double.announce(events.RegistryChanged(double.server))
        given: dict[str, Any] = {"model": model, "alias": alias, "version": at, "expected": "none"}
        return replace(new, undo=Undo("models.promote", given, ""))

    def describe(
        self, model: str, text: str, version: str | None = None, uri: str | None = None, expected: str | None = None
    ) -> Labels:
        now = self.labels(model, version).description or ""
        if expected is not None and now != expected:
            raise Refused(f"The description reads {now!r} by now. It was not changed.", "Look again.")
        self._double.descriptions[f"{model}/{version}"] = text
        return Labels(model, version, text)

    def delete(self, model: str, confirm: str, version: str | None = None, uri: str | None = None) -> Model:
        self._double.deleted.append((model, version, confirm))
        return self._double.models_by_name[model]

    def facts(self, model: str, version: str, uri: str | None = None) -> ModelFileFacts:
        return self._double.model_facts or ModelFileFacts(
            model, version, {"sklearn": {"sklearn_version": "1.8.0"}, "python_function": {}}, ("cloudpickle",), True,
            {"sklearn.linear_model.LogisticRegression": 1, "numpy.ndarray": 3},
            (SignatureColumn("age", "double"), SignatureColumn("country", "string", False)),
            (SignatureColumn(None, "tensor float32", True, (-1, 10)),), (SignatureColumn("threshold", "double"),),
            '{"dataframe_split": {"columns": ["age", "country"], "data": [[41.0, "SE"]]}}',
            ("mlflow==3.17.2", "scikit-learn==1.8.0", "numpy==2.4.6"), "3.11.9", "3.17.2", "m-4bf9",
            48_213, 6,
        )  # fmt: skip

    def files(self, model: str, version: str, path: str = "", uri: str | None = None) -> list_of[Artifact]:
        inside = {"": TOP, "plots": PLOTS}
        return inside.get(path, [])

    def download(self, model: str, version: str, path: str, folder: str, uri: str | None = None) -> Downloaded:
        self._double.downloaded.append((model, version, path, uri))
        return Downloaded(f"{folder}/{path}", 1, 812)

    def view(self, model: str, version: str, path: str, uri: str | None = None) -> ArtifactView:
        if path not in VIEWS:
            raise NotFound(f"There is no file {path!r}.")
        return VIEWS[path]

    def lineage(self, model: str, version: str | None = None, uri: str | None = None) -> Lineage:
        return some_lineage(model, version or "4") if self._double.lineage is None else self._double.lineage

    def open_lineage(self, model: str, version: str | None = None, uri: str | None = None) -> OpenLineage:
        return OpenLineage(({"job": {"name": f"{model}/{version}"}}, {"job": {"name": "é\n"}}))

    def compare(self, model: str, a: str, b: str, **named: Any) -> list_of[ComparedValue]:
        other, more = named.get("other"), named.get("more")
        self._double.compared.append((model, a, other, b, *(more or ())))
        third = [one.rpartition("/") for one in more or ()]
        found = [metrics_of(model, int(a)), metrics_of(other or model, int(b))]
        found += [metrics_of(name, int(version)) for name, _, version in third]
        if third:
            return [_compared(name, [one[name] for one in found]) for name in sorted(found[0])]
        return [
            *(_compared(name, [one[name] for one in found]) for name in sorted(found[0])),
            ComparedValue(ComparedGroup.PARAMS, "lr", (0.01, 0.001), True),
            ComparedValue(ComparedGroup.ENVIRONMENT, "scikit-learn", ("1.7.2", "1.8.0"), True),
            ComparedValue(ComparedGroup.ENVIRONMENT, "numpy", ("2.4.6", "2.4.6"), False),
            ComparedValue(ComparedGroup.SIGNATURE, "input country", (None, "string"), True),
        ]


def _compared(name: str, values: list[float]) -> ComparedValue:
    finite = [value for value in values if not math.isnan(value)]
    differs = len({repr(value) for value in values}) > 1
    best = None
    if differs and len(finite) == len(values) > 1 and name != "rows":
        best = values.index(min(values) if name in LOWER else max(values))
    return ComparedValue(ComparedGroup.METRICS, name, tuple(values), differs, best)


def some_moves() -> list[AliasMove]:
    return [
        AliasMove("digits", "champion", NOW - 86_400, "2", "3", "ana"),
        AliasMove("digits", "challenger", NOW - 5000, "3", "4", "jonas"),
        AliasMove("digits", "champion", NOW - 9 * 86_400, "1", "2", None, NOW - 10 * 86_400),
        AliasMove("digits", "champion", NOW - 20 * 86_400, None, "1", "ana"),
        AliasMove("fraud-score", "champion", NOW - 90_000, "10", "11", "maria"),
    ]


def some_lineage(model: str, version: str) -> Lineage:
    nodes = (
        LineageNode("d1", LineageKind.DATASET, f"{model}-train", "digest 9f2c11aa"),
        LineageNode("d2", LineageKind.DATASET, f"{model}-valid", "digest 77aa01bc"),
        LineageNode("j1", LineageKind.JOB, f"train-{model}", "ana", "c16c7d8e9f01", "succeeded"),
        LineageNode("r1", LineageKind.RUN, "calm-owl-42", "auc 0.93", f"run{version}"),
        LineageNode("r0", LineageKind.RUN, "bold-elk-7", "auc 0.91", "run3"),
        LineageNode("m1", LineageKind.LOGGED_MODEL, "m-4bf9", "sklearn"),
        LineageNode("v1", LineageKind.VERSION, f"version {version}", "", f"{model}/{version}"),
        LineageNode("v0", LineageKind.VERSION, "version 3", "", f"{model}/3"),
        LineageNode("a1", LineageKind.ALIAS, "challenger", "", f"{model}@challenger"),
        LineageNode("a0", LineageKind.ALIAS, "champion", "", f"{model}@champion"),
        LineageNode("s0", LineageKind.REVISION, "r2", f"{model}, 100 % of requests", f"{model}#2", "live"),
        LineageNode("e0", LineageKind.ENDPOINT, model, "serves version 3", model, "live"),
        LineageNode("x0", LineageKind.DRIFT, "Drift", "3 of 15 columns", model, "drift"),
        LineageNode("w0", LineageKind.MONITOR, f"{model}-live", "3 of 15 columns", f"{model}-live", "turned"),
        LineageNode("u0", LineageKind.RULE, f"keep-{model}-fresh", "approval", f"keep-{model}-fresh"),
    )
    links = [("d1", "r1", "training"), ("d2", "r1", "validation"), ("j1", "r1", ""), ("r1", "m1", ""), ("m1", "v1", ""),
             ("d1", "r0", "training"), ("r0", "v0", "registered"), ("v1", "a1", ""), ("v0", "a0", ""),
             ("v0", "s0", "served"), ("s0", "e0", "answers"), ("e0", "x0", ""), ("e0", "w0", "watched"),
             ("w0", "u0", "sets off"), ("a0", "u0", "retrains")]  # fmt: skip
    return Lineage(nodes, tuple(LineageEdge(*link) for link in links))


TOP = [
    Artifact("plots", is_folder=True), Artifact("MLmodel", size_bytes=912), Artifact("README.md", size_bytes=400),
    Artifact("model.pkl", size_bytes=48_213), Artifact("requirements.txt", size_bytes=61),
    Artifact("metrics.csv", size_bytes=2048), Artifact("config.json", size_bytes=120),
]  # fmt: skip
PLOTS = [Artifact("plots/roc.html", size_bytes=9000)]
_MLMODEL = """artifact_path: model
flavors:
  python_function:
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: mlflow.sklearn
    model_path: model.pkl
    python_version: 3.11.9
  sklearn:
    code: null
    pickled_model: model.pkl
    serialization_format: cloudpickle
    sklearn_version: 1.8.0
mlflow_version: 3.17.2
model_size_bytes: 48213
"""
_README = """# Digits

A **logistic regression** on scaled pixels, for *prototypes* only.

- trained on `digits-train`
- see [the data sheet](https://example.org/digits)

> Not for cheques.

## Limits

Digits that touch one another are read as one.
"""
VIEWS = {
    "MLmodel": ArtifactView("MLmodel", "code", 912, _MLMODEL, "YAML", sha256="9f2c11aa" * 8),
    "README.md": ArtifactView("README.md", "markdown", 400, _README, sha256="0a" * 32),
    "model.pkl": ArtifactView("model.pkl", "pickle", 48_213, sha256="ab" * 32,
                              listing=("sklearn.linear_model._logistic.LogisticRegression", "numpy.ndarray",
                                       "numpy.dtype", "builtins.eval")),
    "requirements.txt": ArtifactView("requirements.txt", "text", 61, "mlflow==3.17.2\nscikit-learn==1.8.0\n"),
    "metrics.csv": ArtifactView("metrics.csv", "table", 2048, table=ArtifactTable(
        ("epoch", "loss", "auc"), tuple((str(n), f"{1 / (n + 1):.4f}", f"{0.5 + n / 60:.3f}") for n in range(20)), 200)),
    "config.json": ArtifactView("config.json", "json", 120, '{\n  "lr": 0.001,\n  "epochs": 40\n}', "JSON"),
    "plots/roc.html": ArtifactView("plots/roc.html", "html", 9000, "<html><script>alert(1)</script></html>"),
}  # fmt: skip
