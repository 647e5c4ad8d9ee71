"""Classifiers of texts: what they are made of, and one way to train and ask all of them.

| id | representation | on top | training set of a run |
|---|---|---|---|
| tfidf-mlp | tf-idf of 5,000 words (the paper's) | MLP, 100 hidden units | all |
| tfidf-svm | tf-idf of words and pairs of words | linear SVM | 90 %, seeded |
| char-svm | tf-idf of 2 to 5 characters | linear SVM | 90 %, seeded |
| vectors-mlp | mean of MiniLM's wordpiece vectors, or of a fastText file | softmax | all |
| fasttext | fastText trained on the texts (the paper's) | softmax | all |
| sentence-lr | sentence vectors of MiniLM, not trained | logistic regression | 90 %, seeded |
| minilm, bert, bert-tiny | fine-tuned (`finetune`) | softmax | all |

A run is a seed for everything random: run r has the seed 44 + r, as the paper's scripts. Where nothing is random the
run draws nine tenths of the training set, class by class. A classifier gives a score to every class; scores are
probabilities, except those of the SVMs: a softmax of the distances to their planes, which orders answers but is no
calibrated probability.
"""

import re
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ..errors import InputError, UsageError, some
from ..store import Table
from . import weights

SEED = 44  # of run 0, in the paper's scripts
CODE = "1"  # of what is computed here: another value, other predictions
SHARE = 0.9  # of each class, where a run is a draw of the training set
_NO_WORD = re.compile(r"[^\w\s]|_")


@dataclass(frozen=True)
class Kind:
    """A classifier: whether a run draws nine tenths of the training set, whether its scores are probabilities, and
    the packages whose versions decide over its answers. Names and families: `sources.runs.CLASSIFIERS`.
    """

    subsampled: bool
    calibrated: bool
    packages: tuple[str, ...]


_SKLEARN = ("numpy", "scikit-learn", "scipy")
_TUNED = ("torch", "transformers", "tokenizers", "accelerate")
KINDS = {
    "tfidf-mlp": Kind(False, True, _SKLEARN),
    "tfidf-svm": Kind(True, False, _SKLEARN),
    "char-svm": Kind(True, False, _SKLEARN),
    "vectors-mlp": Kind(False, True, (*_SKLEARN, "tokenizers")),
    "fasttext": Kind(False, True, (*_SKLEARN, "fasttext-community")),
    "sentence-lr": Kind(True, True, (*_SKLEARN, "torch", "transformers", "tokenizers")),
    "minilm": Kind(False, True, _TUNED),
    "bert": Kind(False, True, _TUNED),
    "bert-tiny": Kind(False, True, _TUNED),
}
TUNED = ("minilm", "bert", "bert-tiny")


@dataclass(frozen=True)
class Options:
    """What a user may choose: device, precision of fine-tuning (None: the device's best), folders of weights."""

    device: str = "auto"
    precision: str | None = None
    weights: Path | None = None
    vectors: Path | None = None
    keep: bool = True  # vectors of texts on disk, for the next run


@dataclass(frozen=True)
class Plan:
    """Everything that decides over a run's answers on given texts; `recipe()` is its part of the store's recipe."""

    classifier: str
    run: int
    settings: dict
    weights: str | None = None
    numerics: dict | None = None
    options: Options = field(default_factory=Options, compare=False)
    folder: Path | None = field(default=None, compare=False)

    @property
    def seed(self) -> int:
        return SEED + self.run

    @property
    def model(self) -> str:
        return f"text/{self.classifier}-{self.run}"

    def recipe(self) -> dict:
        kind = KINDS[self.classifier]
        engine = {"code": CODE} | {package: version(package) for package in kind.packages}
        classifier = {"id": f"text/{self.classifier}", "random_state": self.seed, **self.settings}
        found = {"classifier": classifier, "seed": self.run, "weights": self.weights, "engine": engine}
        return found | ({"numerics": self.numerics} if self.numerics else {})


class Trained:
    """A trained classifier: `scores(texts)` gives (texts, classes), rows sum to 1; `about` says how training went."""

    def __init__(self, scores: Callable[[Sequence[str]], np.ndarray], about: dict):
        self._scores, self.about = scores, about

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        with _quietly() as said:
            found = self._scores(texts)
        self.about["warnings"] = self.about.get("warnings", 0) + len(said)
        if not np.isfinite(found).all():
            raise InputError("scores", "a classifier gave scores that are not finite", "look at its training set")
        return found


def known(names: Sequence[str]) -> list[str]:
    """The ids, each once; UsageError names one that does not exist."""
    if absent := [name for name in names if name not in KINDS]:
        raise UsageError("classifier", f"{some(absent, 3)}: no such classifier", f"there are {some(KINDS, 20)}")
    return list(dict.fromkeys(names))


def plan(classifier: str, corpus, run: int, options: Options | None = None) -> Plan:
    """Settings of one run on one corpus (`corpora.Corpus`); finds the weights, trains nothing.

    Raises
    ------
    UsageError : no such classifier, or a package of the inference tier is missing
    NetworkError : the weights are not on this machine
    """
    known([classifier])
    options = options or Options()
    if classifier in TUNED:
        return _tuned_plan(classifier, run, options)
    settings: dict = {"train_share": SHARE} if KINDS[classifier].subsampled else {}
    digest, numerics, folder = None, None, None
    if classifier == "tfidf-mlp":
        settings |= {"vectorizer": {"max_features": 5000}, "head": _head(corpus, [100], 200)}
    elif classifier == "tfidf-svm":
        settings |= {"vectorizer": {"ngram_range": [1, 2]}}
    elif classifier == "char-svm":
        settings |= {"vectorizer": {"analyzer": "char", "ngram_range": [2, 5]}}
    elif classifier == "fasttext":
        epochs = 2000 if corpus.name.removesuffix("-cv") == "banking77" else 25
        settings |= {"fasttext": {"epoch": epochs, "thread": 1}, "head": _head(corpus, [], 200)}
    elif classifier == "vectors-mlp":
        from . import vectors

        settings |= {"vectors": "file" if options.vectors else "wordpieces", "head": _head(corpus, [], 1000)}
        folder = options.vectors or weights.minilm()
        digest = vectors.digest(folder) if options.vectors else weights.digest(folder)
    elif classifier == "sentence-lr":
        from ..vision import devices
        from .embed import MAX_LENGTH

        settings |= {"max_length": MAX_LENGTH, "head": {"C": 10.0, "max_iter": 1000}}
        folder = weights.minilm()
        digest = weights.digest(folder)
        numerics = {"precision": "fp32", "device": devices.resolve(options.device, "fp32").partition(":")[0]}
    return Plan(classifier, run, settings, digest, numerics, options, folder)


def train(plan: Plan, corpus) -> Trained:
    """Train one run on the training set of a corpus.

    Raises
    ------
    InputError : the training set does not do for this classifier; the loss is no number
    """
    share = plan.settings.get("train_share")
    rows = np.arange(len(corpus.train_text)) if share is None else draw(corpus.train_label, share, plan.seed)
    labels, about = np.asarray(corpus.train_label)[rows], {"train": len(rows)}
    if plan.classifier == "sentence-lr":  # all texts have vectors, once for all runs
        with _quietly() as said:
            scores = _sentence_lr(plan, corpus.train_text, rows, labels, corpus.n_classes)
        return Trained(scores, about | {"not_converged": _count_unconverged(said)})
    texts = [corpus.train_text[row] for row in rows]
    if plan.classifier in TUNED:
        return _tuned(plan, texts, labels, corpus, about)
    with _quietly() as said:
        scores = _MAKERS[plan.classifier](plan, texts, labels, corpus.n_classes)
    return Trained(scores, about | {"not_converged": _count_unconverged(said)})


def draw(labels, share: float, seed: int) -> np.ndarray:
    """Rows of a share of each class, at least one of each, in the order they came in.

    >>> draw([0] * 10 + [1] * 20 + [2], 0.9, seed=0).size
    28
    """
    labels, rng = np.asarray(labels), np.random.default_rng(seed)
    kept = []
    for code in np.unique(labels):
        rows = np.flatnonzero(labels == code)
        kept.append(rng.permutation(rows)[: max(1, round(share * len(rows)))])
    return np.sort(np.concatenate(kept))


def table(item_id, label, scores: np.ndarray) -> Table:
    """Answers of a classifier from its scores; the lower class id goes first where two are equal.

    Parameters
    ----------
    scores : (items, classes); rows sum to 1. A label of -1 (out of scope) has the rank -1

    >>> found = table(["a", "b"], [1, -1], np.array([[0.4, 0.4, 0.2], [0.1, 0.1, 0.8]]))
    >>> found.pred.tolist(), found.label_rank.tolist(), found.top5.tolist()
    ([0, 2], [1, -1], [[0, 1, 2], [2, 0, 1]])
    """
    label, scores = np.asarray(label, dtype=np.int32), np.asarray(scores, dtype=np.float32)
    order = np.argsort(-scores, axis=1, kind="stable")
    rank = np.where(label >= 0, (order == np.maximum(label, 0)[:, None]).argmax(axis=1), -1)
    confidence = np.clip(np.take_along_axis(scores, order[:, :1], axis=1)[:, 0], 0, 1)
    ids = np.asarray(item_id, dtype=object)
    top5 = order[:, :5].astype(np.int32)
    return Table(ids, label, top5[:, 0].copy(), confidence.astype(np.float32), rank.astype(np.int32), top5)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Rows to positive numbers that sum to 1, in the order of the scores.

    >>> softmax(np.array([[0.0, 0.0], [1000.0, 0.0]])).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    scores = np.asarray(scores, dtype=np.float64)
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    return grown / grown.sum(axis=1, keepdims=True)


def _head(corpus, hidden: list[int], max_iter: int) -> dict:
    """Settings of scikit-learn's MLP; a tenth is put aside to know when to stop, where that can be done."""
    smallest = int(np.bincount(corpus.train_label, minlength=corpus.n_classes).min())
    held = 0.1
    if held * len(corpus.train_label) < corpus.n_classes + 1:  # one text of each class must be put aside
        held = round((corpus.n_classes + 1) / len(corpus.train_label), 4)
    stop = smallest >= 2 and held < 0.5
    return {"hidden": hidden, "max_iter": max_iter, "early_stopping": stop, "validation_fraction": held}


def _mlp(plan: Plan, features, labels, n_classes: int):
    """A trained MLP as a function of features, its columns put in the order of class ids."""
    from sklearn.neural_network import MLPClassifier

    head = plan.settings["head"]
    model = MLPClassifier(
        hidden_layer_sizes=tuple(head["hidden"]),
        max_iter=head["max_iter"],
        early_stopping=head["early_stopping"],
        validation_fraction=head["validation_fraction"],
        random_state=plan.seed,
    ).fit(features, labels)
    return lambda asked: _by_class(model.predict_proba(asked), model.classes_, n_classes)


def _by_class(scores, classes, n_classes: int) -> np.ndarray:
    """Columns by class id, whatever order the classifier has; a class that it was not taught gets nothing."""
    found = np.zeros((len(scores), n_classes))
    found[:, np.asarray(classes, dtype=np.int64)] = scores
    return found


def _tfidf_mlp(plan: Plan, texts, labels, n_classes: int):
    vectorizer, features = _tfidf(plan, texts)
    head = _mlp(plan, features, labels, n_classes)
    return lambda asked: head(vectorizer.transform(asked))


def _svm(plan: Plan, texts, labels, n_classes: int):
    from sklearn.svm import LinearSVC

    vectorizer, features = _tfidf(plan, texts)
    model = LinearSVC(random_state=plan.seed).fit(features, labels)

    def scores(asked):
        distance = model.decision_function(vectorizer.transform(asked))
        if distance.ndim == 1:  # of two classes, the distance to the one plane
            distance = np.stack([-distance, distance], axis=1)
        return _by_class(softmax(distance), model.classes_, n_classes)

    return scores


def _tfidf(plan: Plan, texts):
    from sklearn.feature_extraction.text import TfidfVectorizer

    settings = dict(plan.settings["vectorizer"])
    if "ngram_range" in settings:
        settings["ngram_range"] = tuple(settings["ngram_range"])
    vectorizer = TfidfVectorizer(**settings)
    try:
        return vectorizer, vectorizer.fit_transform(texts)
    except ValueError as fault:  # an empty vocabulary
        remedy = "words have two letters or more here; use char-svm for other scripts"
        raise InputError("texts", "the training set has no words", remedy) from fault


def _vectors_mlp(plan: Plan, texts, labels, n_classes: int):
    from . import vectors

    means = (vectors.WordMeans if plan.options.vectors else vectors.WordpieceMeans)(plan.folder)
    return _scaled_mlp(plan, means.embed, texts, labels, n_classes)


def _fasttext(plan: Plan, texts, labels, n_classes: int):
    import tempfile

    from . import vectors

    package = vectors.fasttext()
    with tempfile.TemporaryDirectory(prefix="analysis-") as scratch:
        path = Path(scratch) / "train.txt"
        lines = [f"__label__{label} {_plain(text)}" for label, text in zip(labels, texts, strict=True)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
        try:
            model = package.train_supervised(input=str(path), verbose=0, seed=plan.seed, **plan.settings["fasttext"])
        except (RuntimeError, ValueError) as fault:
            what = (
                f"fastText could not be trained ({'a loss is no number' if 'NaN' in str(fault) else 'its own fault'})"
            )
            raise InputError(
                "fasttext", what, "check that fasttext-community is the package that is installed"
            ) from fault

    def embed(asked):
        return np.array([model.get_sentence_vector(_plain(text)) for text in asked], dtype=np.float32)

    return _scaled_mlp(plan, embed, texts, labels, n_classes)


def _scaled_mlp(plan: Plan, embed, texts, labels, n_classes: int):
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    head = _mlp(plan, scaler.fit_transform(embed(texts)), labels, n_classes)
    return lambda asked: head(scaler.transform(embed(asked)))


def _plain(text: str) -> str:
    """Lower case without punctuation on one line, as the paper's scripts give texts to fastText.

    >>> _plain("What's\\n MY pin?")
    'whats my pin'
    """
    return " ".join(_NO_WORD.sub("", text.lower()).split())


def _sentence_lr(plan: Plan, texts, rows, labels, n_classes: int):
    from sklearn.linear_model import LogisticRegression

    encoder = _encoder(plan)
    head = plan.settings["head"]
    model = LogisticRegression(C=head["C"], max_iter=head["max_iter"]).fit(encoder(texts)[rows], labels)
    return lambda asked: _by_class(model.predict_proba(encoder(asked)), model.classes_, n_classes)


_ENCODERS: dict = {}


def _encoder(plan: Plan):
    """Vectors of texts, kept on disk text by text set, so that runs of one corpus embed it once."""
    from .embed import Encoder

    key = (plan.folder, plan.settings["max_length"], plan.options.device)
    if key not in _ENCODERS:
        _ENCODERS.clear()
        _ENCODERS[key] = Encoder(plan.folder, max_length=plan.settings["max_length"], device=plan.options.device)
    return _ENCODERS[key].kept if plan.options.keep else _ENCODERS[key].embed


_MAKERS = {
    "tfidf-mlp": _tfidf_mlp,
    "tfidf-svm": _svm,
    "char-svm": _svm,
    "vectors-mlp": _vectors_mlp,
    "fasttext": _fasttext,
}


def _tuned_plan(classifier: str, run: int, options: Options) -> Plan:
    from ..vision import devices
    from . import finetune

    folder = weights.locate(classifier, options.weights)
    device = devices.resolve(options.device, "fp32")
    numerics = {"precision": options.precision or finetune.precision(device), "device": device.partition(":")[0]}
    settings = finetune.settings(classifier, SEED + run).recipe()
    return Plan(classifier, run, settings, weights.digest(folder), numerics, options, folder)


def _tuned(plan: Plan, texts, labels, corpus, about: dict) -> Trained:
    from . import finetune

    tuned = finetune.tune(
        plan.folder,
        texts,
        labels,
        n_classes=corpus.n_classes,
        seed=plan.seed,
        using=finetune.Settings(**plan.settings),
        device=plan.options.device,
        numerics=plan.numerics["precision"],
        note=f"{corpus.name}, {plan.classifier} {plan.run}",
    )
    return Trained(lambda asked: softmax(tuned.logits(asked)), about | tuned.about)


@contextmanager
def _quietly():
    """Gather warnings in place of printing them; one thread for BLAS, which is faster here and gives one result."""
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(record=True) as said, threadpool_limits(1):
        warnings.simplefilter("always")
        yield said


def _count_unconverged(said) -> int:
    from sklearn.exceptions import ConvergenceWarning

    return sum(issubclass(one.category, ConvergenceWarning) for one in said)
