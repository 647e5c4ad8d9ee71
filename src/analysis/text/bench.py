"""Speed of texts to vectors, and of the classifiers: `analysis bench --text` writes its section of docs/benchmarks.md.

Rivals run in processes of their own, in turn, each as it would be run alone. Ratios travel, seconds do not.
"""

import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..show import console
from . import classifiers, corpora, embed, weights

TEXTS = {"20news": (256, 2.0), "banking77": (1280, None)}  # of the training set, drawn once; how many times as fast
CLASSIFIERS = ("tfidf-mlp", "tfidf-svm", "char-svm", "vectors-mlp", "fasttext", "sentence-lr")
LOOP_BATCH, ROUNDS, MINUTES, MEGABYTES = 32, 3, 5, 4000


def main() -> None:
    """Time everything, check that both ways give the same vectors, print and keep the section."""
    from ..bench import write_section

    lines = section()
    console().print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    write_section("text", lines)


def section() -> list[str]:
    """The lines of docs/benchmarks.md about text."""
    return [
        "## Text",
        "",
        f"Written by `analysis bench --text` on {os.cpu_count()} cores, {platform.system()}, Python "
        f"{platform.python_version()}. Embedding: {ROUNDS} interleaved rounds, medians, MiniLM, at most "
        f"{embed.MAX_LENGTH} tokens, loading not counted.",
        "",
        *embedding_lines(),
        "",
        *classifier_lines(),
    ]


def embedding_lines() -> list[str]:
    """Vectors of a sample of texts: batches by length under a token budget, and batches of 32 in the order given."""
    rows = [
        "| texts to vectors | by length, texts/s | in the order given, texts/s | times as fast | budget |",
        "|---|---|---|---|---|",
    ]
    for name, (count, budget) in TEXTS.items():
        with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
            seconds = {"by_length": [], "in_order": []}
            for _ in range(ROUNDS):
                for way, found in seconds.items():
                    command = [sys.executable, "-m", "analysis.text.bench", way, name, f"{scratch}/{way}.npy"]
                    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                    found.append(float(done.stdout.splitlines()[-1]))
            ours, theirs = (np.load(f"{scratch}/{way}.npy") for way in seconds)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
        ours, theirs = (count / statistics.median(found) for found in seconds.values())
        shown = f"at least {budget}" if budget else ""
        rows.append(f"| {count} of {name} | {ours:.0f} | {theirs:.0f} | {ours / theirs:.2f} | {shown} |")
    return rows


def by_length(texts: Sequence[str]) -> tuple[float, np.ndarray]:
    """Seconds and vectors of the package's own way."""
    encoder = embed.Encoder(device="cpu")
    encoder.embed(["warm"])
    start = time.perf_counter()
    vectors = encoder.embed(texts)
    return time.perf_counter() - start, vectors


def in_order(texts: Sequence[str], batch: int = LOOP_BATCH) -> tuple[float, np.ndarray]:
    """Seconds and vectors of the usual loop: `batch` texts at a time in the order given, padded to their longest."""
    import torch

    model, tokenizer = embed.load(weights.minilm())
    found = []
    with torch.inference_mode():
        model(**embed.pad(embed.token_ids(tokenizer, ["warm"], embed.MAX_LENGTH)))
        start = time.perf_counter()
        for first in range(0, len(texts), batch):
            given = embed.pad(embed.token_ids(tokenizer, texts[first : first + batch], embed.MAX_LENGTH))
            found.append(embed.mean_vectors(model(**given).last_hidden_state, given["attention_mask"]).numpy())
    return time.perf_counter() - start, np.concatenate(found)


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
        f"| all of them (at most {60 * MINUTES} s and {MEGABYTES} MB; here {peak:.0f} MB) "
        f"| {time.perf_counter() - whole:.0f} | | |",
        "",
        "fastText is trained for 2,000 epochs, as the paper's, which is most of its time.",
    ]
    return rows


def _sample(texts: Sequence[str], count: int) -> list[str]:
    rows = np.random.default_rng(0).choice(len(texts), count, replace=False)
    return [texts[row] for row in rows]


if __name__ == "__main__":
    way, name, out = sys.argv[1:]
    seconds, vectors = {"by_length": by_length, "in_order": in_order}[way](
        _sample(corpora.load(name).train_text, TEXTS[name][0])
    )
    np.save(Path(out), vectors)
    print(seconds)
