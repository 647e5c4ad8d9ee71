"""Train and ask text classifiers, run by run, and keep what they answered: `analysis text`, `analysis.train_text`.

A run is one classifier with one seed on one corpus. It is trained once and asked every test set that is wanted (the
corpus's own and those with noise); each set of answers is one entry of the prediction store. What is there is not
computed again, so a stopped command goes on where it ended.

Data sets: `<corpus>`, `<corpus>/<noise>/<severity>`, `<corpus>-validation` where a corpus has a validation set (on
which thresholds are set), and `<corpus>-cv`, where the training set is answered by five classifiers that were each
trained on the other folds.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import store
from ..errors import UsageError, some
from ..progress import Progress
from . import classifiers, corpora, noise

FOLDS, VALIDATION = 5, "-validation"


@dataclass(frozen=True)
class Job:
    """One line of work: corpora, classifiers, runs; noise on the test texts for the runs in `noisy_runs`."""

    corpora: tuple[str, ...]
    classifiers: tuple[str, ...]
    runs: tuple[int, ...]
    noise: tuple[str, ...] = ()
    severities: tuple[int, ...] = ()


_CHEAP = ("tfidf-mlp", "tfidf-svm", "vectors-mlp", "fasttext")  # to ask: the fifth runs a network over every text
_FIVE = (*_CHEAP, "sentence-lr")
_RUNS, _FIRST = tuple(range(5)), (0,)
# A training text of each class must be asked and others trained on: one of the three bots has classes of one text.
_BOTS = tuple(f"{bot}{version}" for bot in corpora.HINT3 for version in ("", "-v2"))
_CROSS = ("hint3-curekart-cv", "hint3-sofmattress-cv")
# What data/predictions holds of our own runs; `analysis text --shipped` makes it again.
SHIPPED = (
    Job(("banking77", "clinc150", "20news", *_BOTS, *_CROSS), _FIVE, _RUNS),
    Job(("banking77", *corpora.HINT3), _FIVE, _FIRST, noise.KINDS, noise.SEVERITIES),
    Job(("clinc150",), _FIVE, _FIRST, noise.KINDS, (1, 3, 5)),
    Job(("20news",), _CHEAP, _FIRST, noise.KINDS, (1, 3, 5)),
    Job(("banking77",), ("minilm",), (0, 1, 2)),
    Job(("banking77",), ("minilm",), _FIRST, noise.KINDS, noise.SEVERITIES),
)


@dataclass(frozen=True)
class Summary:
    """What the runs of one classifier on one corpus came to, on the test set without noise.

    `accuracy` and `worst` are means over the runs, of the accuracy and of that of the worst class; `seconds` is what
    training and asking took when it was done, by whichever command; `made` counts the sets of answers made just now.
    """

    corpus: str
    classifier: str
    runs: int
    accuracy: float
    worst: float
    seconds: float
    made: int
    not_converged: int

    def line(self) -> str:
        """One line for a terminal."""
        text = (
            f"{self.corpus} {self.classifier}: accuracy {self.accuracy:.3f}, worst class {self.worst:.3f} "
            f"({self.runs} {'run' if self.runs == 1 else 'runs'}, {self.seconds:.0f} s, {self.made} made now)"
        )
        return text + (f"; {self.not_converged} not converged" if self.not_converged else "")


def run(
    corpus: str | Iterable[str] = ("banking77",),
    classifier: str | Iterable[str] = ("tfidf-mlp",),
    *,
    runs: int | Iterable[int] = 10,
    noise: Iterable[str] = (),
    severities: Iterable[int] = (1, 3, 5),
    device: str = "auto",
    precision: str | None = None,
    weights=None,
    vectors=None,
    folder=None,
    into_own: bool = True,
    **reading,
) -> list[Summary]:
    """Train classifiers on corpora, keep their answers in the prediction store, and put them into the own tables.

    Parameters
    ----------
    corpus : names as `corpora.load` takes them, or `<name>-cv`
    classifier : ids of `classifiers.KINDS`
    runs : how many (from 0 on), or which
    noise, severities : kinds of noise on the test texts, each at each severity; not for `-cv`
    device, precision : "auto" is the GPU if there is one; fine-tuning is in bf16 where the device computes it
    weights : a folder with the weights of a network that is fine-tuned, in place of the hub's
    vectors : a fastText `.bin` file for `vectors-mlp`, in place of wordpiece vectors
    folder : of the prediction store
    into_own : also write the rows of the own tables; what is shipped is left out
    reading : for `corpora.load`: `path`, a folder with 20 Newsgroups; `text`, `label`, `out_of_scope` of own files

    Returns
    -------
    One `Summary` a corpus and classifier.
    """
    numbers = tuple(range(runs)) if isinstance(runs, int) else tuple(runs)
    if not numbers or min(numbers) < 0:
        raise UsageError("runs", "no runs are asked for", "give how many, at least 1")
    one = Job(_names(corpus), _names(classifier), numbers, _names(noise), tuple(severities))
    options = classifiers.Options(
        device, precision, Path(weights) if weights else None, Path(vectors) if vectors else None
    )
    return run_jobs([one], options=options, folder=folder, into_own=into_own, **reading)


def run_shipped(*, device: str = "auto", folder=None) -> list[Summary]:
    """Everything in `SHIPPED`, from the store where it is there."""
    return run_jobs(SHIPPED, options=classifiers.Options(device), folder=folder, into_own=False)


def shipped() -> Iterator[tuple[str, str]]:
    """(data set, model) of everything in `SHIPPED`, each once."""
    yield from dict.fromkeys(
        (corpus.removesuffix("-cv") + suffix, f"text/{one}-{number}")
        for job in SHIPPED
        for corpus in job.corpora
        for one in job.classifiers
        for number in job.runs
        for suffix in _suffixes(corpus, job)
    )


def run_jobs(jobs: Sequence[Job], *, options, folder=None, into_own=False, **reading) -> list[Summary]:
    """Run jobs, those of one corpus and classifier together; one `Summary` for each of these.

    `reading` goes to `corpora.load`. Work is checked before it starts: an unknown name ends it at once.
    """
    wanted = _wanted(jobs)
    made, summaries, known = [], [], []
    total = sum(len(suffixes) for runs in wanted.values() for suffixes in runs.values())
    with Progress("text", total=total, unit="sets of answers") as progress:
        loaded, corpus = None, None
        for (name, classifier), runs in wanted.items():
            if loaded != name.removesuffix("-cv"):
                loaded = name.removesuffix("-cv")
                corpus = corpora.load(loaded, **reading)
                known.append(corpus)
            found = {}
            for number, suffixes in runs.items():
                plan = classifiers.plan(classifier, corpus, number, options)
                for suffix, entry, new in _answers(plan, corpus, suffixes, folder):
                    found[number, suffix] = entry, new
                    progress.advance(1, note=f"{name} {classifier} {number}")
            made += [entry for entry, _ in found.values()]
            summaries.append(_summary(corpus.name + name.removeprefix(loaded), classifier, found, corpus.n_classes))
    if into_own:
        _into_own(made, known)
    return summaries


def recipe(plan: classifiers.Plan, corpus: corpora.Corpus, suffix: str = "") -> dict:
    """The recipe of one set of answers in the prediction store; noise needs not be made to know it.

    `suffix` is what the data set's name has behind that of the corpus: "", "-cv", "/typo/3".
    """
    dataset = corpus.name + suffix
    found = {"kind": "text", "dataset": dataset, "label_space": corpus.label_space, "corpus": corpus.sha256}
    found |= plan.recipe()
    if suffix == "-cv":
        found["folds"] = {"k": FOLDS, "seed": 0}
    elif suffix.startswith("/"):
        kind, severity = _noise_of(suffix)
        found["noise"] = {"kind": kind, "severity": severity, "rate": noise.RATES[kind][severity - 1], "seed": 0}
    return found


def _answers(plan, corpus, suffixes, folder) -> Iterator[tuple]:
    """(suffix, entry, whether it was made now) of one run; trained at the first set that is not in the store."""
    trained, seconds = None, 0.0
    for suffix in suffixes:
        made_of = recipe(plan, corpus, suffix)
        entry = store.get(made_of, folder=folder)
        if entry is not None:
            yield suffix, entry, False
            continue
        start = time.perf_counter()
        if suffix == "-cv":
            table, about = _cross_validated(plan, corpus)
        else:
            if trained is None:
                trained = classifiers.train(plan, corpus)
                seconds = time.perf_counter() - start
            asked, label, texts = _asked(corpus, suffix)
            table = classifiers.table(asked, label, trained.scores(texts))
            about = dict(trained.about)
        about |= {"seconds": round(time.perf_counter() - start, 2), "seconds_training": round(seconds, 2)}
        about |= {"calibrated": classifiers.KINDS[plan.classifier].calibrated}
        about |= {"n_classes": corpus.n_classes, "of": corpus.facts()}
        yield suffix, store.put(made_of, table, about=about, folder=folder), True
        seconds = 0.0


def _asked(corpus, suffix: str) -> tuple:
    """Ids, labels and texts of the set that is asked."""
    if suffix == VALIDATION:
        ids = np.array([f"validation-{row}" for row in range(len(corpus.validation_text))], dtype=object)
        return ids, corpus.validation_label, corpus.validation_text
    asked = noise.noisy(corpus, *_noise_of(suffix)) if suffix else corpus
    return asked.test_id, asked.test_label, asked.test_text


def _cross_validated(plan, corpus):
    """Answers to the training set, each from a classifier that saw the other folds; rows in the order of the set."""
    parts, unconverged = [], 0
    for fold in corpora.folds(corpus, FOLDS):
        trained = classifiers.train(plan, fold)
        unconverged += trained.about.get("not_converged", 0)
        parts.append((fold, trained.scores(fold.test_text)))
    ids = np.concatenate([fold.test_id for fold, _ in parts])
    label = np.concatenate([fold.test_label for fold, _ in parts])
    order = np.argsort(ids.astype(np.int64), kind="stable")
    scores = np.concatenate([found for _, found in parts])
    return classifiers.table(ids[order], label[order], scores[order]), {"folds": FOLDS, "not_converged": unconverged}


def _wanted(jobs: Sequence[Job]) -> dict:
    """(corpus, classifier) -> run -> suffixes, in the order they were asked for, corpus by corpus."""
    found: dict = {}
    for name in dict.fromkeys(name for job in jobs for name in job.corpora):
        for job in jobs:
            if name not in job.corpora:
                continue
            for classifier in classifiers.known(job.classifiers):
                runs = found.setdefault((name, classifier), {})
                for number in job.runs:
                    runs.setdefault(number, {}).update(dict.fromkeys(_suffixes(name, job)))
    return found


def _suffixes(corpus: str, job: Job) -> list[str]:
    """What stands behind the name of the corpus in those of a job's data sets, the one without noise first.

    >>> _suffixes("banking77", Job(("banking77",), ("fasttext",), (0,), ("typo",), (1, 3)))
    ['', '/typo/1', '/typo/3']
    """
    if absent := [kind for kind in job.noise if kind not in noise.KINDS]:
        raise UsageError("noise", f"{some(absent, 3)}: no such kind", f"there are {some(noise.KINDS, 9)}")
    if absent := [one for one in job.severities if one not in noise.SEVERITIES]:
        raise UsageError("noise", f"severity {absent[0]}", "1 to 5")
    if corpus.endswith("-cv"):
        if job.noise:
            raise UsageError("noise", f"{corpus}: no noise on a cross-validated training set", "leave it out")
        return ["-cv"]
    own = [VALIDATION] if corpus in corpora.VALIDATED else []
    return ["", *own, *(f"/{kind}/{severity}" for kind in job.noise for severity in job.severities)]


def _noise_of(suffix: str) -> tuple[str, int]:
    _, kind, severity = suffix.split("/")
    return kind, int(severity)


def _summary(name: str, classifier: str, found: dict, n_classes: int) -> Summary:
    """From the answers without noise; the seconds are of all sets of answers."""
    accuracy, worst = [], []
    plain = [entry for (_, suffix), (entry, _) in found.items() if suffix in ("", "-cv")]
    for entry in plain:
        if entry.n_labelled:
            table = entry.table()
            inside = table.label >= 0
            n = np.bincount(table.label[inside], minlength=n_classes)
            right = np.bincount(table.label[inside & (table.label == table.pred)], minlength=n_classes)
            accuracy.append(right.sum() / n.sum())
            worst.append((right[n > 0] / n[n > 0]).min())
    abouts = [entry.about for entry, _ in found.values()]
    return Summary(
        name,
        classifier,
        len(accuracy),
        float(np.mean(accuracy)) if accuracy else float("nan"),
        float(np.mean(worst)) if worst else float("nan"),
        sum(about.get("seconds", 0.0) for about in abouts),
        sum(new for _, new in found.values()),
        sum(entry.about.get("not_converged", 0) for entry in plain),
    )


def _into_own(entries, known) -> None:
    from .. import own

    ours = [entry for entry in entries if not own.shipped(*own.identity(entry))]
    if ours:
        rows = [
            {"dataset": name, "label_space": corpus.label_space, "shift_of": corpus.name if "/" in suffix else ""}
            for corpus in known
            if corpus.name not in corpora.NAMES  # of which the tables know all this
            for name in dict.fromkeys(entry.dataset for entry in ours)
            if (suffix := name.removeprefix(corpus.name)) != name and suffix[:1] in ("", "/", "-")
        ]
        own.add([own.from_store(entry) for entry in ours], datasets=rows)


train_text = run  # its name in `analysis`


def _names(given) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
