"""The paper's tables and figures, number by number: as coded, corrected, ours.

`as_coded` is what the published scripts compute, defects included, recomputed here from the tables; only where the
data were never published it is the number that a published notebook printed, and the status says so. `corrected` is the
intended definition on the same runs, `ours` the as-coded definition on networks of other sources (`ours_model`).
Status `equal` or `differs` compares `as_coded` with `data/paper/printed.csv` to its printed digit: numbers printed or
drawn in the authors' notebooks, and what an independent program gets from their scripts' definitions. Where the paper's
ImageNet networks were predicted on this machine it compares `corrected`: the published scripts run them in training
mode, which is repeated nowhere here.
"""

from itertools import combinations, combinations_with_replacement, product

import numpy as np
import pandas as pd

from . import claims, files, paths, tables
from .findings.crs import BROKEN
from .findings.text import PUBLISHED
from .measure import agreement, overlap
from .measure.extremes import percentile_as_coded
from .paper_rows import (
    B4,
    CONFIDENT,
    NEAR_CIFAR,
    NEAR_CRS,
    NETS,
    RUNS,
    SAME_IN_TRAINING,
    SEEDS,
    SPLITS,
    TEXT,
    VISION,
    Rows,
    block,
    lines,
    model_id,
    printed,
)
from .paper_sets import PLACES, as_coded, behind, equals, fisher, shared_overlap, ties

KEY = ["item", "dataset", "model", "statistic"]
COLUMNS = [*KEY, "as_coded", "corrected", "ours", "ours_model", "source", "status"]
SPREAD = ("acc", "max", "min", "range", "p10", "p5")
RANGES = ("acc_range", "class_range_max", "class_range_mean", "class_range_min")

PREDICT = "make predictions IMAGES=/path/to/imagenet"
FILL = {
    "ImageNet.pkl": f"{PREDICT} (same weights, evaluation mode), then: make reproduce; or put the authors' ImageNet.pkl"
    " beside their cifar100.pkl, then: make tables; analysis paper",
    "ImageNet": f"{PREDICT}, then: make reproduce",
    "ImageNet-C": f"{PREDICT} with ImageNet-C in that folder, then: make reproduce; or put the authors' ImageNet.pkl"
    " beside their cifar100.pkl, then: make tables; analysis paper",
}
EVALUATED = "; these weights in evaluation mode, where the script runs them in training mode"
CORPORA = claims.CORPORA
CRS = ("efficientnet-b0", "efficientnet-b3", "resnet152")
CONFIDENCE = "image/C_reproduce_Figure_The_correlation_between_accuracy_per_class_and_confidence.ipynb"
SENSITIVITY = "image/C_reproduce_Figure_the_robustness_sensitivity.ipynb"


def items() -> pd.DataFrame:
    """Every item of the paper, one row a number, columns `COLUMNS`.

    Raises
    ------
    IntegrityError : a shipped table or file of `data/paper/` is missing or damaged; InputError : a table lacks a model.
    """
    rows = Rows()
    parts = (_table1, _tables23, _table4, _figure3, _table5, _main, _confidence, _sensitivity)
    frame = pd.DataFrame([row for part in parts for row in part(rows)], columns=[*COLUMNS, "need", "held"])
    known = {key: text for key, (text, _) in printed().items()}
    texts = [known.get(key) for key in frame[KEY].itertuples(index=False, name=None)]
    frame["status"] = [
        _status(getattr(row, row.held or "as_coded"), row.need, text)
        for row, text in zip(frame.itertuples(), texts, strict=True)
    ]
    frame["source"] += [f"; to fill: {FILL[need]}" if need else "" for need in frame["need"]]
    return frame[COLUMNS]


def write() -> pd.DataFrame:
    """Compute `items`, write them to `figures/tables/paper_items.csv`, and give them."""
    found = items()
    with files.atomic(paths.figures() / "tables" / "paper_items.csv") as temporary:
        found.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")
    return found


def spread(values: np.ndarray, overall: float) -> dict:
    """Table 1's statistics of class values, per cent; a class without a value is left out, as the scripts do.

    >>> spread(np.array([0.5, 1.0, np.nan]), 0.75)["min"]
    50.0
    """
    values = values[~np.isnan(values)]
    low, high = values.min(), values.max()
    p10, p5 = (percentile_as_coded(values, q) for q in (10, 5))
    return {name: 100 * float(x) for name, x in zip(SPREAD, (overall, high, low, high - low, p10, p5), strict=True)}


def instability(values: np.ndarray, overall) -> dict:
    """Table 5's statistics, per cent: values (runs, classes), overall (runs,).

    >>> instability(np.array([[0.5, 0.75], [0.75, 0.75]]), [0.625, 0.75])["class_range_mean"]
    12.5
    """
    each = np.ptp(values, axis=0)
    found = (np.ptp(overall), each.max(), each.mean(), each.min())
    return {name: 100 * float(x) for name, x in zip(RANGES, found, strict=True)}


def _status(value: float, need: str, text: str | None) -> str:
    if need:
        return f"needs data: {need}"
    if np.isnan(value) or text is None:
        return "ours only"
    return "equal" if equals(value, text) else "differs"


def _coded(rows, nets, dataset="imagenet-val") -> tuple[list[str], dict]:
    """Models of the paper's networks for as coded and corrected, [] without data, and what `block` is told of them.

    The authors' own counts come first, then the same weights predicted here; these are as coded only where training
    mode changes nothing, else `held` is the column that is held against what was printed.
    """
    theirs, here = [NETS[net][0] for net in nets], [rows.same_weights(net, dataset) for net in nets]
    if all(rows.has(dataset, model) for model in theirs):
        return theirs, {}
    if not all(here):
        return [], {"need": "ImageNet.pkl"}
    if set(nets) <= set(SAME_IN_TRAINING):
        return here, {}
    return here, {"held": "corrected"}


def _table1(rows):
    for net in NETS:
        stand_in, (own, about) = rows.stand_in(net), _coded(rows, [net])
        ours = spread(rows.recall("imagenet-val", stand_in), rows.overall("imagenet-val", stand_in))
        meant = spread(x := rows.recall("imagenet-val", *own), x.mean()) if own else {}
        coded, source = ({}, EVALUATED) if "held" in about else (meant, "")
        about |= {"ours_model": stand_in, "source": "image/D_table1.py" + source}
        yield from block("Table 1", "imagenet-val", net, coded, meant, ours, **about)
    for dataset, model in VISION.items():
        x = rows.recall(dataset, f"{model}-seed-1")
        coded, has = spread(x, x.mean()), rows.has(dataset, NEAR_CIFAR)
        ours = spread(rows.recall(dataset, NEAR_CIFAR), rows.overall(dataset, NEAR_CIFAR)) if has else {}
        about = {"ours_model": NEAR_CIFAR, "source": "image/D_table1.py"}
        yield from block("Table 1", dataset, f"{model}-seed-1", coded, coded, ours, **about)
    for dataset, name in product(CORPORA, TEXT):
        script = PUBLISHED.get(name, 0)
        for run in sorted({script, 0}, reverse=True):
            model = model_id(name, run)
            coded, meant = (
                spread(x(dataset, model), rows.overall(dataset, model)) for x in (rows.precision, rows.recall)
            )
            source = "text/C_table1.py: precision (D1), classes never predicted left out (D2)"
            source += f", run {script} where others have 0 (D3)" if run else ""
            if run != script:
                coded, source = {}, "run 0, which the script takes of all others (D3)"
            yield from block("Table 1", dataset, model, coded, meant, source=source)


def _tables23(rows):
    size = claims.weak_set_size(1000)
    for pair in combinations(NETS, 2):
        near, (own, about) = [rows.stand_in(net) for net in pair], _coded(rows, pair)
        parts = [[rows.recall("imagenet-val", m) for m in who] for who in (own, near)]
        about |= {"ours_model": " x ".join(near)}
        about["source"] = "image/D_table2-3.py" + (EVALUATED if "held" in about else "")
        meant, ours = (_pair(*part, size) if part else ({}, {}) for part in parts)
        for table, coded, r_or_sets, of_ours in zip(("Table 2", "Table 3"), meant, meant, ours, strict=True):
            coded = {} if "held" in about else coded
            yield from block(table, "imagenet-val", " x ".join(pair), coded, r_or_sets, of_ours, **about)
    for dataset in CORPORA:
        recall = {(name, run): rows.recall(dataset, model_id(name, run)) for name, run in product(TEXT, range(RUNS))}
        q = claims.weak_set_size(len(recall["tfidf", 0]))
        for zero, (a, b) in product((False, True), combinations(TEXT, 2)):
            if zero and not {a, b} & set(PUBLISHED):
                continue
            runs = [(name, 0 if zero else PUBLISHED.get(name, 0)) for name in (a, b)]
            first, second = (recall[run] for run in runs)
            r, sets = _pair(first, second, q)
            fair = sets | {"overlap": shared_overlap(first, second, q, "worst")}
            model = " x ".join(model_id(*run) for run in runs)
            coded = dataset == "20news" and not zero
            source = "text/C_table2-3.py" + ("" if coded else "'s definition") + (", run 0 of all (D3)" if zero else "")
            source += "" if dataset == "20news" else "; no script prints this corpus"
            yield from block("Table 2", dataset, model, r if coded else {}, r, source=source)
            source += ties(first, second, q)
            yield from block("Table 3", dataset, model, sets if coded else {}, fair, source=source)
        yield from _all_runs(dataset, np.array(list(recall.values())), q)


def _pair(first, second, n) -> tuple[dict, dict]:
    p, common = fisher(first, second, n)
    return {"pearson": agreement.pearson_as_coded(first, second)}, {"fisher_p": p, "overlap": common}


def _all_runs(dataset, values, q):
    """Tables 2 and 3 over all pairs of runs."""
    r, name = np.corrcoef(values), np.repeat(np.arange(len(TEXT)), RUNS)
    chosen = np.zeros(values.shape)
    np.put_along_axis(chosen, np.array([as_coded(x, q, "worst") for x in values]), 1, axis=1)
    common, shared = chosen @ chosen.T, overlap.expected_overlap(overlap.weak_membership(values, q))
    i, j = np.triu_indices(len(values), 1)
    for model, use in (("across representations", name[i] != name[j]), ("within a representation", name[i] == name[j])):
        x, k, fair = (matrix[i, j][use] for matrix in (r, common, shared))
        sets = {
            "overlap_mean": k.mean(),
            "overlap_mean_ties_shared": fair.mean(),
            "overlap_none": 100 * (k == 0).mean(),
        }
        about = {"source": f"all {use.sum()} pairs of runs"}
        yield from block("Table 2", dataset, model, {}, {"pearson_mean": x.mean(), "pearson_min": x.min()}, **about)
        yield from block("Table 3", dataset, model, {}, sets, **about)


def _scores() -> dict[str, pd.DataFrame]:
    table = tables.read_csv("crs")
    return {name: table[table["model"] == name].sort_values("class_id", kind="stable") for name in CRS}


def _table4(rows):
    scores = _scores()
    source = "crs/results_crs_acc.py; corrected: without class 134 (D5)"
    for pair in combinations(CRS, 2):
        every, meant = {}, {}
        for keep, into in ((slice(None), every), (scores[CRS[0]]["class_id"].to_numpy() != BROKEN, meant)):
            first, second = (scores[name]["crs"].to_numpy()[keep] for name in pair)
            for k in (10, 50, 100):
                into[f"fisher_p_k{k}"], into[f"overlap_k{k}"] = fisher(first, second, k)
        meant["pearson"] = agreement.pearson_as_coded(first, second)
        yield from block("Table 4", "imagenet-val", " x ".join(pair), every, meant, source=source)


def _figure3(rows):
    for name, table in _scores().items():
        kept = table[table["class_id"] != BROKEN]
        coded, meant = (
            {
                "pearson": agreement.pearson_as_coded(part["top5"], part["crs"]),
                "top5_mean": 100 * part["top5"].mean(),
            }
            for part in (table, kept)
        )
        meant["overlap_k50"] = shared_overlap(kept["top5"].to_numpy(), kept["crs"].to_numpy(), 50, "worst")
        ours = {}
        if name in NEAR_CRS:
            top1 = rows.recall("imagenet-val", NEAR_CRS)
            ours = {"pearson": agreement.pearson_as_coded(top1, table["crs"]), "top1_mean": 100 * top1.mean()}
        drawn = "crs/results_crs_acc.py" if name == CRS[0] else "as drawn for efficientnet-b0"
        source = f"{drawn}; accuracy is top-5 (D4), ours top-1; corrected: without class 134 (D5)"
        yield from block("Figure 3", "imagenet-val", name, coded, meant, ours, ours_model=NEAR_CRS, source=source)


def _table5(rows):
    need = "" if all(rows.has("imagenet-val", model) for model in B4) else "ImageNet.pkl"
    coded = dict.fromkeys(RANGES, np.nan)
    if not need:
        x = np.array([rows.recall("imagenet-val", model) for model in B4])
        coded = instability(x, x.mean(1))
    source = "image/D_table5.py"
    yield from block("Table 5", "imagenet-val", "paper/efficientnet-b4-seed", coded, coded, source=source, need=need)
    for dataset, model in VISION.items():
        for kind, runs in (("seed", SEEDS[dataset]), ("split", SPLITS)):
            sets = [(f"{dataset}-split-{run}" if kind == "split" else dataset, f"{model}-{kind}-{run}") for run in runs]
            x = np.array([rows.recall(*one) for one in sets])
            meant = instability(x, [rows.overall(*one) for one in sets])
            about = {"source": f"{source}: mean of the classes as overall accuracy (D16)"}
            yield from block("Table 5", dataset, f"{model}-{kind}", instability(x, x.mean(1)), meant, **about)
    for dataset, name in product(CORPORA, TEXT):
        runs = [model_id(name, run) for run in range(RUNS)]
        overall = np.array([rows.overall(dataset, run) for run in runs])
        recall, share = (np.array([x(dataset, run) for run in runs]) for x in (rows.recall, rows.precision))
        # The script takes as many classes as a run has distinct answers: runs that differ in it form no array (D2).
        distinct = (~np.isnan(share)).sum(axis=1)
        formed = len(set(distinct)) == 1
        coded = instability(share[:, : distinct[0]], overall) if formed else {}
        source = "text/C_table5.py: precision (D1)" if formed else "text/C_table5.py leaves it out and would fail (D2)"
        yield from block("Table 5", dataset, f"paper/{name}", coded, instability(recall, overall), source=source)
        threes = [np.ptp(recall[list(three)], axis=0).mean() for three in combinations(range(RUNS), 3)]
        meant = {"class_range_mean_of_3_runs": 100 * np.mean(threes)}
        about = {"source": "mean over all choices of three of the ten runs, as many as the image rows have (D9)"}
        yield from block("Table 5", dataset, f"paper/{name}", {}, meant, **about)


def _main(rows):
    source, model = "image/D_main.ipynb", VISION["cifar100"]
    runs = {f"{model}-seed-{s}": ("cifar100", f"{model}-seed-{s}") for s in SEEDS["cifar100"]}
    runs |= {f"{model}-split-{s}": (f"cifar100-split-{s}", f"{model}-split-{s}") for s in SPLITS}
    values = {name: rows.recall(*where) for name, where in runs.items()}
    for name, x in values.items():
        coded, figure = _summary(x), {"figure_mean": 100 * x.mean(), "figure_std": 100 * x.std()}
        meant = coded | figure | {"figure_std": 100 * x.std(ddof=1)}
        yield from block("Fig main", "cifar100", name, coded | figure, meant, source=source)
    for a, b in combinations_with_replacement(values, 2):
        x, y = values[a], values[b]
        r = {"pearson": agreement.pearson_as_coded(x, y)}
        yield from block("Fig main", "cifar100", f"{a} x {b}", r, r, source=source)
        for place in PLACES:
            p, _ = fisher(x, y, 10, place)
            common = {f"overlap_{place}": shared_overlap(x, y, 10, place) if a != b else 10}
            text = source + (ties(x, y, 10, place) if a != b else "; itself")
            yield from block("Fig main", "cifar100", f"{a} x {b}", {f"fisher_{place}_p": p}, common, source=text)
    for class_id, x in enumerate(np.array(list(values.values())).T):
        each = {f"class {class_id} {name}": value for name, value in _summary(x).items()}
        yield from block("Fig main", "cifar100", "six runs", each, each, source=source)


def _summary(x) -> dict:
    return {"mean": x.mean(), "std": x.std(ddof=1), "min": x.min(), "max": x.max(), "range": np.ptp(x)}


def _confidence(rows):
    known = {key: text for key, (text, _) in printed().items() if key[0] == "Fig confidence"}
    for net in [*NETS, *(net for net in CONFIDENT if net not in NETS)]:
        coded = {key[3]: text for key, text in known.items() if key[2] == net}
        overlaps = {f"overlap_{s}": behind(coded[f"fisher_{s}_p"], 50, 1000) for s in PLACES if coded}
        ours, meant, own = {}, {}, rows.same_weights(net) if net in NETS else ""
        near = own or CONFIDENT.get(net, "")
        if near and rows.of("imagenet-val", near)["confidence_sum"].notna().all():
            part = rows.of("imagenet-val", near)
            mean, right = (part[x].to_numpy(float) / part["n"].to_numpy(float) for x in ("confidence_sum", "correct"))
            ours = {"acc": rows.overall("imagenet-val", near)} | _confident(np.floor(100 * right), np.floor(100 * mean))
        about = {"ours_model": near, "need": "ImageNet" if coded else ""}
        about["source"] = f"{CONFIDENCE}, as printed; line digitised" if coded else "the figure's definition"
        if own and ours:
            # The same weights: what was printed can be held against a number of this machine's own.
            meant, about["need"] = ours, ""
            about["source"] = CONFIDENCE + ("" if net in SAME_IN_TRAINING else f", as printed{EVALUATED}")
            coded, overlaps, about["held"] = (
                (ours, {}, "") if net in SAME_IN_TRAINING else (coded, overlaps, "corrected")
            )
        yield from block("Fig confidence", "imagenet-val", net, coded | overlaps, meant, ours, **about)


def _confident(right, confidence) -> dict:
    found = {"pearson": agreement.pearson_as_coded(right, confidence)}
    slope, intercept = np.polyfit(confidence, right, 1)
    sets = {place: fisher(right, confidence, 50, place) for place in PLACES}
    found |= {f"fisher_{place}_p": p for place, (p, _) in sets.items()} | {
        "fit_slope": slope,
        "fit_intercept": intercept,
    }
    return found | {f"overlap_{place}": common for place, (_, common) in sets.items()}


def _sensitivity(rows):
    net, theirs = "ViT_L_16", NETS["ViT_L_16"][0]
    for (item, dataset, model, statistic), (text, _) in printed().items():
        if item == "Fig sensitivity" and statistic == "acc":
            # In training mode, as the script runs it, this network gives the same answers.
            own = theirs if rows.has(dataset, theirs) else rows.same_weights(net, dataset)
            near, have = rows.stand_in(model, dataset), bool(own)
            coded = {"acc": rows.recall(dataset, own).mean() if have else text}
            ours = {"acc": rows.overall(dataset, near)} if near else {}
            about = {
                "source": f"{SENSITIVITY}, as printed",
                "need": "ImageNet-C" if "-c/" in dataset else "ImageNet.pkl",
            }
            about |= {"source": SENSITIVITY, "need": ""} if have else {}
            yield from block(item, dataset, model, coded, coded if have else {}, ours, ours_model=near, **about)
    bars = pd.DataFrame(lines("sensitivity"), columns=["dataset", "group", "class", "clean", "right", "bar"])
    bars["share"] = 100 * bars["right"].astype(float) / 50 / bars["clean"].astype(float)
    means = bars.groupby(["dataset", "group"], sort=False)["share"].mean().unstack()
    source = f"{SENSITIVITY}, from its digitised bars; middle: ranks 550 to 559 (D11)"
    for dataset, row in means.iterrows():
        coded = {"share_good": row["good"], "share_middle": row["middle"]}
        yield from block("Fig sensitivity", dataset, net, coded, source=source)
    # Which ten of the twenty classes are called good, in all ways: the share of ways with a gap as large.
    each = bars.groupby("class", sort=False)["share"].mean().to_numpy()
    sums = np.array([each[list(ten)].sum() for ten in combinations(range(20), 10)])
    gaps, seen = (2 * sums - each.sum()) / 10, (2 * each[:10].sum() - each.sum()) / 10
    tests = {"permutation_p_one_sided": (gaps >= seen - 1e-9).mean()}
    tests["permutation_p_two_sided"] = (np.abs(gaps) >= abs(seen) - 1e-9).mean()
    yield from block("Fig sensitivity", "imagenet-c", net, {"share_gap": seen}, tests, source=source)
    own = next((model for model in (theirs, rows.same_weights(net)) if rows.has("imagenet-val", model)), theirs)
    shifted = [dataset for dataset in rows.datasets(own) if dataset.startswith("imagenet-c/")]
    meant, need = {"share_weak": np.nan}, "" if shifted else "ImageNet-C"
    if shifted:
        clean = rows.recall("imagenet-val", own)
        weak = overlap.weak_membership(np.where(clean > 0, clean, np.nan), claims.weak_set_size(1000))
        kept = np.mean([rows.recall(dataset, own) for dataset in shifted], axis=0) / np.where(clean > 0, clean, 1)
        meant["share_weak"] = 100 * np.average(kept, weights=weak)
    about = {"source": "the weakest classes instead of middle ones, all corruptions", "need": need}
    yield from block("Fig sensitivity", "imagenet-c", net, {}, meant, **about)
