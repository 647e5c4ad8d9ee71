"""How a verdict follows, in sentences: rule, what was computed, null, the naive figure and its fault, history."""

import ast
import json
import os
import subprocess
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from . import claims, paths
from .errors import UsageError, some
from .show import number

WIDTH = 100  # letters a line
ESTIMANDS = {
    "S": "this test set",
    "C": "these classes and fresh items of them",
    "G": "fresh classes and fresh items",
    "R": "fresh training runs",
}
MISLEADS = {
    "F1": "the classes were called weak on the very items that made them look weak, and noise alone pushes some of"
    " many classes below any mark",
    "F2r": "noise in the accuracies pulls a raw correlation down, and the items that all networks share push it up;"
    " both at once, so it can err either way",
    "F2o": "the networks answered the same items, so that even classes dealt at random overlap far beyond chance; an"
    " overlap on all items, and Fisher's p for it, counts that as agreement",
    "F3L": "noise in both sets pulls a raw correlation down",
    "F3D": "the weak classes were chosen for low accuracy on the very items on which their clean accuracy is read; that"
    " bad luck is not theirs for good, so they seem to lose less. Choosing them on other items cures this. It does not"
    " cure that extremes of one set are less extreme on any other, which is why the mirror is asked for",
    "F4-1": "the weakest classes were read on the very items that chose them",
    "F4-2": "noise in the accuracies pulls a raw correlation down, and the items that all runs share push it up",
    "F4-2o": "the representations answered the same items, so that classes dealt at random overlap beyond chance, too",
    "C-ii": "one odd image lowers the accuracy of its class and the reviewers' agreement with its label alike: read on"
    " the same images, the two agree by luck, too. A frequency is counted elsewhere, and a naive reading of it is a"
    " point value for one part of two",
}


NOT_SAID = {
    "F1": "which classes these are; far fewer can be named with confidence than can be counted",
    "F2r": "that the networks are independent witnesses: most were trained on the same images, so that their agreement"
    " is close to one observation about these images",
    "F2o": "that the networks are independent witnesses: most were trained on the same images, so that their agreement"
    " is close to one observation about these images",
    "F3L": "anything about what the classes lose; that is F3D",
    "F3D": "that weak classes are robust: contradicted means only that they do not lose that much more. Where the"
    " mirror has the other sign, neither fragile nor robust follows",
    "F4-1": "whether the labels or the representations are at fault",
    "F4-2": "whether the labels or the texts are what is hard",
    "F4-2o": "whether the labels or the texts are what is hard",
    "C-ii": "what would happen with other training data: no network was trained on them to see",
}
# What was known when the rules were written; see the docstring of `claims`. Of C-ii nothing was.
SEEN = (
    "Figures on ImageNet val, ImageNet-V2 and the authors' text runs were known when the rules were written, so"
    " verdicts there are descriptive; on other data they are prospective."
)
NAIVE = "A naive reading of"


@dataclass(frozen=True, repr=False)
class Reasoning:
    """Paragraphs; printed as text of `WIDTH` letters a line, shown as Markdown by JupyterLab."""

    claim: str
    paragraphs: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n\n".join(textwrap.fill(part, WIDTH, break_on_hyphens=False) for part in self.paragraphs)

    def _repr_markdown_(self) -> str:
        return "\n\n".join(self.paragraphs)


def explain(claim: str, dataset: str | None = None) -> Reasoning:
    """See `claims.why`."""
    known = {name.casefold(): name for name in claims.RULES}
    name = known.get(str(claim).casefold())
    if name is None:
        raise UsageError("claim", f"{str(claim)[:40]!r}: no such claim", f"one of {', '.join(claims.RULES)}")
    rows = claims.gathered()
    rows = rows[rows["claim"] == name]
    if dataset is None:
        results = _overview(rows)
    else:
        results = [_row(row) for row in rows[rows["dataset"] == dataset].to_dict("records")]
        if not results:
            have = some(sorted(set(rows["dataset"])), 20) or "none yet"
            raise UsageError("dataset", f"{str(dataset)[:60]!r}: no row of {name}", f"one of {have}")
    parts = [f"{name}: {claims.RULES[name]['statement']}.", _rule(name), *results]
    if any(NAIVE in part for part in results):
        parts.append(f"The naive figure is no evidence by itself: {MISLEADS[name]}.")
    if name in NOT_SAID and rows["verdict"].ne("not run").any():
        parts.append(f"No verdict here says {NOT_SAID[name]}.")
    return Reasoning(name, (*parts, history(name)))


def _rule(name: str) -> str:
    rule = claims.RULES[name]
    if not rule["parts"]:
        return "The rule. None: there are no data yet that it could be applied to."
    effects = [f"{part['effect']} (smallest effect of interest: {_mei(part)})" for part in rule["parts"]]
    every = "every interval lies" if len(effects) > 1 else "its whole interval lies"
    one = "one interval lies" if len(effects) > 1 else "it lies"
    what = "; and ".join(effects)
    return (
        f"The rule. What is measured: {what}. How: {rule['method']}. Several models: {rule['models']}."
        f" The 95 % interval is about {ESTIMANDS[rule['estimand']]} ({rule['estimand']}); the null beside it is:"
        f" {rule['null']}. Reproduced if {every} beyond the smallest effect of interest, contradicted if {one} wholly"
        f" short of it, else cannot tell; with fewer than {rule['minimum_classes']} classes cannot tell."
    )


def _mei(part: dict) -> str:
    mei = part["mei"]
    if isinstance(mei, dict):
        return ", ".join(f"{value:g} in {scale}" for scale, value in mei.items())
    return f"{mei:g}, {part['unit']}"


def _overview(rows: pd.DataFrame) -> list[str]:
    """Primary rows in full, the others by verdict; all in full where few and none is primary."""
    primary, others = (rows[rows["role"].eq("primary") == first].to_dict("records") for first in (True, False))
    ran = [row for row in others if row["verdict"] != "not run"]
    if not primary and len(ran) <= 4:
        return ["No row of this claim is primary.", *map(_row, ran), *_not_run(others)]
    parts = [] if primary else ["No row of this claim is primary."]
    return [*parts, *map(_row, primary), *_by_verdict(ran), *_not_run(others)]


def _row(row: dict) -> str:
    """One row: what it is about, what was computed, how the verdict follows, what a naive reader would have said."""
    about = f"{row['role'].capitalize()}. {_about(row)}"
    if row["verdict"] == "not run":
        return f"{about}: not run, because {row['reason']}."
    counts = f"{number(row['n_classes'])} classes, {number(row['n_models'])} {_plural(row['n_models'], 'model')}"
    computed = (
        f"Computed: {number(row['effect'])} with interval [{number(row['ci_low'])}, {number(row['ci_high'])}]"
        f" ({row['estimand']}), where the null gives {number(row['null'])}."
    )
    parts = [f"{about} ({counts}).", computed, _verdict(row), f"With it: {row['reason']}." if row["reason"] else ""]
    return " ".join(filter(None, [*parts, _naive(row)]))


def _about(row: dict) -> str:
    scale = f", {row['scale']}" if row["scale"] else ""
    return f"{row['dataset']}, {row['labels']} labels, {row['models']}{scale}"


def _plural(count, word: str) -> str:
    return word if pd.to_numeric(count) == 1 else f"{word}s"


def _verdict(row: dict) -> str:
    """How the verdict follows from the interval; the other part of a rule and its exceptions stand in the reason."""
    rule, verdict = claims.RULES[row["claim"]], row["verdict"]
    if not rule["parts"]:
        return f"Without a rule that stood before it this is a description: {verdict}."
    n_classes = int(pd.to_numeric(row["n_classes"]))
    if n_classes < rule["minimum_classes"]:
        return f"That describes {n_classes} classes; a verdict needs {rule['minimum_classes']}: cannot tell."
    if row["claim"] == "F4-2o":  # its limit is the 97.5 % point of sham classes, which stands in the reason
        where = {"reproduced": "wholly above", "contradicted": "wholly below"}.get(verdict, "on both sides of")
        return f"The interval lies {where} the 97.5 % point of sham classes: {verdict}."
    low, high = (float(row[end]) for end in ("ci_low", "ci_high"))
    share = ""
    if row["claim"] == "F1":  # the row counts classes, the rule speaks of their share
        low, high = low / n_classes, high / n_classes
        share = f", as a share of the classes [{number(low)}, {number(high)}],"
    limit = claims.first_minimum(row["claim"], row["scale"])
    alone = claims.part_verdict(low, high, limit)
    where = {"reproduced": "wholly above", "contradicted": "wholly below"}.get(alone, "on both sides of")
    text = f"The interval{share} lies {where} the smallest effect of interest, {limit:g}"
    if alone == verdict:
        also = ", for this part; the other part agrees" if len(rule["parts"]) > 1 and alone == "reproduced" else ""
        return f"{text}{also}: {verdict}."
    other = "the other part of the rule" if len(rule["parts"]) > 1 else "what the rule asks besides"
    return f"{text}, which alone would mean {alone}; {other} makes it: {verdict}."


def _naive(row: dict) -> str:
    reading = claims.naive_verdict(row)
    if not reading:
        return ""
    says = "also says" if reading == row["verdict"] else "says"
    return f"{NAIVE} {number(row['naive'])} {says} {reading}."


def _by_verdict(rows: list[dict], most: int = 5) -> list[str]:
    """One sentence a verdict for the secondary rows."""
    if not rows:
        return []
    parts = []
    for verdict in ("reproduced", "contradicted", "cannot tell"):
        found = [f"{_about(row)} {number(row['effect'])}" for row in rows if row["verdict"] == verdict]
        if found:
            parts.append(f"{len(found)} {verdict} ({some_of(found, most)})")
    many = f"{len(rows)} secondary {_plural(len(rows), 'row')}"
    return [f"{many}: {'; '.join(parts)}. All of them: figures/tables/claims.csv, or --dataset."]


def some_of(texts: list[str], most: int) -> str:
    """The first few of several texts that hold commas.

    >>> some_of(["a, b", "c, d", "e, f"], 2)
    'a, b; c, d; and 1 more'
    """
    rest = len(texts) - most
    return "; ".join([*texts[:most], f"and {rest} more"] if rest > 0 else texts)


def _not_run(rows: list[dict]) -> list[str]:
    absent = [f"{row['dataset']}, {row['models']} ({row['reason']})" for row in rows if row["verdict"] == "not run"]
    return [f"Not run: {'; '.join(absent)}."] if absent else []


# ---- Since when a rule stands ----------------------------------------------------------------------------------------


def history(name: str) -> str:
    """The digest of all rules, and the commit since which this one stands as it is; one line where git cannot say."""
    head = f"Rules: sha256 {claims.rules_digest()}."
    try:
        commits = _commits()
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return f"{head} Since when they stand is in the repository's history, which is not here (no git checkout)."
    now, since = _canonical(claims.RULES, claims.PRIMARY, name), None
    for commit in commits:  # from the newest
        try:
            rules, primary = _rules_at(commit[0])
        except (subprocess.SubprocessError, SyntaxError, ValueError, KeyError):
            break
        if _canonical(rules, primary, name) != now:
            break
        since = commit
    if since is None:
        return f"{head} The rule of {name} differs from that of the last commit: it is not in version control yet."
    at_least = " or before (the history here is cut off)" if since == commits[-1] and _shallow() else ""
    digest, date, subject = since
    stands = f'{head} The rule of {name} stands as it is since commit {digest} of {date}{at_least}: "{subject}".'
    return stands if name.startswith("C-") else f"{stands} {SEEN}"


def _canonical(rules: dict, primary, name: str) -> str:
    mine = [list(row) for row in primary if row[0] == name]
    return json.dumps([rules.get(name), mine], sort_keys=True)


def _commits() -> list[tuple[str, str, str]]:
    """Commits that touched the rules, newest first: abbreviated hash, date, subject."""
    if Path(_git("rev-parse", "--show-toplevel").strip()).resolve() != paths.ROOT:
        raise FileNotFoundError("the checkout around is of another repository")
    lines = _git("log", "--format=%h%x00%as%x00%s", "--", _path()).splitlines()
    found = [tuple(line.split("\0")) for line in lines]
    if not found:
        raise FileNotFoundError("no commit holds the rules")
    return found


def _shallow() -> bool:
    return _git("rev-parse", "--is-shallow-repository").strip() == "true"


def _rules_at(commit: str) -> tuple[dict, tuple]:
    """RULES and PRIMARY of a commit, read as literals: no code of another commit runs."""
    tree = ast.parse(_git("show", f"{commit}:{_path()}"))
    values = {
        statement.targets[0].id: statement.value
        for statement in tree.body
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
    }
    return ast.literal_eval(values["RULES"]), ast.literal_eval(values["PRIMARY"])


def _path() -> str:
    return Path(claims.__file__).resolve().relative_to(paths.ROOT).as_posix()


def _git(*arguments: str) -> str:
    # A hook or a test may point git at another repository: ours is the one around the package.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(paths.ROOT), *arguments]
    done = subprocess.run(command, capture_output=True, env=clean | {"LC_ALL": "C"}, timeout=20, check=True)
    return done.stdout.decode("utf-8")
