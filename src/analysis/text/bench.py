"""Speed of texts to vectors, and of the classifiers: lines for docs/benchmarks.md, as `analysis bench --text` prints.

CPU seconds are those of this process. Ratios travel, seconds do not.
"""

import resource
import sys
import time
from collections.abc import Sequence

import numpy as np

from . import classifiers, corpora, embed

TEXTS = {"20news": 128, "banking77": 640}  # of the training set, drawn once
CLASSIFIERS = ("tfidf-mlp", "tfidf-svm", "char-svm", "vectors-mlp", "fasttext", "sentence-lr")
LOOP_BATCH = 32


def lines() -> list[str]:
    """The whole benchmark as Markdown: embedding by length beside the loop in order, one run of each classifier."""
    return [*embedding_lines(), "", *classifier_lines()]


def embedding_lines() -> list[str]:
    """Vectors of a sample of texts: batches by length under a token budget, and batches of 32 in the order given."""
    rows = ["| texts to vectors (MiniLM, 256 tokens, CPU) | by length | in order | ratio |", "|---|---|---|---|"]
    encoder = embed.Encoder(device="cpu")
    encoder.embed(["warm"])
    for name, count in TEXTS.items():
        texts = _sample(corpora.load(name).train_text, count)
        ours, found = _timed(lambda texts=texts: encoder.embed(texts))
        loop, expected = _timed(lambda texts=texts: in_order(encoder, texts))
        np.testing.assert_allclose(found, expected, atol=1e-5)
        rows.append(f"| {count} of {name} | {ours:.2f} s | {loop:.2f} s | {loop / ours:.2f} |")
    return rows


def in_order(encoder: embed.Encoder, texts: Sequence[str], batch: int = LOOP_BATCH) -> np.ndarray:
    """The usual loop: `batch` texts at a time in the order given, padded to the longest of them."""
    import torch

    model, tokenizer, device = encoder._loaded()
    found = []
    with torch.inference_mode():
        for start in range(0, len(texts), batch):
            ids = embed.token_ids(tokenizer, texts[start : start + batch], encoder.max_length)
            given = {key: value.to(device) for key, value in embed.pad(ids).items()}
            found.append(embed.mean_vectors(model(**given).last_hidden_state, given["attention_mask"]).cpu().numpy())
    return np.concatenate(found)


def classifier_lines(corpus: str = "banking77") -> list[str]:
    """One run of every classifier that is not fine-tuned: seconds, CPU seconds, accuracy; nothing kept."""
    of = corpora.load(corpus)
    rows = [f"| one run on {corpus} | seconds | CPU seconds | accuracy |", "|---|---|---|---|"]
    whole = time.perf_counter()
    for name in CLASSIFIERS:
        start, cpu = time.perf_counter(), time.process_time()
        plan = classifiers.plan(name, of, 0, classifiers.Options(device="cpu", keep=False))
        scores = classifiers.train(plan, of).scores(of.test_text)
        inside = of.test_label >= 0
        accuracy = (scores.argmax(axis=1) == of.test_label)[inside].mean()
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        rows.append(f"| {name} | {seconds:.1f} | {cpu:.1f} | {accuracy:.3f} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    rows += [
        f"| all of them | {time.perf_counter() - whole:.0f} | | |",
        "",
        f"Peak memory: {peak:.0f} MB. fastText is trained for 2,000 epochs, as the paper's, which is most of its time.",
    ]
    return rows


def _sample(texts: Sequence[str], count: int) -> list[str]:
    rows = np.random.default_rng(0).choice(len(texts), count, replace=False)
    return [texts[row] for row in rows]


def _timed(call) -> tuple[float, np.ndarray]:
    """The shorter of two runs, in CPU seconds of this process, which other programs disturb least; and the result."""
    best, found = np.inf, None
    for _ in range(2):
        start = time.process_time()
        found = call()
        best = min(best, time.process_time() - start)
    return best, found
