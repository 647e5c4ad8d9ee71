"""Checkpoints from outside, read without running anything in them, and the checks on the tensors they bring."""

import hashlib
import json
import zipfile
from pathlib import Path

from .. import paths
from ..errors import InputError, some

PICKLED = (".pt", ".pth", ".bin")
_MOST_HEADER = 1 << 25  # bytes of JSON in front of a safetensors file; that of ViT-L is 40 kB
_BETTER = "save it with safetensors.torch.save_file(model.state_dict(), ...)"
_OTHER = "name the architecture that the weights are of"
_PREFIXES = ("module.", "_orig_mod.")
_WRAPPERS = ("state_dict", "model", "model_state_dict")


def read_state(path) -> tuple[dict, list[str]]:
    """The tensors of a checkpoint by name, and notes on what was unwrapped to get at them.

    A `.safetensors` file, or a pickled state dict read with `weights_only=True` said aloud, so that neither an old
    default nor TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1 can make torch run what the pickle asks for.

    Raises
    ------
    InputError : missing, truncated or hostile file, or one that holds more than tensors.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise InputError("weights", f"{paths.shown(path)}: no such file", "give the file of the weights")
    if path.suffix == ".safetensors":
        state = _safetensors(path)
    elif path.suffix in PICKLED:
        state = _pickled(path)
    else:
        known = ", ".join((".safetensors", *PICKLED))
        raise InputError("weights", f"{paths.shown(path)}: unknown ending", f"known: {known}")
    state, notes = _unwrapped(state)
    _check_tensors(state, path)
    return state, notes


def _safetensors(path: Path) -> dict:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    with open(path, "rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if not 2 <= header <= min(path.stat().st_size - 8, _MOST_HEADER):
        raise InputError("weights", f"{paths.shown(path)}: truncated, or no safetensors file", "get the file again")
    try:
        return load_file(path)
    except (SafetensorError, ValueError, KeyError, RuntimeError, OverflowError) as fault:
        what = f"{paths.shown(path)}: damaged safetensors file ({type(fault).__name__})"
        raise InputError("weights", what, "get the file again") from None


def _pickled(path: Path) -> dict:
    import torch

    where = paths.shown(path)
    if zipfile.is_zipfile(path):  # else the old format, which states no sizes beforehand
        with zipfile.ZipFile(path) as file:
            # torch stores its records as they are; a packed one may unfold to any size.
            if any(record.compress_type != zipfile.ZIP_STORED for record in file.infolist()):
                raise InputError("weights", f"{where}: packed records, torch does not write such files", _BETTER)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as fault:  # UnpicklingError, RuntimeError, EOFError, BadZipFile, KeyError and what a pickle causes
        what = f"{where}: not a plain state dict, or damaged ({type(fault).__name__}); nothing in it was run"
        raise InputError("weights", what, _BETTER) from None


def _unwrapped(state) -> tuple[object, list[str]]:
    """Without the dictionary of a training script around it and without a prefix that all names carry."""
    notes = []
    for name in _WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(name), dict):
            state, notes = state[name], [f"took the entry {name!r} of the file"]
            break
    for prefix in _PREFIXES:
        if isinstance(state, dict) and state and all(str(name).startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
            notes.append(f"took the prefix {prefix!r} off all names")
    return state, notes


def _check_tensors(state, path: Path) -> None:
    import torch

    where = paths.shown(path)
    if not isinstance(state, dict) or not state:
        raise InputError("weights", f"{where}: not a state dict", _BETTER)
    others = sum(not (isinstance(name, str) and isinstance(value, torch.Tensor)) for name, value in state.items())
    if others:
        raise InputError("weights", f"{where}: {others} of {len(state)} entries are no tensors", _BETTER)
    if any(tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta for tensor in state.values()):
        raise InputError("weights", f"{where}: sparse, quantized or empty tensors", _BETTER)
    # A tensor of stride 0 has as many elements as it likes and one in the file.
    if sum(tensor.numel() * tensor.element_size() for tensor in state.values()) > 2 * path.stat().st_size + 4096:
        raise InputError("weights", f"{where}: the tensors are larger than the file", _BETTER)


def load_strictly(module, state: dict, where: str) -> None:
    """Put tensors into a network: every name and every shape must agree, and nothing stays as it was.

    Raises
    ------
    InputError : names missing or too many, or other shapes; names only tensors of the network, not of the file.
    """
    own = module.state_dict()
    missing = sorted(own.keys() - state.keys())
    unknown = len(state.keys() - own.keys())
    if missing or unknown:
        lacks = f"lacks {len(missing)} of {len(own)} tensors" + (f" ({some(missing, 3)})" if missing else "")
        raise InputError("weights", f"{where}: {lacks}, has {unknown} others", _OTHER)
    shapes = [name for name in own if own[name].shape != state[name].shape]
    if shapes:
        first = f"{shapes[0]} is {tuple(state[shapes[0]].shape)}, the network has {tuple(own[shapes[0]].shape)}"
        raise InputError("weights", f"{where}: {len(shapes)} tensors of another shape ({first})", _OTHER)
    module.load_state_dict(state, strict=True)


def check_finite(state: dict, where: str) -> None:
    """NaN weights answer class 0 for every image without an error, so they are refused here."""
    import torch

    bad = [name for name, tensor in state.items() if tensor.is_floating_point() and not torch.isfinite(tensor).all()]
    if bad:
        what = f"{where}: NaN or infinite values in {len(bad)} tensors ({some(bad, 3)})"
        raise InputError("weights", what, "get the file again, or train it again")


def digest(state: dict) -> str:
    """SHA-256 over names, types, shapes and bytes of tensors, whatever their order and the form of the file."""
    import torch

    total = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        total.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return total.hexdigest()
