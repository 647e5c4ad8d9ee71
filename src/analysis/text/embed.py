"""Texts to vectors with a sentence encoder: in batches of similar length, each up to a budget of tokens.

A batch is as wide as its longest text, so batches in the order of a corpus are mostly padding. `plan` sorts by length
and fills batches up to a number of tokens, padding included; the order of the texts is restored. Padding does not
reach the vectors beyond rounding: they equal those of one text at a time to 1e-5.
"""

import hashlib
import os
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .. import files, paths
from ..errors import InputError, IntegrityError
from ..vision import devices
from . import weights

CODE = "1"  # of the vectors: part of the name of kept ones
MAX_LENGTH = 256  # tokens; what all-MiniLM-L6-v2 was made for
BATCH_TOKENS = 4096


def plan(lengths, budget: int = BATCH_TOKENS) -> list[np.ndarray]:
    """Rows of each batch, longest first: rows x longest of the batch is at most `budget`, or the batch is one text.

    >>> [batch.tolist() for batch in plan([2, 9, 3, 2], budget=8)]
    [[1], [2, 0], [3]]
    """
    lengths = np.asarray(lengths)
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        size = max(1, int(budget // max(1, lengths[order[start]])))
        batches.append(order[start : start + size])
        start += size
    return batches


class Encoder:
    """A sentence encoder: mean of the last layer's token vectors, scaled to length 1.

    Parameters
    ----------
    folder : of the weights, as `AutoModel.from_pretrained` takes it; all-MiniLM-L6-v2 if not given
    max_length : tokens; the rest of a text is not read
    device : "auto", "cpu", "cuda", ...
    """

    def __init__(self, folder=None, *, max_length: int = MAX_LENGTH, device: str = "auto"):
        self.folder = Path(folder) if folder else weights.minilm()
        self.max_length, self.device = max_length, device
        self.weights = weights.digest(self.folder)
        self._model = None

    def embed(self, texts: Sequence[str], *, budget: int = BATCH_TOKENS) -> np.ndarray:
        """Vectors (texts, dimensions), float32, in the order of the texts."""
        import torch

        if not len(texts):
            return np.empty((0, 0), dtype=np.float32)
        model, tokenizer, device = self._loaded()
        ids = token_ids(tokenizer, texts, self.max_length)
        found = None
        with torch.inference_mode():
            for rows in plan([len(one) for one in ids], budget):
                batch = {key: value.to(device) for key, value in pad([ids[row] for row in rows]).items()}
                vectors = mean_vectors(model(**batch).last_hidden_state, batch["attention_mask"]).float().cpu().numpy()
                if found is None:
                    found = np.empty((len(texts), vectors.shape[1]), dtype=np.float32)
                found[rows] = vectors
        if not np.isfinite(found).all():
            raise IntegrityError("weights", f"{paths.shown(self.folder)}: vectors are not finite", "check the weights")
        return found

    def kept(self, texts: Sequence[str], *, folder=None) -> np.ndarray:
        """As `embed`, from the cache where the same texts were embedded by the same weights before."""
        folder = Path(folder) if folder else paths.cache() / "embeddings"
        path = folder / f"{self._key(texts)}.npz"
        if path.is_file():
            try:
                # An archive carries checksums of its members; a safetensors file would be believed whatever it holds.
                with np.load(path, allow_pickle=False) as kept:
                    vectors = kept["vectors"]
                if vectors.dtype == np.float32 and vectors.ndim == 2 and len(vectors) == len(texts):
                    return vectors
                raise ValueError
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
                files.set_aside(path)
        vectors = self.embed(texts)
        with files.atomic(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, vectors=vectors)
        return vectors

    def _key(self, texts: Sequence[str]) -> str:
        total = hashlib.sha256(f"{CODE} {self.weights} {self.max_length} {len(texts)}".encode())
        for text in texts:
            content = text.encode()
            total.update(len(content).to_bytes(8, "little"))
            total.update(content)
        return total.hexdigest()

    def _loaded(self):
        if self._model is None:
            import torch

            os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
            device = devices.resolve(self.device, "fp32")
            devices.exact(device)
            if device == "cpu":
                devices.keep_memory()
            model, tokenizer = load(self.folder)
            self._model = model.to(torch.device(device)), tokenizer, device
        return self._model


def load(folder, *, n_classes: int | None = None):
    """(model, tokenizer) of a folder; with `n_classes`, a classifier whose head alone is new.

    Raises
    ------
    InputError : weights of another shape or with parts missing, which would be left random; or not finite
    """
    import torch
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    # The library reports the new head as a table of missing parts, and draws bars; faults of ours are one line.
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        kind, head = (AutoModel, {}) if n_classes is None else (
            AutoModelForSequenceClassification, {"num_labels": n_classes}
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model, info = kind.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, output_loading_info=True, **head
            )
    except Exception as fault:  # whatever class tokenizers, safetensors and transformers have for a bad file
        if devices.out_of_memory(fault):
            raise devices.memory_fault(f"loading {paths.shown(folder)}") from fault
        remedy = "give a folder that from_pretrained of transformers reads"
        raise InputError("weights", f"{paths.shown(folder)}: transformers cannot load it", remedy) from fault
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
    missing = [key for key in info["missing_keys"] if not key.startswith(("classifier.", "pooler.", "bert.pooler."))]
    if missing or info.get("mismatched_keys"):
        what = f"{paths.shown(folder)}: {len(missing)} parts of the network are missing"
        raise InputError("weights", what, "these weights belong to another network")
    if not all(torch.isfinite(part).all() for part in model.state_dict().values() if part.is_floating_point()):
        raise InputError("weights", f"{paths.shown(folder)}: weights are not finite", "get them again")
    return model.eval(), tokenizer


def token_ids(tokenizer, texts: Sequence[str], max_length: int) -> list[list[int]]:
    """Token ids of each text, cut at `max_length`, without padding."""
    return tokenizer(list(texts), truncation=True, max_length=max_length, return_attention_mask=False)["input_ids"]


def pad(ids: Sequence[Sequence[int]], padding: int = 0) -> dict:
    """Tensors `input_ids` and `attention_mask` (texts, longest); the model reads nothing where the mask is 0."""
    import torch

    longest = max(len(one) for one in ids)
    tokens = torch.full((len(ids), longest), padding, dtype=torch.int64)
    mask = torch.zeros((len(ids), longest), dtype=torch.int64)
    for row, one in enumerate(ids):
        tokens[row, : len(one)] = torch.as_tensor(one, dtype=torch.int64)
        mask[row, : len(one)] = 1
    return {"input_ids": tokens, "attention_mask": mask}


def mean_vectors(hidden, mask):
    """Mean over the tokens that the mask keeps, scaled to length 1: (n, tokens, d) and (n, tokens) to (n, d)."""
    import torch

    mask = mask.unsqueeze(-1).to(hidden.dtype)
    mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
    return torch.nn.functional.normalize(mean, dim=1)
