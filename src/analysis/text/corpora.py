"""Text corpora: one form for all, with the class and item ids of the shipped tables.

`load(name)` knows the published corpora of `NAMES` by name, `csv:<train.csv>,<test.csv>` and `hf:<hub id or folder>`
(`corpus_own`). A corpus is checked once, here: labels are class ids, ids are unique, texts are text. Empty texts are
kept and counted, very long ones are cut and counted, and test texts that stand in the training set as well are
reported as a share. The digest of a corpus covers its texts and labels as they are used, after cutting.

`folds(corpus)` cuts a training set into test sets of its own (`hint3-curekart-cv`).
"""

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError, UsageError, some

MAX_CHARS = 100_000
MAX_OVERLAP = 0.001
_NO_WORD = re.compile(r"[\W_]+")
HINT3 = ("hint3-curekart", "hint3-powerplay11", "hint3-sofmattress")
VALIDATED = ("clinc150", "clinc150-imbalanced")  # with a validation set of their own
NAMES = (
    "banking77",
    "20news",
    "20news-bydate",
    "clinc150",
    "clinc150-imbalanced",
    *(f"{bot}{version}" for bot in HINT3 for version in ("", "-v2")),
)


@dataclass(frozen=True)
class Corpus:
    """Texts with labels. Labels are class ids (int32), positions in `classes`; -1 = belongs to no class (test only).

    `overlap` is the share of test texts that equal a training text after `normalised`; `empty` and `cut` count test
    and training texts without a word or a sign, and those that were cut at `max_chars` characters.
    """

    name: str
    label_space: str
    classes: tuple[str, ...]
    train_text: tuple[str, ...]
    train_label: np.ndarray
    test_text: tuple[str, ...]
    test_label: np.ndarray
    test_id: np.ndarray
    validation_text: tuple[str, ...] | None
    validation_label: np.ndarray | None
    sha256: str
    licence: str
    overlap: float
    empty: int
    cut: int
    max_chars: int

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    def facts(self) -> dict:
        """What a reader of results must know, as plain values: sizes, label sets, overlap, empty and cut texts."""
        trained, asked = (np.bincount(of[of >= 0], minlength=self.n_classes) for of in self._labels())
        return {
            "corpus": self.name,
            "sha256": self.sha256,
            "licence": self.licence,
            "classes": self.n_classes,
            "train": len(self.train_text),
            "test": len(self.test_text),
            "out_of_scope": int((self.test_label < 0).sum()),
            "smallest_class": int(trained.min()),
            "classes_not_in_test": int((asked == 0).sum()),
            "overlap": self.overlap,
            "empty": self.empty,
            "cut": self.cut,
            "max_chars": self.max_chars,
        }

    def _labels(self) -> tuple[np.ndarray, np.ndarray]:
        return self.train_label, self.test_label


def load(
    name: str,
    *,
    path=None,
    text: str | None = None,
    label: str | None = None,
    out_of_scope: str | None = None,
    max_chars: int = MAX_CHARS,
    max_overlap: float = MAX_OVERLAP,
) -> Corpus:
    """A corpus by name.

    Parameters
    ----------
    name : one of `NAMES`, "csv:<train.csv>,<test.csv>" or "hf:<hub id or local folder>"; with noise on the test
        texts (`noise`) "banking77/typo/3"
    path : for 20news and 20news-bydate, a folder with `20news-bydate-train` and `20news-bydate-test` in place of the
        published copy
    text, label, out_of_scope : for csv and hf, names of the columns (found where they are common names) and the label
        that means "no class" in the test set
    max_chars : longer texts are cut there; the count is in `Corpus.cut`
    max_overlap : largest share of test texts that may stand in a user's training set as well

    Raises
    ------
    UsageError : no corpus of this name
    InputError : a user's files do not make a corpus; says where and why
    IntegrityError : a published file is missing or altered
    """
    if name.startswith(("csv:", "hf:")):
        from . import corpus_own

        parts = corpus_own.read(name, text=text, label=label, out_of_scope=out_of_scope)
        return make(**parts, max_chars=max_chars, max_overlap=max_overlap)
    if name in ("20news", "20news-bydate"):
        from . import corpus_20news

        return make(**corpus_20news.read(name, path), max_chars=max_chars, max_overlap=1.0)
    if name in NAMES:
        from . import corpus_known

        return make(**corpus_known.read(name), max_chars=max_chars, max_overlap=1.0)
    base, _, noise = name.partition("/")
    if base in NAMES and noise.count("/") == 1:
        from .noise import noisy

        kind, severity = noise.split("/")
        return noisy(load(base, path=path, max_chars=max_chars), kind, int(severity) if severity.isdecimal() else -1)
    if name.endswith("-cv") and name.removesuffix("-cv") in HINT3:
        raise UsageError(
            "corpus", f"{name}: is cut from training data", f"use folds(load('{name.removesuffix('-cv')}'))"
        )
    raise UsageError("corpus", f"{name}: unknown", f"there are {some(NAMES, 20)}, csv:TRAIN,TEST and hf:PATH")


def make(
    *,
    name: str,
    label_space: str,
    classes: Sequence[str],
    train: tuple[Sequence[str], Sequence[int]],
    test: tuple[Sequence[str], Sequence[int]],
    test_id: Sequence[str] | None = None,
    validation: tuple[Sequence[str], Sequence[int]] | None = None,
    licence: str = "",
    max_chars: int = MAX_CHARS,
    max_overlap: float = MAX_OVERLAP,
    fault=InputError,
) -> Corpus:
    """A checked corpus from lists of texts and class ids; `test_id` is the row number where it is not given.

    >>> corpus = make(
    ...     name="two", label_space="two", classes=["no", "yes"], train=(["not me", "sure"], [0, 1]), test=(["NA"], [0])
    ... )
    >>> corpus.test_text, corpus.test_id.tolist(), corpus.overlap
    (('NA',), ['0'], 0.0)
    """
    classes = tuple(classes)
    if len(set(classes)) != len(classes):
        raise fault("classes", f"{name}: a class name occurs twice", "name every class once")
    parts, cut, empty = {}, 0, 0
    for part, given in (("train", train), ("validation", validation), ("test", test)):
        if given is None:
            parts[part] = (None, None)
            continue
        texts, labels = given
        where = f"{name} ({part})"
        whole = _texts(texts, where=where, fault=fault)
        lowest = 0 if part == "train" else -1
        parts[part] = (
            tuple(one[:max_chars] for one in whole),
            _labels(labels, len(whole), len(classes), lowest=lowest, where=where, fault=fault),
        )
        if part != "validation":
            cut += sum(len(one) > max_chars for one in whole)
            blank = sum(not one.strip() for one in whole)
            empty += blank
            if blank == len(whole):
                raise fault("texts", f"{where}: {'no texts' if not whole else 'every text is empty'}", "bring texts")
    present = np.unique(parts["train"][1])
    if len(present) < 2:
        only = classes[present[0]] if len(present) else "none"
        raise fault("classes", f"{name} (train): one class only ({_short(only)})", "two classes are needed to train")
    absent = sorted(set(range(len(classes))) - set(present.tolist()))
    if absent:
        shown = some([_short(classes[one]) for one in absent], 3)
        what = f"{name} (train): {len(absent)} classes have no text ({shown})"
        raise fault("classes", what, "add texts of them, or leave them out of the classes")
    ids = np.array([str(row) for row in range(len(parts["test"][0]))] if test_id is None else list(test_id), object)
    if len(ids) != len(parts["test"][0]) or len(set(ids.tolist())) != len(ids):
        raise fault("items", f"{name} (test): ids are not one a text, each once", "number them anew")
    overlap = shared(parts["train"][0], parts["test"][0])
    if overlap > max_overlap:
        raise fault(
            "overlap",
            f"{name}: {100 * overlap:.2f}% of the test texts are training texts too (case and punctuation aside)",
            f"take them out, or allow it (max_overlap is {max_overlap:g})",
        )
    return Corpus(
        name,
        label_space,
        classes,
        *parts["train"],
        *parts["test"],
        ids,
        *parts["validation"],
        digest(classes, parts.values()),
        licence,
        overlap,
        empty,
        cut,
        max_chars,
    )


def folds(corpus: Corpus, k: int = 5, seed: int = 0, *, lone: str | None = None) -> list[Corpus]:
    """Cross-validation on the training set: `k` corpora whose test sets are disjoint and together all of it.

    Every class is dealt over the folds as evenly as it goes. Texts that are equal after `normalised` stay together,
    so none is trained on and asked for. Ids are row numbers of the training set, the name is that of the corpus with
    `-cv` in every fold: the answers of all folds make one data set.

    Parameters
    ----------
    corpus : its test and validation sets are not used
    k, seed : number of folds; another seed deals anew
    lone : what becomes of a class with a single text, which cannot be trained and asked at once: "refuse", or "train"
        (in the training set of every fold, never asked). None: "train" for HINT3, where it is so for 7 of the 59
        classes of powerplay11, else "refuse"

    Raises
    ------
    UsageError : k is below 2
    InputError : a class has a single text and `lone` is "refuse", or a fold would be empty
    """
    if k < 2:
        raise UsageError("folds", f"k is {k}", "at least 2")
    lone = lone or ("train" if corpus.label_space in HINT3 else "refuse")
    groups: dict[str, list[int]] = {}
    for row, one in enumerate(corpus.train_text):
        groups.setdefault(normalised(one) or f"\0{row}", []).append(row)
    of_class: dict[int, list[list[int]]] = {}
    for rows in groups.values():
        of_class.setdefault(int(corpus.train_label[rows[0]]), []).append(rows)
    thin = {code for code in range(corpus.n_classes) if len(of_class.get(code, [])) < 2}
    if thin and lone != "train":
        shown = some([_short(corpus.classes[code]) for code in sorted(thin)], 3)
        what = f"{corpus.name}: fewer than two different texts in {len(thin)} classes ({shown})"
        raise InputError("classes", what, 'add texts, or train on them always (lone="train")')
    rng, fold, at = np.random.RandomState(seed), np.full(len(corpus.train_text), -1), 0  # a frozen stream
    for code in sorted(of_class):
        members = of_class[code]
        for position in rng.permutation(len(members)):
            if thin.isdisjoint(corpus.train_label[members[position]].tolist()):
                fold[members[position]] = at % k
                at += 1  # the next class goes on where this one ended: folds of equal size
    if at < k:
        raise InputError("folds", f"{corpus.name}: {at} texts for {k} folds", "ask for fewer folds")
    return [_fold(corpus, fold == number) for number in range(k)]


def _fold(corpus: Corpus, asked: np.ndarray) -> Corpus:
    train, test = np.flatnonzero(~asked), np.flatnonzero(asked)
    return make(
        name=f"{corpus.name}-cv",
        label_space=corpus.label_space,
        classes=corpus.classes,
        train=([corpus.train_text[row] for row in train], corpus.train_label[train]),
        test=([corpus.train_text[row] for row in test], corpus.train_label[test]),
        test_id=[str(row) for row in test],
        licence=corpus.licence,
        max_chars=corpus.max_chars,
    )


def with_test(corpus: Corpus, texts: Sequence[str], *, name: str) -> Corpus:
    """The same corpus with other test texts for the same items, under another name (noise): ids and labels stay."""
    texts = tuple(texts)
    if len(texts) != len(corpus.test_text):
        what = f"{name}: {len(texts)} texts, expected {len(corpus.test_text)}"
        raise InputError("items", what, "give one text an item")
    parts = (
        (corpus.train_text, corpus.train_label),
        (corpus.validation_text, corpus.validation_label),
        (texts, corpus.test_label),
    )
    return dataclasses.replace(corpus, name=name, test_text=texts, sha256=digest(corpus.classes, parts))


def normalised(text: str) -> str:
    """A text without case, punctuation and runs of spaces, as duplicates are counted.

    >>> normalised("What's  my_PIN?\\u2028")
    'what s my pin'
    """
    return _NO_WORD.sub(" ", text.casefold()).strip()


def shared(train: Iterable[str], test: Sequence[str]) -> float:
    """Share of test texts that equal a training text after `normalised`; texts without a word are left out."""
    seen = {normalised(one) for one in train} - {""}
    return sum(normalised(one) in seen for one in test) / max(len(test), 1)


def digest(classes: Sequence[str], parts: Iterable[tuple]) -> str:
    """SHA-256 over class names and every part's (texts, labels), lengths included; a part of None counts as absent."""
    total = hashlib.sha256()

    def add(content: bytes) -> None:
        total.update(len(content).to_bytes(8, "little"))
        total.update(content)

    for one in classes:
        add(one.encode())
    for texts, labels in parts:
        add(b"absent" if texts is None else str(len(texts)).encode())
        for one in texts or ():
            add(one.encode())
        add(b"" if labels is None else np.asarray(labels, dtype="<i4").tobytes())
    return total.hexdigest()


def _texts(texts: Sequence, *, where: str, fault) -> list[str]:
    """Every entry is text that can be encoded; a missing value, a number or half a character is named by its row."""
    bad = [row for row, one in enumerate(texts) if not isinstance(one, str)]
    if bad:
        kinds = some(sorted({type(texts[row]).__name__ for row in bad}), 3)
        what = f"{where}: {len(bad)} texts are not text but {kinds} (rows {some(bad, 3)})"
        raise fault("texts", what, "take these rows out, or write them as text")
    for row, one in enumerate(texts):
        try:
            one.encode()
        except UnicodeEncodeError as broken:
            what = f"{where} row {row}: half a surrogate pair at character {broken.start}"
            raise fault("texts", what, "decode the file as UTF-8") from None
    return list(texts)


def _labels(labels: Sequence, n: int, n_classes: int, *, lowest: int, where: str, fault) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.shape != (n,) or (n and labels.dtype.kind not in "iu"):
        what = f"{where}: {len(labels)} labels of type {labels.dtype}, expected {n} class ids"
        raise fault("labels", what, "give one class id a text")
    bad = np.flatnonzero((labels < lowest) | (labels >= n_classes))
    if len(bad):
        what = f"{where}: label {labels[bad[0]]} in row {bad[0]}"
        raise fault("labels", what, f"class ids run from {lowest} to {n_classes - 1}")
    return labels.astype(np.int32)


def _short(name: str) -> str:
    # Class names may come from a user's file: short, and without control characters that a terminal would obey.
    return ascii(str(name))[1:-1][:40]
