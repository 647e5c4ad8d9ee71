"""Noise on texts, made here: five kinds at five severities, the same on every machine.

| kind | what is done | from |
|---|---|---|
| typo | a letter becomes a neighbouring letter of the US keyboard, case kept | "keyboard typo": Belinkov & Bisk, ICLR 2018; Pruthi et al., ACL 2019 |
| swap | two neighbouring letters of a word change places | "swap": Belinkov & Bisk 2018; Pruthi et al. 2019; Karpukhin et al., W-NUT 2019 |
| drop | a letter is left out | "drop": Pruthi et al. 2019; "deletion": Karpukhin et al. 2019 |
| case | a letter changes its case | `change_char_case`: Dhole et al., NL-Augmenter, 2021 (there at 10 %) |
| words | a word is left out | "random deletion": Wei & Zou, EDA, EMNLP 2019 |

`RATES` gives, by severity, the chance of each letter (typo, drop, case), of each pair of unequal neighbouring letters
(swap) or of each word (words). Rates are ours; 5 and 10 % are usual for letters in the papers above. All letters of a
word can be hit (Pruthi et al. leave the first and the last alone), and letters are hit independently of each other
(Karpukhin et al.), where Belinkov & Bisk change each word once.

A number is drawn for each place of a text, from the item's id, the kind and the seed, never from the severity or
from the order of the texts: what severity 2 changes, 3 changes as well, and the curves over severities are smooth. Two
pairs that share a letter cannot both be swapped; the one with the smaller number is (at 20 %, 17.6 % of the pairs).

A text is never emptied: one letter (drop) or one word (words) always stays. Signs that go together (a letter with its
accents, an emoji of several code points) are one place; what is no letter stays as it is. Chinese or Japanese letters
are dropped and swapped; no key and no case belongs to them. Classifiers that lower-case their input are not touched
by `case`: that is a finding, not a fault.
"""  # noqa: E501 - a table

import hashlib
import math
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..errors import InputError, UsageError, some
from .corpora import Corpus, with_test

KINDS = ("typo", "swap", "drop", "case", "words")
SEVERITIES = (1, 2, 3, 4, 5)
_LETTERS = (0.02, 0.05, 0.10, 0.15, 0.20)
RATES = {
    "typo": _LETTERS,
    "swap": _LETTERS,
    "drop": _LETTERS,
    "case": (0.10, 0.25, 0.50, 0.75, 1.00),
    "words": (0.05, 0.10, 0.15, 0.20, 0.30),
}
# Rows of the US keyboard with their shift to the right, in keys.
_ROWS = (("qwertyuiop", 0.0), ("asdfghjkl", 0.25), ("zxcvbnm", 0.75))
_TOUCHES = 1.3  # keys: next in the row 1.0; in the row above or below at most 1.25
_WORD = re.compile(r"\S+\s*")
_JOINER = "\u200d"


def apply(texts: Sequence[str], ids: Sequence[str], *, kind: str, severity: int, seed: int = 0) -> list[str]:
    """The texts with noise.

    Parameters
    ----------
    texts, ids : texts and the ids of their items, one each; the same id, kind and seed draw the same numbers
    kind : one of `KINDS`
    severity : 1 to 5; the rate is `RATES[kind][severity - 1]`
    seed : another draw of the same noise

    Raises
    ------
    UsageError : no such kind or severity
    InputError : not one id a text

    >>> apply(["Where is my card?"], ["0"], kind="case", severity=5)
    ['wHERE IS MY CARD?']
    >>> apply(["", "one"], ["0", "1"], kind="words", severity=5)
    ['', 'one']
    """
    if kind not in KINDS:
        raise UsageError("noise", f"{kind}: no such kind", f"there are {some(KINDS)}")
    if severity not in SEVERITIES:
        raise UsageError("noise", f"severity {severity}", "1 to 5")
    if len(texts) != len(ids):
        raise InputError("items", f"{len(texts)} texts and {len(ids)} ids", "give one id a text")
    change, rate = _CHANGES[kind], RATES[kind][severity - 1]
    return [change(text, rate, f"{seed}\0{kind}\0{item}") for text, item in zip(texts, ids, strict=True)]


def noisy(corpus: Corpus, kind: str, severity: int, seed: int = 0) -> Corpus:
    """A corpus with noise on its test texts alone, named `<corpus>/<kind>/<severity>`; labels and ids stay.

    With another seed than 0 the name ends in `?seed=<seed>`, so that two draws never share rows of a table.
    """
    texts = apply(corpus.test_text, corpus.test_id.tolist(), kind=kind, severity=severity, seed=seed)
    return with_test(corpus, texts, name=f"{corpus.name}/{kind}/{severity}" + (f"?seed={seed}" if seed else ""))


def uniforms(key: str, n: int) -> np.ndarray:
    """`n` numbers in [0, 1), a function of `key` alone: SHAKE-128 in place of a generator whose stream may change.

    >>> bool((uniforms("a", 3) == uniforms("a", 5)[:3]).all()), bool((uniforms("a", 3) == uniforms("b", 3)).any())
    (True, False)
    """
    stream = hashlib.shake_128(key.encode("utf-8", "surrogatepass")).digest(8 * n)
    return (np.frombuffer(stream, dtype="<u8") >> np.uint64(11)) * 2.0**-53


def places(text: str) -> list[str]:
    """A text cut into signs: a character with the marks, joiners and modifiers that go with it.

    >>> [len(sign) for sign in places("e\\u0301a")], len(places("\\U0001f468\\u200d\\U0001f469!"))
    ([2, 1], 2)
    """
    if text.isascii():
        return list(text)
    found: list[str] = []
    for sign in text:
        joined = found and (
            unicodedata.category(sign)[0] == "M"
            or sign == _JOINER
            or "\U0001f3fb" <= sign <= "\U0001f3ff"
            or found[-1][-1] == _JOINER
        )
        if joined:
            found[-1] += sign
        else:
            found.append(sign)
    return found


@lru_cache(maxsize=1)
def neighbours() -> dict[str, str]:
    """Letters that touch a letter on the US keyboard.

    >>> neighbours()["a"], neighbours()["g"], neighbours()["p"]
    ('qswz', 'bfhtvy', 'lo')
    """
    at = {key: (shift + x, float(y)) for y, (row, shift) in enumerate(_ROWS) for x, key in enumerate(row)}
    return {
        key: "".join(sorted(other for other in at if other != key and math.dist(at[key], at[other]) < _TOUCHES))
        for key in at
    }


def _typo(text: str, rate: float, key: str) -> str:
    signs = places(text)
    near, drawn = neighbours(), uniforms(key, 2 * len(signs)).reshape(-1, 2)
    for at in np.flatnonzero(drawn[:, 0] < rate).tolist():
        sign = signs[at]
        if choices := near.get(sign.lower()) if sign.isascii() else None:
            new = choices[int(drawn[at, 1] * len(choices))]
            signs[at] = new.upper() if sign.isupper() else new
    return "".join(signs)


def _swap(text: str, rate: float, key: str) -> str:
    signs = places(text)
    letter, drawn = _letters(signs), uniforms(key, len(signs))
    hit = np.flatnonzero(letter[:-1] & letter[1:] & (drawn[:-1] < rate))
    moved: set[int] = set()
    for at in hit[np.argsort(drawn[hit], kind="stable")].tolist():
        if not {at, at + 1} & moved and signs[at] != signs[at + 1]:
            moved |= {at, at + 1}
            signs[at], signs[at + 1] = signs[at + 1], signs[at]
    return "".join(signs)


def _drop(text: str, rate: float, key: str) -> str:
    signs = places(text)
    letter, drawn = _letters(signs), uniforms(key, len(signs))
    if letter.any():
        letter[np.where(letter, drawn, -1.0).argmax()] = False  # the last that would go stays
    for at in np.flatnonzero(letter & (drawn < rate)).tolist():
        signs[at] = ""
    return "".join(signs)


def _case(text: str, rate: float, key: str) -> str:
    signs = places(text)
    for at in np.flatnonzero(_letters(signs) & (uniforms(key, len(signs)) < rate)).tolist():
        flipped = signs[at].swapcase()
        # Not "ß" and the like, whose other case is two letters or does not lead back.
        if len(flipped) == len(signs[at]) and flipped.swapcase() == signs[at]:
            signs[at] = flipped
    return "".join(signs)


def _words(text: str, rate: float, key: str) -> str:
    words = _WORD.findall(text)
    if not words:
        return text
    drawn = uniforms(key, len(words))
    stays = drawn >= rate
    stays[drawn.argmax()] = True
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    kept = "".join(word for word, stay in zip(words, stays, strict=True) if stay)
    return before + kept.rstrip() + after


def _letters(signs: list[str]) -> np.ndarray:
    return np.array([sign[0].isalpha() for sign in signs], dtype=bool)


_CHANGES = {"typo": _typo, "swap": _swap, "drop": _drop, "case": _case, "words": _words}
