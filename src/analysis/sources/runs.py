"""This project's own predictions that are shipped: every file of `data/predictions/`, made by `ship`.

The one reader whose files are tables of this repository and not published by others: `derive` reads them from the
folder of tables, never from the mirror. Also what is fixed about their data sets and classifiers: label spaces, what
shifts what, names.

Traps
-----
- Tiny-ImageNet and its corruptions: class ids are the 0 to 999 of ImageNet; the 800 classes that are absent have no
  row. `@1000` behind an id: the best of all 1000 classes; without it, of the set's own 200.
- Queries out of scope (CLINC150, HINT3): label -1, no class, counted in confusions alone.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from .. import tables
from . import Predictions

N_CLASSES = {
    "imagenet": 1000, "imagenet-r": 1000, "imagenet-a": 1000, "tiny-imagenet": 1000, "cifar10": 10, "cifar100": 100,
    "ood16": 16, "banking77": 77, "20news": 20, "clinc150": 150, "hint3-curekart": 28, "hint3-powerplay11": 59,
    "hint3-sofmattress": 21,
}  # fmt: skip
SUBSETS = ("tiny-imagenet", "imagenet-r", "imagenet-a", "imagenet-sample")  # data sets with some of the 1000 classes
CORPORA = ("banking77", "20news", "clinc150", "hint3-curekart", "hint3-powerplay11", "hint3-sofmattress")
TINY = "its images come from ImageNet's training set as far as is known: a network may have learnt them"
OWN_200, ALL_1000 = "prediction among its own 200 classes", "prediction among all 1000 classes"
# Classifiers of the text runs: display name, family, year, training data besides the training set.
CLASSIFIERS = {
    "tfidf-mlp": ("tf-idf, one hidden layer", "tf-idf", 2024, "none"),
    "tfidf-svm": ("tf-idf, linear SVM", "tf-idf", 1998, "none"),
    "char-svm": ("characters, linear SVM", "tf-idf", 1998, "none"),
    "vectors-mlp": ("MiniLM word vectors, softmax", "word vectors", 2020, "sentence pairs (all-MiniLM-L6-v2)"),
    "fasttext": ("fastText, supervised", "fastText", 2016, "none"),
    "sentence-lr": ("MiniLM sentences, logistic regression", "MiniLM", 2020, "sentence pairs (all-MiniLM-L6-v2)"),
    "bert": ("BERT-base", "BERT", 2018, "books, Wikipedia; then fine-tuned"),
    "bert-tiny": ("BERT-tiny", "BERT", 2019, "books, Wikipedia; then fine-tuned"),
    "minilm": ("MiniLM, fine-tuned", "MiniLM", 2020, "sentence pairs (all-MiniLM-L6-v2), then fine-tuned"),
}
RUNS = 10


def read() -> Iterator[Predictions]:
    """Every model on every data set of the shipped predictions, file by file."""
    for path in tables.prediction_files():
        frame = tables.read_predictions_file(path)
        for (dataset, model), part in frame.groupby(["dataset", "model"], sort=True):
            yield predictions(dataset, model, part)


def count() -> int:
    """How many results `read` will give; for the progress."""
    pairs = [tables.read_predictions_file(path, pairs=True) for path in tables.prediction_files()]
    return sum(len(pair) for pair in pairs)


def predictions(dataset: str, model: str, part: pd.DataFrame, *, classes: int | None = None) -> Predictions:
    """Rows of one model on one data set in the columns of `tables.PREDICTIONS`, as the form that becomes tables.

    Parameters
    ----------
    classes : size of the model's output; None takes that of the data set's label space, or, where that is unknown, what
        the ids need

    Confidence and top-5 are known only where every item (top-5: of a class) has them.
    """
    label, pred = (part[name].to_numpy(dtype=np.int64) for name in ("label", "pred"))
    classes = classes or N_CLASSES.get(space(dataset)) or int(max(label.max(), pred.max(), 0)) + 1
    rank = part["label_rank"].fillna(-1).to_numpy(dtype=np.int64)
    confidence = part["confidence"].to_numpy(dtype=np.float64, na_value=np.nan)
    inside = label >= 0
    whole = space(dataset) in N_CLASSES and not dataset.startswith(SUBSETS)
    return Predictions(
        dataset=dataset,
        model=model,
        item_id=part["item_id"].to_numpy(dtype=object),
        label=label,
        pred=pred,
        n_classes=classes,
        confidence=None if np.isnan(confidence).any() else confidence,
        top5=(rank >= 0) & (rank < 5) if (rank[inside] >= 0).all() else None,
        members=None if whole else np.unique(label[inside]),
    )


def space(dataset: str) -> str:
    """The label space of a data set, "" where it is none of this project's.

    >>> space("banking77/typo/3"), space("imagenet-c/fog/3"), space("tiny-imagenet@1000"), space("own:pets")
    ('banking77', 'imagenet', 'imagenet', '')
    """
    if known := facts(dataset):
        return known[0]
    if dataset == "imagenet-r":
        return dataset
    if dataset.startswith(("imagenet-val", "imagenetv2-", "imagenet-sketch")):
        return "imagenet"
    head = dataset.removesuffix("-v2")
    return head if head in CORPORA else next((name for name in ("cifar100", "cifar10") if head.startswith(name)), "")


def facts(dataset: str) -> tuple[str, str, str] | None:
    """Label space, shifted data set and note of a data set that is predicted here; None of any other.

    >>> facts("tiny-imagenet-c-local/fog/3")[:2], facts("hint3-curekart-cv")[:2], facts("20news-bydate/typo/1")[:2]
    (('tiny-imagenet', 'tiny-imagenet'), ('hint3-curekart', ''), ('20news', '20news-bydate'))
    >>> facts("banking77")
    """
    base, at, _ = dataset.partition("@")
    head, *rest = base.split("/")
    if head in ("tiny-imagenet", "tiny-imagenet-c-local"):
        note = "; ".join([ALL_1000 if at else OWN_200, *(["corrupted here, at 64 px"] if rest else []), TINY])
        return "imagenet" if at else "tiny-imagenet", f"tiny-imagenet{'@1000' if at else ''}" if rest else "", note
    if head in ("imagenet-c", "imagenet-c-local"):
        note = "the images of imagenet-val, corrupted" + (" here" if head == "imagenet-c-local" else "")
        return "imagenet", "imagenet-val", note
    if head == "imagenet-sample":
        return "imagenet", "", "one image a class, most likely of ImageNet's training set: never for a claim"
    if head == "imagenet-a" or (head == "imagenet-r" and at):
        return "imagenet" if at else head, "imagenet-val", ALL_1000 if at else OWN_200
    corpus = re.sub("(-(cv|v2|bydate|imbalanced))?(-validation)?$", "", head)
    published = head.removesuffix("-v2") in CORPORA and corpus != "clinc150"
    if corpus not in CORPORA or (published and not rest):
        return None
    if rest:
        return corpus, head, "the texts of the corpus with noise made here"
    if head.endswith("-cv"):
        return corpus, "", "cross-validation on its training data"
    if corpus == "clinc150":
        of = "training set of unequal classes; " if "imbalanced" in head else ""
        of += "validation questions, for thresholds; " if head.endswith("-validation") else ""
        return corpus, "", f"{of}in-scope queries only; class ids in the order of the names"
    return corpus, "", "all 7,532 posts of the test set by date; class ids of 20news"


@cache
def names(label_space: str) -> list[str]:
    """The list kept in `names/<label_space>.json`: intents of clinc150 by id, wnids of the classes of tiny-imagenet."""
    return json.loads((Path(__file__).parent / "names" / f"{label_space}.json").read_text(encoding="utf-8"))


def known_model(model: str) -> dict[str, str] | None:
    """The row of `models.csv` that the rule for text runs gives, columns as there; None for any other model.

    >>> known_model("text/char-svm-3")["name"], known_model("text/char-svm-10"), known_model("timm/resnet50")
    ('characters, linear SVM, run 3', None, None)
    """
    kind, _, run = model.removeprefix("text/").rpartition("-")
    if not model.startswith("text/") or kind not in CLASSIFIERS or run not in map(str, range(RUNS)):
        return None
    name, family, year, pretraining = CLASSIFIERS[kind]
    facts = {"model": model, "name": f"{name}, run {run}", "family": family, "year": str(year)}
    facts |= {"pretraining": pretraining, "published_top1": "", "published_source": ""}
    return facts | {"is_network": str("svm" not in kind and kind != "sentence-lr"), "in_claims": "True", "flag": ""}
