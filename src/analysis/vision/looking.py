"""One image after the other, decoded to see whether it can be; alone in a module, which processes load quickly."""

import io
import warnings

import numpy as np

from ..errors import InputError
from . import folders, prepare
from .itemsets import ItemSet

SUFFIXES = {
    "JPEG": {".jpeg", ".jpg"},
    "PNG": {".png"},
    "GIF": {".gif"},
    "BMP": {".bmp"},
    "TIFF": {".tif", ".tiff"},
    "WEBP": {".webp"},
    "PPM": {".ppm"},
}


def look(items: ItemSet) -> list[tuple[str, str, str, bool]]:
    """For each item its name, format and mode, why it cannot be read ("" if it can), and whether it is misnamed."""
    return [_look_at(items, i) for i in range(len(items))]


def _look_at(items: ItemSet, i: int) -> tuple[str, str, str, bool]:
    ref = items.refs[i]
    name = ref if isinstance(ref, str) else f"{ref[0]} row {ref[1]}"
    try:
        content = items.read(i)
        if isinstance(content, np.ndarray):
            return name, "array RGB", "", False
        prepare.decode(content)
    except prepare.BadImage as bad:
        return name, "", bad.reason, False
    except InputError as gone:
        return name, "", gone.what, False
    except OSError as fault:
        return name, "", f"not readable ({fault.strerror or type(fault).__name__})", False
    kind, mode = _kind(content)
    misnamed = isinstance(ref, str) and folders.suffix(ref) not in SUFFIXES.get(kind, set())
    return name, f"{kind} {mode}", "", misnamed


def _kind(content: bytes) -> tuple[str, str]:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # corrupt EXIF; `decode` has judged the rest
        with Image.open(io.BytesIO(content)) as image:
            # A JPEG with several pictures in it, as some cameras write.
            return {"MPO": "JPEG"}.get(image.format, image.format), image.mode
