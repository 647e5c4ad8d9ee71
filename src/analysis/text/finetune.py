"""Fine-tune a pretrained encoder to classify texts, with the Trainer of transformers.

Batches hold texts of similar length and are padded to their own longest one: a third of the tokens of batches in
random order. A tenth of the training set, drawn by the seed, is put aside; after the training the weights of the step
that was best there are taken (kept in memory, no checkpoint on disk). Everything random follows the seed: head,
dropout, order, split.
"""

import math
import random
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import numpy as np

from ..errors import InputError
from ..progress import Progress
from ..vision import devices
from . import embed

SEED = 44  # of run 0, as the paper's scripts; run r has 44 + r


@dataclass(frozen=True)
class Settings:
    """How a network is fine-tuned. `evaluate_every` counts steps; None: once an epoch."""

    epochs: float
    batch: int
    learning_rate: float
    max_length: int
    evaluate_every: int | None = None
    warmup_steps: int = 100
    weight_decay: float = 0.01
    validation: float = 0.1

    def recipe(self) -> dict:
        return asdict(self)


def settings(classifier: str, seed: int) -> Settings:
    """Settings of a classifier's run.

    bert and bert-tiny have those of the paper's scripts, in which the batch size is drawn anew for every run.

    >>> [settings("bert", 44 + run).batch for run in range(10)]
    [29, 24, 18, 27, 26, 18, 31, 23, 24, 22]
    >>> [settings("bert-tiny", 44 + run).batch for run in range(3)]
    [116, 98, 73]
    """
    if classifier == "minilm":
        return Settings(epochs=4, batch=32, learning_rate=2e-4, max_length=128)
    half, epochs = {"bert": (16, 20), "bert-tiny": (64, 60)}[classifier]
    batch = half + random.Random(seed).randint(0, half)
    return Settings(epochs=epochs, batch=batch, learning_rate=5e-5, max_length=512, evaluate_every=200)


def precision(device: str) -> str:
    """bf16 where the device computes it natively, else fp32."""
    import torch

    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return "bf16" if native() else "fp32"


class Tuned:
    """A fine-tuned network: `logits(texts)` (texts, classes), float32, and what its training said (`about`)."""

    def __init__(self, model, tokenizer, *, max_length: int, device: str, about: dict):
        self.model, self.tokenizer = model.eval(), tokenizer
        self.max_length, self.device, self.about = max_length, device, about

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Computed in fp32, so that an answer does not depend on the texts that share its batch."""
        import torch

        ids = embed.token_ids(self.tokenizer, texts, self.max_length)
        found = np.empty((len(ids), self.model.config.num_labels), dtype=np.float32)
        with torch.inference_mode(), devices.one_thread(self.device):
            for rows in embed.plan([len(one) for one in ids]):
                batch = embed.pad([ids[row] for row in rows], self.tokenizer.pad_token_id or 0)
                batch = {key: value.to(self.device) for key, value in batch.items()}
                found[rows] = self.model(**batch).logits.float().cpu().numpy()
        if not np.isfinite(found).all():
            raise _not_finite("answers are")
        return found


def tune(
    folder,
    texts: Sequence[str],
    labels,
    *,
    n_classes: int,
    seed: int,
    using: Settings,
    device: str = "auto",
    numerics: str | None = None,
    note: str = "fine-tune",
) -> Tuned:
    """Fine-tune the weights of `folder` on texts with class ids.

    Parameters
    ----------
    labels : (texts,) class ids, 0 to n_classes - 1
    numerics : "fp32" or "bf16" (autocast, weights stay fp32); None: what the device is good at
    note : what the progress line is about

    Raises
    ------
    InputError : the loss is no longer a number; weights that do not fit
    """
    import torch
    from sklearn.model_selection import train_test_split
    from transformers import set_seed

    device = devices.resolve(device, "fp32")
    device = "cuda:0" if device == "cuda" else device
    numerics = numerics or precision(device)
    devices.exact(device)
    if device == "cpu":
        devices.keep_memory()
    labels = np.asarray(labels, dtype=np.int64)
    learn, check = train_test_split(np.arange(len(texts)), test_size=using.validation, random_state=seed)
    with _random_states(), devices.one_thread(device):
        set_seed(seed)  # before the head is made
        model, tokenizer = embed.load(folder, n_classes=n_classes)
        ids = embed.token_ids(tokenizer, texts, using.max_length)
        rows = [{"input_ids": one, "labels": int(label)} for one, label in zip(ids, labels, strict=True)]
        # The longest first: the batches of the check are then padded least.
        check = check[np.argsort([-len(ids[row]) for row in check], kind="stable")]
        steps = math.ceil(len(learn) / using.batch) * using.epochs
        with Progress(note, total=math.ceil(steps), unit="steps") as progress, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the libraries, about machines and defaults
            with tempfile.TemporaryDirectory(
                prefix="analysis-"
            ) as scratch:  # the Trainer makes it, and leaves it empty
                about = _train(
                    model, tokenizer, [rows[row] for row in learn], [rows[row] for row in check], scratch=scratch,
                    seed=seed, using=using, device=device, numerics=numerics, progress=progress,
                )  # fmt: skip
    about |= {"numerics": numerics, "device": device.partition(":")[0], "validation_items": len(check)}
    return Tuned(model.to(torch.device(device)), tokenizer, max_length=using.max_length, device=device, about=about)


def _train(model, tokenizer, learn, check, *, scratch, seed, using: Settings, device, numerics, progress) -> dict:
    import torch
    from transformers import DataCollatorWithPadding, Trainer, TrainerCallback, TrainingArguments
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    class Keeper(TrainerCallback):
        """Keeps the best weights, moves the progress line, and stops at a loss that is no number."""

        def __init__(self):
            self.best, self.state, self.at, self.loss = -1.0, None, 0, None

        def on_step_end(self, args, state, control, **_):
            progress.advance(1)

        def on_log(self, args, state, control, logs=None, **_):
            if "loss" in (logs or {}):
                self.loss = logs["loss"]
                if not math.isfinite(self.loss):
                    raise _not_finite(f"the loss at step {state.global_step} is")

        def on_evaluate(self, args, state, control, metrics=None, **_):
            accuracy = metrics["eval_accuracy"]
            if accuracy > self.best:
                self.best, self.at = accuracy, state.global_step
                self.state = {name: part.detach().cpu().clone() for name, part in model.state_dict().items()}

    keeper = Keeper()
    arguments = TrainingArguments(
        output_dir=scratch,
        num_train_epochs=using.epochs,
        per_device_train_batch_size=using.batch,
        per_device_eval_batch_size=64,
        learning_rate=using.learning_rate,
        warmup_steps=using.warmup_steps,
        weight_decay=using.weight_decay,
        train_sampling_strategy="group_by_length",
        eval_strategy="steps" if using.evaluate_every else "epoch",
        eval_steps=using.evaluate_every,
        save_strategy="no",
        logging_steps=20,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        seed=seed,
        data_seed=seed,
        bf16=numerics == "bf16",
        use_cpu=device == "cpu",
        dataloader_pin_memory=device != "cpu",
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=learn,
        eval_dataset=check,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=lambda found: {
            "accuracy": float((np.argmax(found.predictions, axis=1) == found.label_ids).mean())
        },
        callbacks=[keeper],
    )
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    trainer.train()
    if keeper.state is None:  # fewer steps than `evaluate_every`
        trainer.evaluate()
    model.load_state_dict(keeper.state)
    if not all(torch.isfinite(part).all() for part in keeper.state.values() if part.is_floating_point()):
        raise _not_finite("weights are")
    return {
        "validation_accuracy": round(keeper.best, 6),
        "best_step": keeper.at,
        "steps": trainer.state.global_step,
        "loss": keeper.loss,
    }


def _not_finite(what: str) -> InputError:
    return InputError("loss", f"fine-tuning failed: {what} not a number", "use a smaller learning rate, or fp32")


@contextmanager
def _random_states() -> Iterator[None]:
    """Leave the global generators as they were: the library seeds them all."""
    import torch

    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
