"""Texts as means of fixed vectors: of wordpieces (the input vectors of an encoder) or of words (a fastText file)."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from .. import files
from ..errors import InputError, UsageError
from ..paths import shown

_INPUT = ("embeddings.word_embeddings.weight", "bert.embeddings.word_embeddings.weight")


class WordpieceMeans:
    """The mean of an encoder's input vectors over the wordpieces of a text, repeats counted; zeros for an empty text.

    Nothing of the network is run: no context, no order. No limit on the length.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self._tokenizer, self._vectors = None, None

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors (texts, dimensions), float32."""
        if self._tokenizer is None:
            from tokenizers import Tokenizer

            self._tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
            self._vectors = _input_vectors(self.folder)
        encoded = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return mean_rows(self._vectors, [one.ids for one in encoded])


def mean_rows(vectors: np.ndarray, ids: Sequence[Sequence[int]]) -> np.ndarray:
    """The mean of the rows that each list of ids names: (n, d), k lists -> (k, d), float32.

    >>> mean_rows(np.array([[0.0, 2.0], [4.0, 0.0]]), [[0, 1, 1, 1], []]).tolist()
    [[3.0, 0.5], [0.0, 0.0]]
    """
    from scipy.sparse import csr_array

    sizes = np.array([len(one) for one in ids], dtype=np.int64)
    rows = np.concatenate([[0], np.cumsum(sizes)])
    columns = np.array([one for each in ids for one in each], dtype=np.int64)
    counts = csr_array((np.ones(len(columns), dtype=np.float32), columns, rows), shape=(len(ids), len(vectors)))
    counts.sum_duplicates()
    return ((counts @ vectors) / np.maximum(sizes, 1)[:, None]).astype(np.float32)


class WordMeans:
    """fastText's sentence vectors of a published `.bin` file (cc.en.300.bin is what the paper calls doc2vec)."""

    def __init__(self, path):
        self.path = Path(path)
        if self.path.suffix != ".bin" or not self.path.is_file():
            what = f"{shown(self.path)}: no fastText model"
            raise InputError("vectors", what, "give the .bin file, for instance cc.en.300.bin")
        self._model = None

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        if self._model is None:
            try:
                self._model = fasttext().load_model(str(self.path))
            except (ValueError, RuntimeError) as fault:
                raise InputError("vectors", f"{shown(self.path)}: fastText cannot load it", "get it again") from fault
        return np.array([self._model.get_sentence_vector(" ".join(text.split())) for text in texts], dtype=np.float32)


def digest(path) -> str:
    """SHA-256 of a vectors file, computed once in a process."""
    path = Path(path)
    state = path.stat()
    return _digest(path, state.st_size, state.st_mtime_ns)


def fasttext():
    """The fastText package, without its warning about a change of 2019.

    Raises
    ------
    UsageError : not installed.
    """
    try:
        import fasttext as package
    except ImportError:
        what = "fasttext-community is not installed"
        raise UsageError("package", what, "install the inference tier: make inference") from None
    package.FastText.eprint = lambda *_: None
    return package


@cache
def _digest(path: Path, *_) -> str:
    return files.sha256(path)


def _input_vectors(folder: Path) -> np.ndarray:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / "model.safetensors", framework="numpy") as tensors:
            name = next(name for name in _INPUT if name in tensors.keys())  # noqa: SIM118 - no mapping
            vectors = tensors.get_tensor(name).astype(np.float32)
    except (OSError, SafetensorError, StopIteration) as fault:
        raise InputError("weights", f"{shown(folder)}: no input vectors of a BERT", "get the weights again") from fault
    if not np.isfinite(vectors).all():
        raise InputError("weights", f"{shown(folder)}: input vectors are not finite", "get the weights again")
    return vectors
