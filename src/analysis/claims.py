"""The rules by which a claim of the paper is judged, as data; they stand in version control before the numbers.

A rule names the effect, how many models become one number, the interval and what it is about (the estimand), the
null that is printed beside it, and the smallest effect of interest. The verdict follows from the interval alone:
REPRODUCED if the whole interval lies beyond the smallest effect of interest in the claimed direction, CONTRADICTED
if it lies wholly short of it, CANNOT TELL if it contains it, NOT RUN if the data cannot answer.

Estimands: S this test set; C these classes, fresh items; G fresh classes and fresh items; R fresh training runs.

The rules were written after three things had been seen: the numbers on ImageNet-V2 and on the networks of 2018, the
counts of weak classes of the timm networks of 2022 by original and ReaL labels, and the raw correlations and overlaps
of these. There the verdicts are descriptive. The rules are prospective for ImageNet-Sketch, CIFAR-10.1, the
sixteen-class trials, Tiny-ImageNet, CIFAR-10-C and this project's own text runs: `git log --follow
src/analysis/claims.py` shows that they are older than the tables.

Changed since the first commit:

- C-ii, second part, before anything of it had been computed: "ReaL disagreement" became "ReaL agreement". The sign was
  the wrong way round.
- F4-2o, new on 2026-11-22: the overlap of weak classes of text representations, until then shown without a verdict. It
  was written when the overlaps of the authors' runs were known, so there it is descriptive, and before that number of
  any text run of this project had been computed.
"""

import hashlib
import json
from pathlib import Path

import pandas as pd

from . import files, paths, receipts
from .errors import IntegrityError, UsageError

RULES = {
    "F1": {
        "statement": "The average hides very weak classes",
        "parts": [
            {"effect": "classes with true accuracy below 0.5", "unit": "share of the classes", "mei": 0.01},
            {
                "effect": "overall accuracy minus the mean of the q weakest classes, beyond what equal difficulty"
                " gives",
                "unit": "accuracy",
                "mei": 0.10,
            },
        ],
        "method": "posterior draws: g-model of 8 basis functions, penalty 0.1, refitted on resampled classes",
        "models": "one network: its own; a named set: its median network, and the share of networks reproduced",
        "estimand": "C",
        "null": "every class equally hard",
        "minimum_classes": 100,
    },
    "F2r": {
        "statement": "Networks of different architecture find the same classes hard (correlation)",
        "parts": [
            {
                "effect": "correlation of class accuracies, corrected for noise and shared items",
                "unit": "r",
                "mei": 0.70,
            }
        ],
        "method": "closed form over all halvings; class bootstrap, all networks of a drawn class together",
        "models": "mean over pairs of networks; the lowest pair is shown",
        "estimand": "G",
        "null": "sham classes: corrected covariance 0",
        "minimum_classes": 20,
    },
    "F2o": {
        "statement": "Networks of different architecture share their weakest classes (overlap)",
        "parts": [
            {"effect": "overlap of weak sets from disjoint items, over its ceiling", "unit": "ratio", "mei": 0.60},
            {"effect": "overlap of weak sets from disjoint items", "unit": "multiples of q^2/K", "mei": 4.0},
        ],
        "method": "40 splits of the items, fixed before the class bootstrap; ties shared",
        "models": "mean over pairs of networks",
        "estimand": "G",
        "null": "q^2/K by chance; sham classes as the floor of the full-set overlap",
        "minimum_classes": 100,
    },
    "F3L": {
        "statement": "Classes weak on clean data are weak under shift (level)",
        "parts": [
            {"effect": "correlation of clean and shifted class accuracy, corrected for noise", "unit": "r", "mei": 0.50}
        ],
        "method": "closed form; class bootstrap, all networks of a drawn class together",
        "models": "mean over networks",
        "estimand": "G",
        "null": "0; the ceiling of the raw correlation is printed",
        "minimum_classes": 20,
    },
    "F3D": {
        "statement": "Classes weak on clean data lose more under shift (loss)",
        "parts": [
            {
                "effect": "loss of the q weakest classes minus loss of the rest, selected and read on disjoint items;"
                " the mirror selection (weak on shifted data) must have the same sign",
                "unit": "the row's scale",
                "mei": {"points": 0.03, "ratio": 0.03, "logit": 0.20},
            }
        ],
        "method": "cross-fitted halves; class bootstrap with the selection redone in every draw",
        "models": "mean over networks",
        "estimand": "G",
        "null": "0: equal loss",
        "minimum_classes": 20,
    },
    "F4-1": {
        "statement": "The average hides weak classes of text classifiers",
        "parts": [
            {
                "effect": "overall accuracy minus the cross-fitted mean of the q weakest classes",
                "unit": "accuracy",
                "mei": 0.10,
            }
        ],
        "method": "200 splits; binomial interval over the selected classes",
        "models": "run means first, then one value a representation; the median representation, bert-tiny included",
        "estimand": "C",
        "null": "0 by construction; equal difficulty and item flips beside the plug-in minimum",
        "minimum_classes": 20,
    },
    "F4-2": {
        "statement": "Text representations find the same classes hard",
        "parts": [
            {
                "effect": "correlation of class accuracies of run means, corrected for noise and shared items",
                "unit": "r",
                "mei": 0.70,
            }
        ],
        "method": "closed form; class bootstrap",
        "models": "mean over pairs of representations, bert-tiny included; without it as a secondary row",
        "estimand": "G",
        "null": "sham classes: corrected covariance 0",
        "minimum_classes": 20,
    },
    "F4-2o": {
        "statement": "Text representations share their weakest classes (overlap)",
        "parts": [
            {
                "effect": "overlap of the q weakest classes of run means from disjoint items, beyond the 97.5 % point"
                " of the same overlap in sham classes",
                "unit": "classes",
                "mei": 0.0,
            }
        ],
        "method": "40 splits of the items, fixed before the class bootstrap; ties shared",
        "models": "mean over pairs of representations, bert-tiny included, and without it; every row is secondary",
        "estimand": "G",
        "null": "sham classes, on disjoint items too",
        "minimum_classes": 20,
    },
    "C-i": {
        "statement": "Poor representations are the cause of weak classes",
        "parts": [],
        "method": "",
        "models": "",
        "estimand": "",
        "null": "",
        "minimum_classes": 20,
    },
    "C-ii": {
        "statement": "Training data are the cause of weak classes",
        "parts": [
            {"effect": "rank correlation of class accuracy with pre-training frequency", "unit": "r", "mei": 0.30},
            {"effect": "rank correlation of class accuracy with ReaL agreement", "unit": "r", "mei": 0.30},
        ],
        "method": "class bootstrap",
        "models": "mean over networks",
        "estimand": "G",
        "null": "0",
        "minimum_classes": 20,
    },
}

# Two-part rules: reproduced needs both parts, contradicted if either part is, else cannot tell.
# F3D with the contrast beyond its smallest effect but a mirror of the other sign: cannot tell.

FOUR_FAMILIES = (
    "timm2022/resnet50",
    "timm2022/convnext_tiny",
    "timm2022/efficientnet_b4",
    "timm2022/vit_small_patch16_224",
)

# What is primary: claim, data set, labels, models, scale. Every other row is secondary.
PRIMARY = (
    ("F1", "imagenet-val", "original", "four-families", ""),
    ("F2r", "imagenet-val", "original", "four-families", ""),
    ("F2o", "imagenet-val", "original", "four-families", ""),
    ("F3L", "imagenetv2-matched-frequency", "original", "nets45", ""),
    ("F3D", "imagenetv2-matched-frequency", "original", "nets45", "points"),
    ("F4-1", "banking77", "original", "paper-banking77", ""),
    ("F4-1", "20news", "original", "paper-20news", ""),
    ("F4-2", "banking77", "original", "paper-banking77", ""),
    ("F4-2", "20news", "original", "paper-20news", ""),
)


def weak_set_size(classes: int) -> int:
    """How many classes count as the weakest, by the number of classes.

    >>> [weak_set_size(k) for k in (1000, 200, 77, 10)]
    [50, 10, 5, 3]
    """
    return 50 if classes > 500 else 10 if classes >= 100 else 5 if classes >= 20 else 3


def rules_digest() -> str:
    """SHA-256 of the rules as canonical JSON: another digest is another set of rules."""
    canonical = json.dumps([RULES, FOUR_FAMILIES, PRIMARY], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def part_verdict(low: float, high: float, mei: float) -> str:
    """The verdict of one part from its 95 % interval and the smallest effect of interest.

    >>> part_verdict(0.72, 0.90, 0.70), part_verdict(0.1, 0.2, 0.70), part_verdict(0.6, 0.8, 0.70)
    ('reproduced', 'contradicted', 'cannot tell')
    >>> part_verdict(float("nan"), 0.8, 0.70)
    'cannot tell'
    """
    if low > mei:
        return "reproduced"
    return "contradicted" if high < mei else "cannot tell"


def joint_verdict(verdicts: list[str]) -> str:
    """Reproduced needs every part; one contradicted part contradicts; else cannot tell.

    >>> joint_verdict(["reproduced", "reproduced"]), joint_verdict(["reproduced", "contradicted"])
    ('reproduced', 'contradicted')
    >>> joint_verdict(["reproduced", "cannot tell"])
    'cannot tell'
    """
    if "contradicted" in verdicts:
        return "contradicted"
    return "reproduced" if verdicts and set(verdicts) == {"reproduced"} else "cannot tell"


COLUMNS = {
    "claim": str,
    "dataset": str,
    "labels": str,
    "models": str,
    "role": str,
    "scale": str,
    "statement": str,
    "effect": float,
    "ci_low": float,
    "ci_high": float,
    "estimand": str,
    "null": float,
    "naive": float,
    "n_classes": int,
    "n_models": int,
    "method": str,
    "verdict": str,
    "reason": str,
}
KEY = ["claim", "dataset", "labels", "models", "scale"]

CORPORA = ("banking77", "20news")
NO_SHIFT = (
    ("imagenet-r", "original", "clip", "ImageNet-R is scored among 200 classes, ImageNet among 1000"),
    ("imagenet-a", "original", "networks", "no usable answers to images or counts of classes were found"),
    ("imagenet-c", "original", "networks", "no usable answers to images or counts of classes were found"),
    ("cifar10-c", "original", "paper/resnet152", "10 classes are fewer than 20: described in notebook 10"),
    ("ood16", "original", "tizian", "16 categories are fewer than 20, with 10 to 40 clean trials each"),
)

# What no published data can answer; a row of a notebook takes the place of the one here.
NOT_RUN = (
    ("F1", "imagenet-val", "original", "paper", "the paper's ImageNet.pkl was not published with its code"),
    ("F2r", "imagenet-val", "original", "clip", "only class counts were published, no answers to single images"),
    ("F2o", "imagenet-val", "original", "clip", "only class counts were published, no answers to single images"),
    *[(claim, *about) for claim in ("F3L", "F3D") for about in NO_SHIFT],
    ("C-i", "imagenet-val", "original", "four-families", "features of these networks were not published"),
)


def row(claim: str, *, dataset: str, labels: str, models: str, scale: str = "", **values) -> dict:
    """One row of the claims table; statement, estimand and role come from the rules.

    Other keywords are columns: effect, ci_low, ci_high, null, naive, n_classes, n_models, method, verdict, reason.

    >>> row("F2r", dataset="imagenet-val", labels="original", models="four-families", verdict="not run")["role"]
    'primary'
    """
    unknown = set(values) - set(COLUMNS)
    if unknown:
        raise ValueError(f"no such column of the claims table: {sorted(unknown)}")
    rule = RULES[claim]
    role = "primary" if (claim, dataset, labels, models, scale) in PRIMARY else "secondary"
    own = {"claim": claim, "dataset": dataset, "labels": labels, "models": models, "scale": scale, "role": role}
    fixed = {"statement": rule["statement"], "estimand": rule["estimand"], "method": rule["method"]}
    return dict.fromkeys(COLUMNS) | fixed | values | own


def judge(claim: str, intervals: list[tuple[float, float]], *, n_classes: int, scale: str = "") -> tuple[str, str]:
    """Verdict and, where the rule cannot be applied, the reason.

    Parameters
    ----------
    intervals : (low, high) of each part of the rule, in its order and unit
    n_classes : classes with items; below the rule's minimum the row is descriptive

    >>> judge("F2r", [(0.9, 0.95)], n_classes=1000)
    ('reproduced', '')
    >>> judge("F3L", [(0.9, 0.95)], n_classes=10)
    ('cannot tell', 'descriptive: 10 classes, the rule needs 20')
    """
    rule = RULES[claim]
    if n_classes < rule["minimum_classes"]:
        return "cannot tell", f"descriptive: {n_classes} classes, the rule needs {rule['minimum_classes']}"
    if len(intervals) != len(rule["parts"]):
        raise ValueError(f"{claim} has {len(rule['parts'])} parts, {len(intervals)} intervals were given")
    minima = [part["mei"][scale] if isinstance(part["mei"], dict) else part["mei"] for part in rule["parts"]]
    pairs = zip(intervals, minima, strict=True)
    return joint_verdict([part_verdict(low, high, mei) for (low, high), mei in pairs]), ""


# How the naive figure of a row reads in the unit of the first part of its rule, by a reader who knows neither noise nor
# shared items: an overlap is held against chance alone, a count of weak classes is taken as it stands.
_NAIVE = {
    "F1": lambda row: row["naive"] / row["n_classes"],
    "F4-2o": lambda row: row["naive"] - weak_set_size(row["n_classes"]) ** 2 / row["n_classes"],
}


def naive_verdict(row: dict) -> str:
    """What the rule would say of the naive figure, taken without an interval; "" where there is none.

    >>> naive_verdict(row("F4-1", dataset="d", labels="l", models="m", naive=0.132, n_classes=77))
    'reproduced'
    >>> naive_verdict(row("F1", dataset="d", labels="l", models="m", naive=3.0, n_classes=1000))
    'contradicted'
    """
    naive = pd.to_numeric(row["naive"], errors="coerce")
    if pd.isna(naive) or not RULES[row["claim"]]["parts"]:
        return ""
    row = row | {"naive": naive, "n_classes": pd.to_numeric(row["n_classes"])}
    value = _NAIVE.get(row["claim"], lambda known: known["naive"])(row)
    return part_verdict(value, value, first_minimum(row["claim"], row["scale"]))


def first_minimum(claim: str, scale: str = "") -> float:
    """The smallest effect of interest of the first part of a rule.

    >>> first_minimum("F2r"), first_minimum("F3D", "logit")
    (0.7, 0.2)
    """
    mei = RULES[claim]["parts"][0]["mei"]
    return mei[scale] if isinstance(mei, dict) else mei


def why(claim: str, dataset: str | None = None):
    """How a verdict follows: the rule, what was computed, the naive figure and why it misleads, and the rule's history.

    Parameters
    ----------
    claim : "F1", "F2r", ...: a key of `RULES`
    dataset : all rows of this data set in full; default: the primary rows in full, the others by verdict

    Returns
    -------
    reasoning.Reasoning : prints as text, JupyterLab shows it as Markdown

    Raises
    ------
    UsageError : no such claim, or no row of it on that data set; the message names those there are.
    """
    from .reasoning import explain

    return explain(claim, dataset)


def write(notebook: str, rows: list[dict], folder: Path) -> Path:
    """Write the rows of one notebook to `<folder>/<notebook>.csv`; gives the path."""
    path = folder / f"{notebook}.csv"
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    with files.atomic(path) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")
    return path


def combine() -> pd.DataFrame:
    """`gathered`, also written to `figures/tables/claims.csv`."""
    rows = gathered()
    with files.atomic(paths.figures() / "tables" / "claims.csv") as temporary:
        rows.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")
    return rows


def gathered() -> pd.DataFrame:
    """All rows that the notebooks wrote, and a `not run` row with its reason for what they could not answer.

    Rows come primary first, then by claim.

    Raises
    ------
    UsageError : no notebook has run yet; InputError : rows were changed after the run that wrote them;
    IntegrityError : two rows of one key.
    """
    written = sorted((paths.figures() / "tables" / "claims").glob(files.NAMED + ".csv"))
    if not written:
        raise UsageError("claims", "no notebook has written claims yet", "run make reproduce")
    for path in written:
        receipts.check(path)
    frames = [pd.read_csv(path, keep_default_na=False, na_values={"effect": [""]}) for path in written]
    rows = pd.concat([frame for frame in frames if len(frame)], ignore_index=True)
    if rows.duplicated(KEY).any():
        twice = rows[rows.duplicated(KEY)].iloc[0]
        raise IntegrityError("claims", f"{' '.join(str(twice[k]) for k in KEY)}: two rows", "delete figures/tables")
    have = set(rows[["claim", "dataset", "labels", "models"]].itertuples(index=False, name=None))
    absent = [
        row(claim, dataset=dataset, labels=labels, models=models, verdict="not run", reason=reason)
        for claim, dataset, labels, models, reason in NOT_RUN
        if (claim, dataset, labels, models) not in have
    ]
    rows = pd.concat([rows, pd.DataFrame(absent, columns=list(COLUMNS)).astype(object)], ignore_index=True)
    rank = {claim: position for position, claim in enumerate(RULES)}
    order = pd.DataFrame({"role": rows["role"].ne("primary"), "claim": rows["claim"].map(rank)})
    return rows.loc[order.sort_values(["role", "claim"], kind="stable").index].reset_index(drop=True)
