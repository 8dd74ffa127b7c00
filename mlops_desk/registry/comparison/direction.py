"""Whether more or less of a metric is better, by its name; where that does not tell, nothing is called best. Pure."""

import re

_LOWER = frozenset({
    "loss", "losses", "error", "errors", "err", "rmse", "mse", "mae", "mape", "smape", "wape", "rmsle", "msle",
    "logloss", "nll", "perplexity", "ppl", "wer", "cer", "ter", "fid", "kid", "brier", "regret", "divergence", "kl",
    "fpr", "fnr", "eer", "ece", "hinge", "deviance", "rae", "rrse", "mase", "crps",
})  # fmt: skip
_HIGHER = frozenset({
    "acc", "accuracy", "auc", "auroc", "auprc", "aucpr", "roc", "f1", "fbeta", "precision", "recall", "r2", "map",
    "ndcg", "mrr", "iou", "miou", "dice", "jaccard", "bleu", "rouge", "meteor", "psnr", "ssim", "reward", "return",
    "sensitivity", "specificity", "kappa", "mcc", "gini", "tpr", "tnr", "top1", "top5", "hits", "likelihood", "elbo",
    "throughput",
})  # fmt: skip
_WEAK = frozenset({"score"})  # "f1_score" is higher by both its words, "loss_score" is a loss
_NEGATED = frozenset({"neg", "negative", "minus"})
_RATES = {"false": "lower", "true": "higher"}  # false_positive_rate, true_negative_rate
_PART = re.compile(r"[a-z]+\d*|\d+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

LOWER, HIGHER = "lower", "higher"


def direction(name: str) -> str | None:
    """Return "lower" or "higher", whichever is better; None where the name does not say.

    The last word that tells counts: ``accuracy_loss`` is a loss. What the machine did is neither good nor bad.
    """
    if name.startswith("system/"):
        return None
    words = _PART.findall(_HUMP.sub(" ", name).lower())
    told = _rate(words) or _last(words) or _last(_PART.findall(name.lower()))  # mAP is no "m AP"
    if told is None and _WEAK & set(words):
        told = HIGHER
    if told is not None and _NEGATED & set(words):
        return HIGHER if told == LOWER else LOWER
    return told


def _last(words: list[str]) -> str | None:
    for word in reversed(words):
        if word in _LOWER:
            return LOWER
        if word in _HIGHER:
            return HIGHER
    return None


def _rate(words: list[str]) -> str | None:
    """Return what a rate of rights or wrongs says: the share of what is false is to be small."""
    if "rate" not in words or not {"positive", "negative", "positives", "negatives"} & set(words):
        return None
    return next((_RATES[word] for word in words if word in _RATES), None)
