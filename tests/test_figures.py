"""Figures: what is drawn from small tables counted by hand, the same bytes each time, and a reader's own style."""

import base64
import io
import json
from functools import cache

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.text import Text

from analysis import figures, files
from analysis.claims import FOUR_FAMILIES
from analysis.errors import InputError, UsageError
from analysis.figures import registry, style

FAMILIES = ("ResNet", "ConvNeXt", "EfficientNet", "ViT")
LABELS = ("ResNet-50", "ConvNeXt-T", "EfficientNet-B4", "ViT-S/16")
MODELS = tuple(zip(FOUR_FAMILIES, LABELS, FAMILIES, strict=True))
SHIFTS = ("V2 matched-frequency", "Sketch")
CORPORA = ("banking77", "20news")
TEXTS = ("BERT-base", "tf-idf")


def class_curves() -> pd.DataFrame:
    accuracy = np.array([0.2, 0.5, 0.7, 0.9, 1.0])
    columns = {"rank": range(1, 6), "class_id": [3, 1, 0, 2, 4], "accuracy": accuracy}
    columns |= {"low": accuracy - 0.1, "high": np.minimum(accuracy + 0.1, 1), "null_low": 0.5, "null_high": 0.8}
    head = [{"model": m, "label": label, "family": family, "overall": 0.66} for m, label, family in MODELS]
    return pd.concat([pd.DataFrame(one | columns) for one in head])


def worst_classes() -> pd.DataFrame:
    # Two classes are called crane; one is called "NA", which is no missing value.
    classes = [(134, "crane", 0.1), (517, "crane", 0.2), (7, "NA", 0.3)]
    return pd.DataFrame(
        {
            "model": model,
            "label": label,
            "family": family,
            "class_id": class_id,
            "name": name,
            "accuracy": accuracy,
            "low": accuracy - 0.05,
            "high": accuracy + 0.05,
            "real_accuracy": accuracy + 0.4,
            "real_low": accuracy + 0.3,
            "real_high": accuracy + 0.5,
        }
        for model, label, family in MODELS
        for class_id, name, accuracy in classes
    )


def distribution() -> pd.DataFrame:
    accuracy = np.linspace(0.1, 1, 10)
    columns = {"class_id": range(10), "accuracy": accuracy, "p5": 0.145, "p10": 0.19, "minimum": 0.1}
    networks = [(*one, 0.80 - 0.01 * place) for place, one in enumerate([*MODELS, ("a/vgg", "VGG-16", "VGG")])]
    return pd.concat(
        pd.DataFrame({"model": model, "label": label, "family": family, "overall": overall} | columns)
        for model, label, family, overall in networks
    )


def weak_counts() -> pd.DataFrame:
    networks = [*MODELS, ("a/vgg", "VGG-16", "VGG"), ("a/clip", "CLIP ViT-B/32", "CLIP ViT")]
    return pd.DataFrame(
        {
            "model": model,
            "label": label,
            "family": family,
            "labels": labels,
            "overall": 0.7 + 0.02 * place,
            "raw": 60 - 8 * place,
            "estimate": 55 - 8 * place,
            "low": 45 - 8 * place,
            "high": 65 - 8 * place,
        }
        for labels in ("original", "real")
        for place, (model, label, family) in enumerate(networks)
    )


def confusions() -> pd.DataFrame:
    shares = {"right": 0.3, "first": 0.4, "second": 0.1, "third": 0.05, "elsewhere": 0.15}
    named = {"first": (639, "maillot"), "second": (5, "bikini"), "third": (6, "swimming trunks")}
    return pd.DataFrame(
        {
            "class_id": class_id,
            "name": name,
            "part": part,
            "pred": named.get(part, (np.nan, ""))[0],
            "pred_name": named.get(part, (np.nan, ""))[1],
            "share": share,
        }
        for class_id, name in ((638, "maillot"), (681, "notebook"))
        for part, share in shares.items()
    )


def correlation() -> pd.DataFrame:
    rows = [
        dict(zip(("model_a", "label_a", "family_a", "model_b", "label_b", "family_b"), (*a, *b), strict=True))
        for place, a in enumerate(MODELS)
        for b in MODELS[place + 1 :]
    ]
    return pd.DataFrame(rows).assign(raw=np.linspace(0.81, 0.86, 6), corrected=np.linspace(0.91, 0.96, 6))


def overlap() -> pd.DataFrame:
    quantities = ("full set", "sham floor", "same half items", "disjoint items", "ceiling")
    frame = pd.concat(
        pd.DataFrame({"quantity": quantity, "pair": [f"{i}" for i in range(30)], "value": np.linspace(10, 40, 30)})
        for quantity in quantities
    )
    return frame.assign(chance=2.5, highlight=frame["pair"].isin(["3", "4"]))


def sharing() -> pd.DataFrame:
    curves = {"observed": [40, 20, 5], "sham classes": [60, 4, 0], "permuted within superclass": [90, 0, 0]}
    return pd.concat(
        pd.DataFrame({"curve": curve, "networks_share": [0.25, 0.5, 1], "classes": classes, "low": classes})
        for curve, classes in curves.items()
    ).assign(high=lambda table: table["classes"] + 1)


def four_families() -> pd.DataFrame:
    pairs = [f"{a} × {b}" for place, a in enumerate(LABELS) for b in LABELS[place + 1 :]] + ["mean of pairs"]
    meis = {"raw r": np.nan, "corrected r": 0.7, "overlap ratio": 0.6}
    return pd.DataFrame(
        {"pair": pair, "quantity": quantity, "value": 0.95, "low": 0.9, "high": 1.01, "mei": mei}
        for quantity, mei in meis.items()
        for pair in pairs
    )


def causes() -> pd.DataFrame:
    parts = []
    panels = (("CC-3M", "frequency", 50_000), ("LAION-400M", "frequency", 900_000), ("ReaL", "agreement", 1))
    for title, kind, top in panels:
        x = np.append(0.0, np.geomspace(0.02, 1, 39)) * top
        about = {"title": title, "kind": kind, "networks": 2, "r": 0.4, "r_low": 0.35, "r_high": 0.45}
        each = pd.DataFrame({"part": "class", "class_id": range(40), "name": "null", "x": x, "accuracy": x / top})
        group = pd.DataFrame({"part": "group", "x": x[::10], "accuracy": x[::10] / top})
        group["low"], group["high"] = group["accuracy"] - 0.05, group["accuracy"] + 0.05
        parts.append(pd.concat([each, group], ignore_index=True).assign(**about))
    return pd.concat(parts, ignore_index=True)


def clean_vs_shift() -> pd.DataFrame:
    columns = {"class_id": range(3), "clean": [0.2, 0.6, 0.9], "shifted": [0.1, 0.5, 0.9], "models": 45}
    columns |= {"raw_r": 0.58, "ceiling": 0.74, "corrected_r": 0.78}
    return pd.concat(pd.DataFrame({"shift": shift} | columns) for shift in SHIFTS)


def level() -> pd.DataFrame:
    columns = {"raw_r": 0.5, "ceiling": 0.8, "corrected_r": 0.62, "low": 0.4, "high": 0.8, "mei": 0.5}
    return pd.DataFrame({"shift": SHIFTS, "models_set": ("nets45", "clip")} | columns)


def loss() -> pd.DataFrame:
    nan = float("nan")
    readings = {"clean": (-0.07, -0.1, -0.03), "mirror": (0.08, 0.05, 0.11), "naive": (-0.12, nan, nan)}
    return pd.DataFrame(
        {
            "shift": shift,
            "models_set": "nets45",
            "scale": scale,
            "selection": selection,
            "value": value,
            "low": low,
            "high": high,
            "mei": mei,
        }
        for shift in SHIFTS
        for scale, mei in (("points", 0.03), ("ratio", 0.03), ("logit", 0.2))
        for selection, (value, low, high) in readings.items()
    )


def groups() -> pd.DataFrame:
    clean = {"weakest 50": 0.4, "rest": 0.7, "strongest 50": 0.95}
    return pd.DataFrame(
        {
            "shift": shift,
            "group": group,
            "selection": selection,
            "clean": value,
            "shifted": value - 0.1,
            "low": value - 0.15,
            "high": value - 0.05,
        }
        for shift in SHIFTS
        for group, value in clean.items()
        for selection in ("clean", "mirror")
    )


def models_line() -> pd.DataFrame:
    clean = {"model": 0.75, "weak classes": 0.4, "strong classes": 0.95}
    return pd.DataFrame(
        {
            "shift": shift,
            "model": model,
            "label": label,
            "family": family,
            "kind": kind,
            "clean": value + 0.01 * place,
            "shifted": value + 0.01 * place - 0.1,
            "line": value + 0.01 * place - 0.08,
        }
        for shift in SHIFTS
        for place, (model, label, family) in enumerate(MODELS)
        for kind, value in clean.items()
    )


def conditions() -> pd.DataFrame:
    people = [("People, pooled", "human", "Human"), ("ResNet-50", "network", "ResNet")]
    return pd.DataFrame(
        {
            "set": name,
            "condition": condition,
            "order": order,
            "who": who,
            "kind": kind,
            "family": family,
            "mean": 0.9 - 0.2 * order,
            "worst": 0.6 - 0.2 * order,
            "worst_low": 0.5 - 0.2 * order,
            "worst_high": 0.7 - 0.2 * order,
            "worst_category": "oven",
            "n_categories": 16,
        }
        for name in ("contrast", "low-pass", "rotation", "colour")
        for order, condition in enumerate(("c100", "c30", "c05"))
        for who, kind, family in people
    )


def categories() -> pd.DataFrame:
    rows = pd.DataFrame(
        {"set": name, "category": category, "who": who, "kind": kind, "accuracy": 0.5, "low": 0.4, "high": 0.6, "n": 40}
        for name in ("edge", "sketch", "stylized")
        for category in ("airplane", "bear", "oven", "truck")
        for who, kind in (("People, pooled", "human"), ("ResNet-50", "network"))
    )
    return rows.drop(index=2)  # people saw no bear among the edges


def class_view() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "title": "laptop",
            "dataset": dataset,
            "labels": labels,
            "model": model,
            "label": label,
            "family": family,
            "n": 50,
            "predicted": np.nan,
            "accuracy": 0.3 + 0.1 * place,
            "low": 0.2 + 0.1 * place,
            "high": 0.4 + 0.1 * place,
        }
        for dataset, labels in (("imagenet-val", "original"), ("imagenet-val", "real"), ("imagenet-sketch", "original"))
        for place, (model, label, family) in enumerate(MODELS)
    )


def readings() -> pd.DataFrame:
    values = {"lowest class accuracy (recall)": 0.0, "lowest class precision": 0.4}
    return pd.DataFrame(
        {
            "dataset": corpus,
            "representation": representation,
            "run": run,
            "statistic": statistic,
            "value": value + 0.1 * run,
            "published": run == 1,
        }
        for corpus in CORPORA
        for representation in TEXTS
        for run in range(3)
        for statistic, value in values.items()
    )


def weak_text_classes() -> pd.DataFrame:
    # Listed from the strongest; one is called "null", which is no missing value.
    classes = [(7, "null", 3), (2, "virtual_card_not_working", 1), (5, "sci.space", 2)]
    return pd.DataFrame(
        {
            "dataset": corpus,
            "class_id": class_id,
            "name": name,
            "representation": representation,
            "accuracy": 0.2 * rank,
            "low": 0.2 * rank - 0.1,
            "high": 0.2 * rank + 0.1,
            "worst_rank": rank,
        }
        for corpus in CORPORA
        for class_id, name, rank in classes
        for representation in TEXTS
    )


def text_correlation() -> pd.DataFrame:
    ends = {
        "representation_a": ["BERT-base", "BERT-base", "tf-idf"],
        "representation_b": ["BERT-base", *["tf-idf"] * 2],
    }
    values = {
        "raw": [1, 0.6, 1],
        "corrected": [1, 0.7, 1],
        "low": [np.nan, 0.5, np.nan],
        "high": [np.nan, 1.04, np.nan],
    }
    return pd.concat(pd.DataFrame({"dataset": corpus} | ends | values) for corpus in CORPORA)


def text_overlap() -> pd.DataFrame:
    pairs = {"BERT-base x tf-idf": "across representations", "tf-idf": "within a representation"}
    columns = {"pair": list(pairs), "kind": pairs.values(), "value": [2, 3.0], "disjoint": 1.5, "sham": [0.8, 1.2]}
    columns |= {"sham_high": 1.1, "ceiling": [2.5, 2.6], "chance": 0.3}
    return pd.concat(pd.DataFrame({"dataset": corpus} | columns) for corpus in CORPORA)


def ranges() -> pd.DataFrame:
    nan = np.nan
    rows = [
        ("20news", "BERT-base", "runs", 10, "as coded", 0.01, 0.1, 0.21, nan, nan, nan, nan),
        ("20news", "BERT-base", "runs", 10, "recall", 0.01, 0.08, 0.2, 0.035, 0.09, nan, nan),
        ("cifar100", "MobileNetV2", "seeds", 3, "recall", 0.006, 0.047, 0.14, nan, nan, 0.069, 0.2),
        ("cifar100", "MobileNetV2", "splits", 3, "recall", 0.012, 0.072, 0.186, nan, nan, 0.07, 0.24),
    ]
    return pd.DataFrame(rows, columns=figures.FIGURES["fig05_ranges"].columns)


def components() -> pd.DataFrame:
    columns = {"run_sd": 0.03, "item_sd": 0.02, "share": 0.7, "share_low": [0.6, np.nan], "share_high": [0.8, np.nan]}
    parts = [pd.DataFrame({"dataset": corpus, "model": TEXTS} | columns) for corpus in CORPORA]
    return pd.concat(parts).assign(runs_needed=[24, np.inf, 5, 7])


def runs_matter() -> pd.DataFrame:
    runs = np.array([2, 3, 6, 10])
    parts = [
        pd.DataFrame({"dataset": corpus, "model": model, "runs": runs, "mean_range": 0.01 * runs**0.5})
        for corpus in CORPORA
        for model in TEXTS
    ]
    return pd.concat(parts)


def winners_curse() -> pd.DataFrame:
    readings = {"plug-in": 0.2, "bootstrap": 0.17, "posterior draws": 0.22, "cross-fitted": 0.26, "equally hard": 0.6}
    return pd.DataFrame(
        {
            "model": model,
            "label": label,
            "overall": 0.8 - 0.01 * place,
            "statistic": statistic,
            "reading": reading,
            "value": value - 0.01 * place,
            "low": np.nan if reading == "plug-in" else value - 0.03,
            "high": np.nan if reading == "plug-in" else value + 0.03,
            "q": 50,
        }
        for place, (model, label, _) in enumerate(MODELS)
        for statistic in ("worst", "minimum")
        for reading, value in readings.items()
        if (statistic, reading) != ("minimum", "cross-fitted")
    )


def ties() -> pd.DataFrame:
    columns = {"pair": ["a x b", "a x c", "b x c"], "chance": 2.5, "as_coded": [36, 30, 33], "low": [34, 28, 33]}
    columns |= {"expected": [36.9, 30.2, 33.0], "high": [41, 32, 33]}
    sets = {"imagenet-val": 50, "imagenetv2-matched-frequency": 10}
    return pd.concat(pd.DataFrame({"dataset": name, "images": images} | columns) for name, images in sets.items())


def sham() -> pd.DataFrame:
    step = np.linspace(0, 1, 10)
    real = {"raw_r": 0.9 + 0.04 * step, "corrected_r": 0.96 + 0.04 * step, "fisher_log10": -50 + 20 * step}
    real |= {"raw_covariance": 0.024 + 0.002 * step, "corrected_covariance": 0.022 + 0.002 * step}
    dealt = {"raw_r": 0.6 + 0.1 * step, "corrected_r": np.nan, "fisher_log10": -15 + 10 * step}
    dealt |= {"raw_covariance": 0.0022 + 2e-4 * step, "corrected_covariance": 1e-4 * (step - 0.5)}
    sets = {"real classes": real, "sham classes": dealt}
    pair = [f"{place}" for place in range(10)]
    return pd.concat(pd.DataFrame({"pair": pair, "set": name} | columns) for name, columns in sets.items())


def regressions() -> pd.DataFrame:
    rows = [
        ("no shift", 0.36, 0.44, 0.80, 0.80, -0.083, -0.093, -0.072),
        ("naive", 0.38, 0.38, 0.80, 0.68, -0.12, -0.16, -0.08),
        ("cross-fitted", 0.44, 0.39, 0.80, 0.68, -0.068, -0.1, -0.03),
        ("mirror", 0.60, 0.41, 0.79, 0.68, 0.079, 0.05, 0.11),
    ]
    columns = ["selection", "clean_weak", "shift_weak", "clean_rest", "shift_rest", "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns).assign(shift=SHIFTS[0], q=50, models=45)


def run_shares() -> pd.DataFrame:
    columns = {"overall_range": 0.01, "class_mean": [0.08, 0.05], "class_max": [0.2, 0.17], "flip_mean": 0.05}
    columns |= {"flip_max95": 0.17, "fresh_mean": 0.1, "fresh_max95": 0.3, "whole_class": [0.5, 0.1]}
    columns |= {"single_items": 0.2, "test_items": [0.3, 0.7], "share": [0.7, 0.3], "low": [0.6, 0.2]}
    columns |= {"high": [0.8, 0.4]}
    return pd.concat(pd.DataFrame({"dataset": corpus, "model": TEXTS} | columns) for corpus in CORPORA)


def comparison() -> pd.DataFrame:
    counts = {"sign": (567, 247), "p below 0.05": (39, 7), "adjusted": (0, 0)}
    about = {"mean": 0.022, "observed_sd": 0.056, "true_sd": 0.034, "low": 0.028, "high": 0.039, "truly_worse": 0.26}
    return pd.DataFrame(
        {"pair": pair, "reading": reading, "better": better, "worse": worse, "classes": 1000} | about
        for pair in ("ResNet-152 over ResNet-50", "NASNet-A-Large over VGG-16")
        for reading, (better, worse) in counts.items()
    )


def crs() -> pd.DataFrame:
    columns = {"class_id": [0, 134, 135], "crs": [0.5, 0.7, 0.6], "top5": [0.9, 0, 1], "flagged": [False, True, False]}
    models = ("EfficientNet-B0", "EfficientNet-B3", "ResNet-152")
    parts = [pd.DataFrame({"model": model} | columns | {"r": 0.14, "r_without": 0.154}) for model in models]
    return pd.concat(parts)


def crs_overlap() -> pd.DataFrame:
    kinds = {"A x B": "CRS of two networks", "A": "CRS and accuracy of one network"}
    return pd.DataFrame(
        {"pair": pair, "k": k, "overlap": 0.8 * k, "chance": k * k / 1000, "kind": kind}
        for pair, kind in kinds.items()
        for k in (10, 50, 100)
    )


def corrupted_classes() -> pd.DataFrame:
    nan = np.nan
    return pd.DataFrame(
        {
            "corruption": corruption,
            "severity": severity,
            "class_id": class_id,
            "name": name,
            "accuracy": 0.9 - 0.1 * severity,
            "low": nan if corruption == "mean of 19" else 0.85 - 0.1 * severity,
            "high": nan if corruption == "mean of 19" else 0.95 - 0.1 * severity,
        }
        for corruption in ("mean of 19", "fog", "snow")
        for severity in range(3)
        for class_id, name in enumerate(("airplane", "cat", "dog"))
    )


def worst_corrupted() -> pd.DataFrame:
    table = corrupted_classes().query("severity == 2 and corruption != 'mean of 19'")
    ranks = {"fog": [3, 2, 1], "snow": [1, 2, 3]}
    return table.assign(rank=[ranks[row.corruption][row.class_id] for row in table.itertuples()])


def kept() -> pd.DataFrame:
    groups = ("rest", "strongest 3 clean", "weakest 3 clean")
    columns = {"severity": [0, 1, 2], "kept": [1, 0.9, 0.8], "low": [1, 0.8, 0.5], "high": [1, 1, 0.95]}
    return pd.concat(pd.DataFrame({"group": group} | columns) for group in groups)


def sensitivity() -> pd.DataFrame:
    groups = {"ranks 100-109": (90.0, 80.0), "ranks 550-559": (60.0, 50.0)}
    return pd.DataFrame(
        {"case": case, "group": group, "class": name, "kept": kept, "mean": sum(values) / 2}
        for case in ("brightness 5", "zoom blur 1")
        for group, values in groups.items()
        for name, kept in zip(("harp", "indri"), values, strict=True)
    )


def noise_curves() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": corpus,
            "representation": name,
            "group": group,
            "severity": severity,
            "accuracy": start - 0.1 * severity,
            "low": start - 0.1 * severity - 0.05,
            "high": start - 0.1 * severity + 0.05,
        }
        for corpus in CORPORA
        for name in ("tf-idf + SVM", "MiniLM sentences")
        for group, start in (("all", 0.9), ("weakest 5", 0.6), ("strongest 5", 1.0))
        for severity in range(4)
    )


def swallowed() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "representation": name,
            "class": which,
            "rank": rank,
            "share": 0.1 / rank,
            "low": 0.08 / rank,
            "high": 0.13 / rank,
            "even": 0.003,
        }
        for name in ("tf-idf + SVM", "MiniLM sentences")
        for rank, which in enumerate(("greeting", "fun_fact"), start=1)
    )


def tiny_levels() -> pd.DataFrame:
    readings = {
        "different images": 0.8,
        "same images, shared noise off": 0.82,
        "same images, shared noise left in": 0.95,
    }
    return pd.DataFrame(
        {"severity": severity, "reading": reading, "r": r - 0.05 * severity}
        for severity in range(1, 6)
        for reading, r in readings.items()
    )


def tiny_sensitivity() -> pd.DataFrame:
    groups = {"strong: ranks 20–29": 0.8, "middle: ranks 110–119": 0.7, "weakest: ranks 190–199": 0.6}
    return pd.DataFrame(
        {"corruption": corruption, "group": group, "kept": kept, "low": kept - 0.1, "high": kept + 0.1}
        for corruption in ("fog", "zoom blur")
        for group, kept in groups.items()
    )


TABLES = {
    "fig04_beside": text_correlation,
    "fig08_loss": loss,
    "fig08_noise": noise_curves,
    "fig08_scope": swallowed,
    "fig08_users": groups,
    "fig10_tiny_groups": groups,
    "fig10_tiny_levels": tiny_levels,
    "fig10_tiny_loss": loss,
    "fig10_tiny_sensitivity": tiny_sensitivity,
    "fig01_class_curves": class_curves,
    "fig01_worst_classes": worst_classes,
    "fig01_distribution": distribution,
    "fig01_weak_counts": weak_counts,
    "fig01_confusions": confusions,
    "fig02_correlation": correlation,
    "fig02_overlap": overlap,
    "fig02_sharing": sharing,
    "fig02_four_families": four_families,
    "fig02_causes": causes,
    "fig03_clean_vs_shift": clean_vs_shift,
    "fig03_level": level,
    "fig03_loss": loss,
    "fig03_groups": groups,
    "fig03_models_line": models_line,
    "fig04_readings": readings,
    "fig04_weak_classes": weak_text_classes,
    "fig04_correlation": text_correlation,
    "fig04_overlap": text_overlap,
    "fig05_ranges": ranges,
    "fig05_components": components,
    "fig05_runs_matter": runs_matter,
    "fig07_winners_curse": winners_curse,
    "fig07_ties": ties,
    "fig07_sham": sham,
    "fig07_regressions": regressions,
    "fig07_runs": run_shares,
    "fig07_comparison": comparison,
    "fig06_crs": crs,
    "fig06_overlap": crs_overlap,
    "fig09_conditions": conditions,
    "fig09_categories": categories,
    "fig10_classes": corrupted_classes,
    "fig10_worst": worst_corrupted,
    "fig10_kept": kept,
    "fig10_sensitivity": sensitivity,
    "class_view": class_view,
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ANALYSIS_FIGURES_DIR", str(tmp_path / "figures"))
    return tmp_path / "figures"


@cache
def draw(name: str, **kwargs) -> figures.Figure:
    return figures.show(name, TABLES[name](), **kwargs)


def words(artist) -> list[str]:
    return [text.get_text() for text in artist.findobj(Text) if text.get_text()]


def intervals(axes) -> int:
    return sum(len(lines.get_segments()) for lines in axes.collections if isinstance(lines, LineCollection))


def curves(axes, marker: str) -> list:
    return [line for line in axes.lines if line.get_marker() == marker]


def row_names(axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def test_every_figure_has_a_table_here():
    # A module that another change adds brings its own tests; none of those named here may vanish.
    assert set(TABLES) <= set(figures.FIGURES)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("width", [None, 3.3])
def test_is_drawn_inside_its_page_in_legible_type(name, width):
    figure = draw(name, width=width) if width else draw(name)
    wide, high = figure.get_size_inches()
    assert wide == (width or figures.FIGURES[name].width) and 1 < high < 12
    assert figure.caption and "{" not in figure.caption
    with style.context():
        box = figure.get_tightbbox()
    assert box.x0 > -0.02 and box.y0 > -0.02 and box.x1 < wide + 0.02 and box.y1 < high + 0.02
    if width is None:
        assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip()) >= 6.5


def test_style_survives_and_pyplot_stays_empty():
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    figures.show("fig01_distribution", distribution())
    assert dict(mpl.rcParams) == before and plt.get_fignums() == []


def test_families_keep_their_colours():
    assert [style.colour(family) for family in FAMILIES] == ["#0072B2", "#D55E00", "#009E73", "#CC79A7"]
    assert style.colour("Human") == style.colour("Humans") == "#000000"
    assert style.colour("CLIP ViT") == style.colour("CLIP") != style.colour("ViT")
    assert len({style.marker(family) for family in style.FAMILY_COLOURS}) == len(style.FAMILY_COLOURS)


def test_class_curves():
    figure = draw("fig01_class_curves")
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(LABELS)
    curve = figure.axes[1].lines[0]
    assert curve.get_color() == style.FAMILY_COLOURS["ConvNeXt"]
    assert list(curve.get_ydata()) == [0.2, 0.5, 0.7, 0.9, 1.0]
    assert all(len(axes.collections) == 2 for axes in figure.axes)  # interval and null
    assert words(figure).count("overall 66.0 %") == 4
    assert "of 5 ImageNet classes" in " ".join(figure.caption.split("each ")[1:]) and "4 networks" in figure.caption


def test_worst_classes_name_which_crane():
    axes = draw("fig01_worst_classes").axes[0]
    assert row_names(axes) == ["crane (134)", "crane (517)", "NA"]
    filled, hollow = curves(axes, "o")
    assert list(filled.get_xdata()) == [0.1, 0.2, 0.3] and hollow.get_markerfacecolor() == "white"
    assert intervals(axes) == 6


def test_distribution_is_in_the_order_of_accuracy():
    axes = draw("fig01_distribution").axes[0]
    assert row_names(axes) == ["VGG-16", *reversed(LABELS)]
    assert len(axes.collections) == 5
    assert [len(line.get_xdata()) for line in axes.lines] == [5] * 4
    assert axes.lines[0].get_xdata()[0] == pytest.approx(0.76)


def test_weak_counts():
    original, real = draw("fig01_weak_counts").axes
    assert intervals(original) == intervals(real) == 6
    assert set(LABELS) <= set(words(original)) and "VGG-16" not in words(original)
    assert list(curves(original, "x")[0].get_ydata()) == [60, 52, 44, 36, 28, 20]


def test_confusions_fill_the_bar():
    axes = draw("fig01_confusions").axes[0]
    assert len(axes.patches) == 10
    assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(2)
    assert row_names(axes) == ["maillot (638)", "notebook"]
    assert words(axes).count("maillot (639), 40 %") == 2


def test_correlation_has_raw_below_and_corrected_above():
    axes = draw("fig02_correlation").axes[0]
    drawn = axes.images[0].get_array()
    assert drawn[1, 0] == 0.81 and drawn[0, 1] == 0.91 and np.ma.is_masked(drawn[2, 2])
    assert {".81", ".91", ".86", ".96"} <= set(words(axes))
    narrow = draw("fig02_correlation", width=1.9).axes[0]
    assert ".81" not in words(narrow)


def test_overlap_keeps_halves_apart():
    axes = draw("fig02_overlap").axes[0]
    ticks = axes.get_yticks()
    assert np.allclose(np.diff(ticks), [1, 1.8, 1, 1])
    assert words(axes).count("25.0") == 5 and any("chance 2.5" in word for word in words(axes))
    assert len(curves(axes, "D")[0].get_xdata()) == 10
    plain = figures.show("fig02_overlap", overlap().drop(columns="highlight")).axes[0]
    assert not curves(plain, "D")


def test_sharing_shows_zero():
    axes = draw("fig02_sharing").axes[0]
    assert [line.get_label() for line in axes.lines] == ["observed", "sham classes", "permuted within superclass"]
    assert list(axes.lines[2].get_ydata()) == [90, 0, 0] and axes.get_ylim()[0] == 0
    assert len(axes.collections) == 3


def test_four_families_print_their_intervals():
    axes = draw("fig02_four_families").axes
    assert len(axes) == 3 and row_names(axes[0])[-1] == "mean of pairs"
    assert all(intervals(one) == 7 and words(one).count(".950 [.900, 1.010]") == 7 for one in axes)
    assert [len([line for line in one.lines if line.get_linestyle() == "--"]) for one in axes] == [0, 1, 1]


def test_clean_vs_shift():
    figure = draw("fig03_clean_vs_shift")
    noted = "r 0.58 (at most 0.74)\ncorrected 0.78"
    assert [axes.get_title(loc="left") for axes in figure.axes] == [f"{shift}\n{noted}" for shift in SHIFTS]
    assert list(curves(figure.axes[0], "o")[0].get_ydata()) == [0.1, 0.5, 0.9]


def test_level():
    axes = draw("fig03_level").axes[0]
    assert row_names(axes) == ["V2 matched-frequency\n(45 networks)", "Sketch\n(CLIP models)"]
    assert intervals(axes) == 2 and list(curves(axes, "o")[0].get_xdata()) == [0.62, 0.62]


def test_loss_shows_both_selections_and_the_sign():
    figure = draw("fig03_loss")
    assert len(figure.axes) == 3
    for axes, mei in zip(figure.axes, (0.03, 0.03, 0.2), strict=True):
        assert intervals(axes) == 4 and axes.get_xlabel() == "weak lose more →"
        low, high = axes.get_xlim()
        assert low == -high  # zero in the middle: neither sign looks larger
        assert axes.patches[0].get_x() == -mei and axes.patches[0].get_width() == pytest.approx(2 * mei)
    assert list(curves(figure.axes[0], "x")[0].get_xdata()) == [-0.12, -0.12]


def test_groups_of_any_size():
    table = groups()
    table.loc[table["shift"] == "Sketch", "group"] = table["group"].str.replace("50", "3")
    clean, mirror = figures.show("fig03_groups", table).axes
    assert len(clean.lines) == len(mirror.lines) == 2 * 3 * 4
    assert row_names(clean) == list(SHIFTS)


def test_models_line_is_drawn_from_the_table():
    axes = draw("fig03_models_line").axes[0]
    whole, beyond = (next(line for line in axes.lines if line.get_linestyle() == style) for style in ("-", "--"))
    assert len(whole.get_xdata()) == 4 and len(beyond.get_xdata()) == 12  # dashed where no network lies
    assert np.all(np.diff(beyond.get_xdata()) > 0) and beyond.get_ydata()[0] == pytest.approx(0.32)
    assert axes.get_xscale() == axes.get_yscale() == "function"


def test_conditions():
    figure = draw("fig09_conditions")
    assert len(figure.axes) == 4
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["c100", "c30", "c05"]
    assert intervals(axes) == 6 and len(axes.lines) == 1 + 2 * 2
    assert axes.lines[1].get_color() == "#000000"


def test_categories_leave_holes_empty():
    figure = draw("fig09_categories")
    people, network = (axes.images[0].get_array() for axes in figure.axes[:2])
    assert people.shape == (3, 4)
    assert np.ma.count_masked(people) == 1 and np.ma.count_masked(network) == 0


def test_representations_keep_their_looks():
    looks = [style.text_look(name) for name in ("BERT-base", "BERT-tiny", "fastText", "averaged vectors", "tf-idf")]
    assert all(len({look[part] for look in looks}) == 5 for part in ("color", "marker"))
    assert style.text_look("doc2vec") == style.text_look("averaged vectors")
    assert style.text_look("MobileNetV2")["color"] == style.OTHER


def test_readings_set_the_published_run_apart():
    axes = draw("fig04_readings").axes[0]
    assert axes.get_title(loc="left") == "Banking77" and row_names(axes) == list(TEXTS)
    recall, recall_published, _, precision_published = curves(axes, "o")
    assert list(recall.get_xdata()) == [0, 0.2] * 2 and list(recall_published.get_xdata()) == [0.1] * 2
    assert recall_published.get_markersize() > recall.get_markersize()
    assert precision_published.get_markerfacecolor() == "white" != recall_published.get_markerfacecolor()
    assert words(axes).count("10.0") == words(axes).count("50.0") == 2


def test_readings_without_a_value():
    table = readings()
    table.loc[(table["statistic"] == "lowest class precision") & table["published"], "value"] = np.nan
    assert words(figures.show("fig04_readings", table).axes[0]).count("none") == 2


def test_weak_classes_of_text_start_with_the_weakest():
    axes = draw("fig04_weak_classes").axes[1]
    assert row_names(axes) == ["virtual card\nnot working", "sci.space", "null"]
    assert intervals(axes) == 6
    first, second = curves(axes, "o")[0], curves(axes, "v")[0]
    assert list(first.get_xdata()) == pytest.approx([0.6, 0.2, 0.4]) and first.get_color() != second.get_color()
    assert np.all(second.get_ydata() > first.get_ydata())


def test_text_correlation_prints_the_interval():
    figure = draw("fig04_correlation")
    drawn = figure.axes[0].images[0].get_array()
    assert drawn[1, 0] == 0.6 and drawn[0, 1] == 0.7 and np.ma.is_masked(drawn[0, 0])
    assert {".60", ".70\n.50–1.04"} <= set(words(figure.axes[1]))
    swapped = text_correlation().rename(
        columns={"representation_a": "representation_b", "representation_b": "representation_a"}
    )
    other = figures.show("fig04_correlation", swapped).axes[0].images[0].get_array()
    assert other[1, 0] == 0.6 and other[0, 1] == 0.7  # whichever end a table names first


def test_text_overlap_keeps_halves_below_all_items():
    axes = draw("fig04_overlap").axes[0]
    names = ["across representations", "BERT-base × tf-idf", "within a representation", "tf-idf"]
    assert row_names(axes) == names
    whole, halves = curves(axes, "o")[0], curves(axes, "D")[0]
    assert list(whole.get_xdata()) == [2, 3] and np.all(halves.get_ydata() > whole.get_ydata())
    assert [bar.get_width() for bar in axes.patches] == [0.8, 1.2]
    assert {line.get_xdata()[0] for line in axes.lines if line.get_linestyle() in ("--", ":")} == {1.1, 0.3}


def test_ranges_stand_on_their_nulls():
    text, images = draw("fig05_ranges").axes
    assert row_names(text) == ["BERT-base\n10 runs"] and row_names(images) == [
        "MobileNetV2\n3 seeds",
        "MobileNetV2\n3 splits",
    ]
    recall, coded = curves(text, "o")
    assert recall.get_xdata() == [0.08] and coded.get_xdata() == [0.1] and recall.get_ydata() < coded.get_ydata()
    (flip,) = text.patches
    assert (flip.get_x(), flip.get_x() + flip.get_width()) == pytest.approx((0.035, 0.09))
    assert [bar.get_x() for bar in images.patches] == [0.069, 0.07] and not any(
        bar.get_fill() for bar in images.patches
    )
    assert intervals(text) == 2 and len(curves(images, "|")) == 2


def test_components_print_the_runs_to_average():
    spread, share = draw("fig05_components").axes
    assert row_names(spread) == ["Banking77", *TEXTS, "20 Newsgroups", *TEXTS]
    assert {"24", "–", "5", "7"} <= set(words(share))
    assert (
        list(curves(spread, "s")[0].get_xdata()) == [0.02] * 4 and list(curves(share, "o")[0].get_xdata()) == [0.7] * 4
    )
    drawn = [line for line in share.collections[0].get_segments() if len(line)]
    assert len(drawn) == 2  # no interval where the table has none


def test_runs_matter_marks_three_and_ten():
    axes = draw("fig05_runs_matter").axes[0]
    large = [line for line in axes.lines if line.get_markersize() == 5]
    assert [list(line.get_xdata()) for line in large] == [[3, 10]] * 2
    assert axes.get_ylim()[0] == 0


def test_winners_curse_is_in_the_order_of_accuracy():
    worst, minimum = draw("fig07_winners_curse").axes
    assert [label.get_text() for label in minimum.get_xticklabels()] == list(LABELS[::-1])
    assert worst.get_ylabel() == "Mean of the 50 weakest classes (%)"
    plugin = next(line for line in worst.lines if line.get_marker() == "_")
    wrong, sound = (next(line for line in worst.lines if line.get_marker() == marker) for marker in "so")
    assert sorted(plugin.get_xdata()) == [0, 1, 2, 3]
    assert sorted(plugin.get_ydata()) == pytest.approx([0.17, 0.18, 0.19, 0.2])
    assert (np.array(wrong.get_ydata()) < plugin.get_ydata()).all() and (plugin.get_ydata() < sound.get_ydata()).all()
    assert len(worst.lines) == 5 and len([line for line in minimum.lines if len(line.get_xdata())]) == 4


def test_ties_of_each_set_stand_in_the_order_of_the_expected_overlap():
    many, few = draw("fig07_ties").axes
    assert many.get_title(loc="left") == "ImageNet, 50 images a class" and "10 images" in few.get_title(loc="left")
    assert list(curves(many, "o")[0].get_ydata()) == [30, 33, 36]
    assert few.get_ylim() == many.get_ylim() and many.get_ylim()[0] == 0


def test_sham_has_no_corrected_correlation():
    r, fisher, covariance = draw("fig07_sham").axes
    assert row_names(r) == ["real, as observed", "real, corrected", "sham, as observed", "sham, corrected"]
    assert {"0.92", "0.98", "0.65", "not defined:\nno spread left"} <= set(words(r))
    assert words(fisher).count("does not apply") == 2 and {"−40", "−10"} <= set(words(fisher))
    assert {"250.0", "230.0", "23.0"} <= set(words(covariance))


def test_regressions_keep_zero_in_the_middle_and_print_intervals():
    levels, losses = draw("fig07_regressions").axes
    assert intervals(levels) == 8 and intervals(losses) == 4
    low, high = losses.get_xlim()
    assert low == -high and {"−12.0 [−16.0, −8.0]", "+7.9 [+5.0, +11.0]"} <= set(words(losses))
    assert row_names(draw("fig07_regressions", width=3.3).axes[0]) == ["no shift", "naive", "cross-fitted", "mirror"]


def test_shares_of_variance_fill_the_bar():
    ranges, shares = draw("fig07_runs").axes
    assert sum(bar.get_width() for bar in shares.patches) == pytest.approx(4)
    assert sorted({round(bar.get_x() + bar.get_width(), 2) for bar in ranges.patches}) == [0.17, 0.3]
    assert intervals(shares) == 4


def test_comparison_prints_its_zeros():
    counts, spread = draw("fig07_comparison").axes
    assert words(counts).count("0") == 4 and {"567", "247", "39", "7"} <= set(words(counts))
    assert [line.get_xdata()[0] for line in spread.lines] == [0.022, 0.056, 0.034]
    assert row_names(draw("fig07_comparison", width=3.3).axes[1])[0] == "ResNet-152\nover ResNet-50"


def test_crs_marks_the_broken_class():
    figure = draw("fig06_crs")
    assert [axes.get_title(loc="left").split("\n")[1] for axes in figure.axes] == ["r 0.14 (0.15 without 134)"] * 3
    assert (
        list(curves(figure.axes[0], "D")[0].get_xdata()) == [0] and len(curves(figure.axes[0], "o")[0].get_xdata()) == 2
    )
    assert "class 134" in words(figure.axes[0])
    named = figures.show("fig06_crs", crs().assign(label="a network", name="crane (134)")).axes[0]
    assert "class 134\n(crane)" in words(named) and named.get_title(loc="left").startswith("a network")


def test_crs_overlap_is_a_share_of_k():
    axes = draw("fig06_overlap").axes[0]
    assert row_names(axes) == ["CRS\nof two networks", "A ×\nB", "CRS and accuracy\nof one network", "A"]
    for marker, chance in (("o", 0.01), ("s", 0.05), ("^", 0.1)):
        assert list(curves(axes, marker)[0].get_xdata()) == pytest.approx([0.8, 0.8])
        assert any(list(line.get_xdata()) == pytest.approx([chance] * 2) for line in curves(axes, "|"))


def test_corrupted_classes_are_told_apart_and_named():
    first, *others = draw("fig10_classes").axes
    assert [axes.get_title(loc="left") for axes in others] == ["fog", "snow"]
    assert {"airplane", "cat", "dog"} <= set(words(first)) and "cat" not in words(others[0])
    for part in ("get_color", "get_marker"):
        assert len({getattr(line, part)() for line in first.lines}) == 3
    assert intervals(others[0]) == 9
    names = [text for text in first.texts if text.get_text()]
    heights = sorted(text.xyann[1] for text in names)
    assert min(np.diff(heights)) >= 0.049  # all end at one value: the names stand apart


def test_worst_corrupted_frames_one_class_a_row():
    axes = draw("fig10_worst").axes[0]
    frames = [patch for patch in axes.patches if not patch.get_fill()]
    assert [(round(frame.get_x() + 0.47), round(frame.get_y() + 0.45)) for frame in frames] == [(2, 0), (0, 1)]
    assert row_names(axes) == ["fog", "snow"] and words(axes).count("70") == 6


def test_kept_by_group():
    axes = draw("fig10_kept").axes[0]
    assert [line.get_label() for line in axes.lines] == ["weakest 3 clean", "rest", "strongest 3 clean"]
    assert intervals(axes) == 9 and axes.get_ylim()[0] == 0


def test_sensitivity_draws_the_mean_of_each_group():
    axes = draw("fig10_sensitivity").axes[0]
    assert row_names(axes) == ["brightness 5", "zoom blur 1"]
    assert [list(line.get_xdata()) for line in curves(axes, "|")] == [[85, 85], [55, 55]]
    assert list(curves(axes, "o")[0].get_xdata()) == [90, 80, 90, 80]


def test_noise_draws_all_classes_above_and_the_weakest_below():
    panels = draw("fig08_noise").axes
    assert [axes.get_title(loc="left") for axes in panels] == [
        *("Banking77", "20 Newsgroups"),
        *("Banking77, weakest", "20 Newsgroups, weakest"),
    ]
    assert [line.get_ydata().tolist() for line in curves(panels[2], "<")] == [pytest.approx([0.6, 0.5, 0.4, 0.3])]
    assert len(panels[0].collections) == 2 and len(panels[2].collections) == 0  # the weakest carry no range over kinds


def test_scope_draws_every_class_under_its_classifier_with_the_even_share():
    axes = draw("fig08_scope").axes[0]
    assert [list(line.get_xdata()) for line in curves(axes, "o")] == [[0.1, 0.05], [0.1, 0.05]]
    assert [list(line.get_xdata()) for line in curves(axes, "|")] == [[0.003, 0.003]] * 2


def test_tiny_sensitivity_draws_three_groups_a_corruption():
    axes = draw("fig10_tiny_sensitivity").axes[0]
    assert row_names(axes) == ["fog", "zoom blur"]
    assert [list(curves(axes, marker)[0].get_xdata()) for marker in "osv"] == [[0.8, 0.8], [0.7, 0.7], [0.6, 0.6]]


def test_tiny_levels_draws_a_line_a_reading():
    axes = draw("fig10_tiny_levels").axes[0]
    lines = {line.get_label(): list(line.get_ydata()) for line in axes.lines if len(line.get_xdata()) == 5}
    assert lines["different images"] == pytest.approx([0.75, 0.7, 0.65, 0.6, 0.55]) and len(lines) == 3


def test_class_view():
    axes = draw("class_view").axes[0]
    assert row_names(axes) == ["imagenet-val\n50 images", "imagenet-val, real\n50 images", "imagenet-sketch\n50 images"]
    assert sum(len(line.get_xdata()) for line in axes.lines if line.get_marker() in "os^D") == 12
    assert "laptop" in draw("class_view").caption


def png(figure) -> bytes:
    picture = io.BytesIO()
    with style.context():
        figure.savefig(picture, format="png", dpi=50)
    return picture.getvalue()


@pytest.mark.parametrize("name", TABLES)
def test_drawn_alike_from_the_table_and_from_its_csv(name, tmp_path, monkeypatch):
    monkeypatch.setenv("ANALYSIS_FIGURES_DIR", str(tmp_path))
    TABLES[name]().to_csv(tmp_path / f"{name}.csv", index=False)
    assert png(draw(name)) == png(figures.show(name, registry._read(name)))


def test_a_figure_looks_the_same_however_often_it_was_drawn():
    figure = figures.show("fig09_conditions", conditions())
    first = figure._repr_png_()
    png(figure)
    assert figure._repr_png_() == first


def test_same_bytes_each_time_and_from_the_csv(folder, tmp_path):
    names = ["fig01_distribution", "fig03_level"]
    for name in names:
        written = figures.save(name, TABLES[name](), notebook="01", inputs=[])
        assert [path.name for path in written] == [f"{name}{end}" for end in (".csv", ".pdf", ".png", ".json")]
    first = {path.name: files.sha256(path) for path in folder.iterdir()}
    assert len(first) == 4 * len(names)
    again = figures.redraw(into=tmp_path / "again")
    images = {name: digest for name, digest in first.items() if name.endswith((".pdf", ".png"))}
    assert {path.name: files.sha256(path) for path in again} == images
    for name in names:
        figures.save(name, TABLES[name](), notebook="01", inputs=[])
    assert {path.name: files.sha256(path) for path in folder.iterdir()} == first


def test_a_readers_settings_do_not_count(folder):
    name = "fig03_level"
    before = [files.sha256(path) for path in figures.save(name, level(), notebook="03", inputs=[])]
    mine = {"font.size": 20, "axes.facecolor": "pink", "savefig.dpi": 50, "pdf.fonttype": 3, "lines.linewidth": 9}
    with mpl.rc_context(mine):
        after = [files.sha256(path) for path in figures.save(name, level(), notebook="03", inputs=[])]
        assert mpl.rcParams["font.size"] == 20
    assert after == before


def test_redraw_in_a_journals_style(folder, tmp_path):
    figures.save("fig03_level", level(), notebook="03", inputs=[])
    journal = tmp_path / "journal.mplstyle"
    journal.write_text("font.family: STIXGeneral\nfont.size: 10\n", encoding="utf-8")
    pdf, png = figures.redraw("fig03_level", style=journal, width=5, into=tmp_path / "out")
    assert b"STIXGeneral" in pdf.read_bytes() and b"STIXGeneral" not in (folder / "fig03_level.pdf").read_bytes()
    assert png.stat().st_size and sorted(path.name for path in folder.iterdir()) == [
        f"fig03_level.{end}" for end in ("csv", "json", "pdf", "png")
    ]


def test_provenance_names_inputs_without_this_machine(folder, tmp_path, monkeypatch):
    data = tmp_path / "elsewhere"
    data.mkdir()
    (data / "models.csv").write_text("model\n", encoding="utf-8")
    monkeypatch.setenv("ANALYSIS_DATA_DIR", str(data))
    figures.save("fig03_level", level(), notebook="03_shift", inputs=[data / "models.csv"])
    origin = json.loads((folder / "fig03_level.json").read_text(encoding="utf-8"))
    assert origin["inputs"] == [{"path": "data/models.csv", "sha256": files.sha256(data / "models.csv")}]
    assert origin["notebook"] == "03_shift" and origin["rows"] == 2 and "2 shifts" in origin["caption"]
    assert origin["columns"] == list(figures.FIGURES["fig03_level"].columns)


def test_csv_keeps_names_and_numbers(folder):
    table = worst_classes().assign(undrawn=1)
    table["accuracy"] = 0.1 + 0.2  # 0.30000000000000004
    figures.save("fig01_worst_classes", table, notebook="01", inputs=[])
    read = registry._read("fig01_worst_classes")
    assert "undrawn" not in read and read["name"].tolist()[:3] == ["crane", "crane", "NA"]
    pd.testing.assert_frame_equal(read, table[list(read)].reset_index(drop=True))


def test_notebooks_show_the_picture():
    figure = draw("fig03_level")
    bundle = figure._repr_mimebundle_()
    assert bundle["text/plain"] == figure.caption
    picture = figure._repr_png_()
    assert picture.startswith(b"\x89PNG") and base64.b64decode(bundle["image/png"]) == picture
    assert mpl.image.imread(io.BytesIO(picture)).shape[1] == int(style.COLUMN * style.SCREEN_DPI)


def test_faults_are_one_line(folder, tmp_path):
    with pytest.raises(UsageError, match="no such figure; one of class_view, fig01_class_curves") as fault:
        figures.show("fig99", level())
    assert fault.value.code == 2 and "\n" not in str(fault.value)
    with pytest.raises(UsageError, match=r"fig03_level\.csv: missing; run make reproduce first"):
        figures.redraw("fig03_level")
    with pytest.raises(UsageError, match="no figures yet; run make reproduce first"):
        figures.redraw()
    with pytest.raises(InputError, match="fig03_level: no column mei; it draws shift"):
        figures.show("fig03_level", level().drop(columns="mei"))
    with pytest.raises(InputError, match="fig03_level: no rows"):
        figures.show("fig03_level", level().iloc[:0])
    with pytest.raises(InputError, match="no such style file"):
        figures.show("fig03_level", level(), style=tmp_path / "none.mplstyle")
    with pytest.raises(UsageError, match=r"written as \.pdf or \.png"):
        figures.write_figure(draw("fig03_level"), tmp_path / "figure.bmp")
    figures.save("fig03_level", level(), notebook="03", inputs=[])
    csv = folder / "fig03_level.csv"
    csv.write_text(csv.read_text(encoding="utf-8").replace("0.62", "much"), encoding="utf-8")
    with pytest.raises(InputError, match="column corrected_r holds values that are not numbers"):
        figures.redraw("fig03_level")
    csv.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"fig03_level\.csv: not a table"):
        figures.redraw("fig03_level")
