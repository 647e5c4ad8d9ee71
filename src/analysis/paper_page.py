"""docs/paper.md: the items of `paper` as a page, one line a network or pair with its numbers in a fixed order."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from . import files, paper, paths
from .paper import KEY
from .paper_rows import printed

TITLES = {
    "Table 1": "Table 1: overall accuracy and what it hides, per cent",
    "Table 2": "Table 2: correlation of class accuracies between networks",
    "Table 3": "Table 3: overlap of the worst classes, with Fisher's p (worst 50 of 1000 classes, else 5)",
    "Table 4": "Table 4: overlap of the classes with the lowest robustness score (CRS)",
    "Figure 3": "Figure 3: robustness score against accuracy",
    "Table 5": "Table 5: how far class accuracy moves between runs, per cent",
    "Fig main": "Main figure: six networks on CIFAR-100",
    "Fig confidence": "Confidence figure: class accuracy against class confidence",
    "Fig sensitivity": "Sensitivity figure: share of clean accuracy kept under corruption, per cent",
}
DEFECTS = {
    "D1": "Two arguments of a function are swapped in text Tables 1 and 5, so these print precision (right answers per"
    " answer) where accuracy of a class (right answers per item) is meant.",
    "D2": "A class that is never the answer has no precision and drops out, so the worst possible class does not show.",
    "D3": "Tables 1 to 3 take run 1 of bert-tiny and run 0 of the other text classifiers.",
    "D4": "The accuracy of Figure 3 counts a hit in the top five answers.",
    "D5": "Class 134 (crane, the bird) has no hit in any robustness file, most likely because another folder was read.",
    "D6": "Robustness scores of different networks share boxes and images, and agree almost whatever the network.",
    "D7": "On new test sets class accuracy moves by sampling alone about as far as Table 5 reports for the splits.",
    "D8": "Classes tied at the cut of a worst set are taken in the order the sort leaves them, which differs between"
    " library versions; here ties go by class id, and where they decide the reachable range is given.",
    "D9": "Ranges over three image runs stand beside ranges over ten text runs, and a range grows with the runs.",
    "D10": "Four ImageNet networks are run in training mode, which lowers the three that have batch norm, dropout or"
    " stochastic depth.",
    "D11": "The bars called bad in the sensitivity figure are classes of middling clean accuracy, not weak ones.",
    "D12": "Accuracy of a class says nothing of wrong answers that name it: under corruption a class can gain only"
    " because the network answers it too often.",
    "D13": "P-values of a test against unrelated sets are printed, to two decimals in the heat maps; the overlap itself"
    " and its chance level say more.",
    "D14": "Some published scripts cannot run as they are (cut-off file, missing modules, wrong names).",
    "D15": "Image scripts trust the order of rows; here rows are matched by class id.",
    "D16": "What image scripts call overall accuracy is the mean over classes, which differs for unequal classes.",
}
INTRO = """# The paper, number by number

Written by `analysis paper --write-docs` from the tables in `data/`; every number unrounded, with its source, is in
`figures/tables/paper_items.csv` (`analysis paper`).

- **as coded**: what the published scripts compute from the published files, defects included, recomputed here. Only
  where the status says *needs data* it is what a published notebook printed or drew.
- **corrected**: the intended definition on the same runs.
- **ours**: the definition as coded on networks of other sources, named in brackets. They stand beside the paper's
  networks and are not the same.
- **status**: *equal* or *differs* holds "as coded" against what is known of the authors' numbers, to its printed digit
  (`data/paper/printed.csv`): what their notebooks show, and what their scripts' definitions give in an independent
  program. The paper itself was not open to us. *Ours only*: no such number is known. *Needs data*: files that were
  not published.

The row and column "random" of the heat maps come from a shuffle without a seed and are left out. A dash is a number
that a column does not have.

## What is wrong in the published code

"""


class Line(NamedTuple):
    """One line of the page: `names` of the statistics, and three texts with a number for each."""

    item: str
    names: tuple[str, ...]
    dataset: str
    model: str
    as_coded: str
    corrected: str
    ours: str
    status: str


def shown(item: str, statistic: str, value: float) -> str:
    """A number with the digits that the item prints.

    >>> shown("Table 1", "min", 43.137), shown("Table 3", "fisher_p", 6.449e-05), shown("Table 3", "overlap", 4.0)
    ('43.1', '6.45e-05', '4')
    """
    if math.isnan(value):
        return "–"
    if "_p_" in f"{statistic}_":
        return f"{value:.2e}"
    if statistic.startswith("overlap"):
        return f"{value:.3g}"
    per_cent = item in ("Table 1", "Table 5") or statistic.startswith(("share", "top"))
    return f"{value:.1f}" if per_cent else f"{value:.2f}" if statistic.startswith("figure") else f"{value:.3f}"


def compact(items: pd.DataFrame) -> Iterator[Line]:
    """The items as lines; what `class` counts, the cells of the class table, are summed up in one."""
    cells = items["statistic"].str.startswith("class ")
    single = items[~cells]
    for (item, dataset, model, _), part in single.groupby([*KEY[:3], single["statistic"].map(_group)], sort=False):
        texts = []
        for column in ("as_coded", "corrected", "ours"):
            numbers = [shown(item, *pair) for pair in zip(part["statistic"], part[column], strict=True)]
            texts.append("–" if set(numbers) == {"–"} else " ".join(numbers))
        if texts[2] != "–":
            texts[2] += f" ({part['ours_model'].max()})"
        yield Line(item, tuple(part["statistic"]), dataset, model, *texts, _statuses(part))
    for (item, dataset, model), part in items[cells].groupby(KEY[:3], sort=False):
        names = ("of each class: mean, std, min, max, range",)
        yield Line(item, names, dataset, model, *(f"{len(part)} numbers", "the same", "–"), _statuses(part))


def page(items: pd.DataFrame) -> str:
    """The items as Markdown, by item."""
    known, texts = printed(), [INTRO, *(f"- **{name}** {text}\n" for name, text in DEFECTS.items())]
    lines = list(compact(items))
    for item, title in TITLES.items():
        texts.append(f"\n## {title}\n")
        own = [line for line in lines if line.item == item]
        for names in dict.fromkeys(line.names for line in own):
            texts.append(f"\nIn this order: {', '.join(names)}.\n\n")
            texts.append("| data | network | as coded | corrected | ours | status |\n|---|---|---|---|---|---|\n")
            for line in own:
                if line.names == names:
                    texts.append(f"| {' | '.join([line.dataset, line.model.replace('paper/', ''), *line[4:]])} |\n")
        part = items[items["item"] == item]
        different = part[part["status"] == "differs"]
        texts += ["\nDiffers:\n\n"] if len(different) else []
        for row in different.to_dict("records"):
            text = known[tuple(row[column] for column in KEY)][0]
            value = shown(item, row["statistic"], row["as_coded"])
            texts.append(f"- {row['model']}, {row['statistic']}: {value}, printed {text}; {row['source']}\n")
        for need, how in paper.FILL.items():
            texts += [f"\nTo fill what needs {need}: {how}.\n"] if f"needs data: {need}" in set(part["status"]) else []
    return "".join(texts)


def write_docs(items: pd.DataFrame):
    """Write `docs/paper.md`; gives its path."""
    path = paths.ROOT / "docs" / "paper.md"
    files.write_text(path, page(items))
    return path


def _group(statistic: str) -> str:
    """What stands on one line: not the three places of the heat maps together, nor three runs with ten.

    >>> _group("fisher_best_p"), _group("overlap_best"), _group("min")
    ('best', 'best', '')
    """
    if statistic.endswith("_runs"):
        return statistic
    if statistic in ("share_good", "share_middle"):
        return "share"
    return next((place for place in ("worst", "center", "best") if f"_{place}" in statistic), "")


def _statuses(part: pd.DataFrame) -> str:
    found = Counter(part["status"])
    return next(iter(found)) if len(found) == 1 and len(part) < 20 else ", ".join(f"{s} {n}" for s, n in found.items())
