"""From the bytes of an image file to the pixels a network sees: decoded, resized and cropped, still uint8.

The default is Pillow throughout, pixel for pixel what `timm` and the presets of torchvision compute. Two faster ways
are there when asked for, and belong in the key of a prediction: `decoder="simplejpeg"` (the same pixels) and
`resize="torch"` (differs by a level or two). An image that cannot be read whole is a `BadImage`, never a grey patch;
the EXIF orientation is not applied and the first frame of an animation counts, as in the reference loops.
"""

import io
import math
import warnings
from dataclasses import asdict, dataclass

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from ..errors import InputError, UsageError

MODES = ("RGB", "L", "CMYK", "RGBA", "P", "LA", "1")  # 16-bit grey would saturate when converted (mode "I;16")
DECODERS = ("pil", "simplejpeg")
RESIZES = ("pil", "torch")
_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_MOST_PIXELS = 1 << 26  # of a resized image; 5000 x 1 pixels scaled to a short side of 256 would be 328 million


class BadImage(InputError):
    """The bytes are no whole image; `reason` says why in words of ours and never quotes the file."""

    def __init__(self, reason: str):
        self.reason = reason
        super().__init__("image", reason)

    def __reduce__(self):  # crosses process boundaries
        return BadImage, (self.reason,)


@dataclass(frozen=True)
class Geometry:
    """How an image becomes `crop` = (height, width) pixels.

    resize : the short side in pixels, or (height, width), or None for no resizing
    mode : "center": keep the ratio, cover (height, width), cut the rest; "squash": exactly (height, width);
        "border": keep the ratio, fit inside (height, width), pad with `fill`
    offset : "round" (torchvision, timm) or "floor" (Hugging Face) of half the overhang

    >>> Geometry(256, 224).crop
    (224, 224)
    """

    resize: int | tuple[int, int] | None
    crop: int | tuple[int, int]
    interpolation: str = "bicubic"
    mode: str = "center"
    fill: tuple[int, int, int] = (0, 0, 0)
    offset: str = "round"

    def __post_init__(self):
        crop = (self.crop, self.crop) if isinstance(self.crop, int) else tuple(self.crop)
        object.__setattr__(self, "crop", crop)
        if self.resize is not None and not isinstance(self.resize, int):
            object.__setattr__(self, "resize", tuple(self.resize))
        object.__setattr__(self, "fill", tuple(self.fill))
        if self.interpolation not in _FILTERS:
            known = ", ".join(_FILTERS)
            raise UsageError("geometry", f"interpolation {self.interpolation}: not supported", f"known: {known}")
        if self.mode not in ("center", "squash", "border") or self.offset not in ("round", "floor"):
            raise UsageError(
                "geometry", f"mode {self.mode}, offset {self.offset}: not supported", "see prepare.Geometry"
            )
        resize = self.resize if isinstance(self.resize, tuple) else (self.resize,) * 2
        whole = len(resize) == len(crop) == 2 and (self.resize is None or min(resize) > 0) and min(crop) > 0
        if not whole or (self.mode != "center" and not isinstance(self.resize, tuple)):
            raise UsageError(
                "geometry", f"resize {self.resize}, crop {self.crop}: not (height, width)", "see prepare.Geometry"
            )

    def as_dict(self) -> dict:
        """The fields in a form for JSON (lists for tuples): part of the key of a prediction."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def timm_geometry(
    size, crop_pct: float, interpolation: str, crop_mode: str = "center", mean=(0.0, 0.0, 0.0)
) -> Geometry:
    """The geometry of `timm.data.create_transform` for an input of `size` = (height, width).

    Source: timm 1.0.31, data/transforms_factory.py, transforms_imagenet_eval.

    >>> timm_geometry((224, 224), 0.95, "bicubic").resize
    235
    """
    height, width = (math.floor(side / crop_pct) for side in size)
    if crop_mode in ("squash", "border"):
        fill = tuple(round(255 * value) for value in mean) if crop_mode == "border" else (0, 0, 0)
        return Geometry((height, width), tuple(size), interpolation, crop_mode, fill)
    return Geometry(height if height == width else (height, width), tuple(size), interpolation)


def decode(data: bytes, *, decoder: str = "pil") -> np.ndarray:
    """The pixels of an image file, uint8 (height, width, 3), RGB; alpha is dropped, grey is repeated.

    Parameters
    ----------
    decoder : "pil", or "simplejpeg" (libjpeg-turbo; the same pixels; what it refuses goes to Pillow)

    Raises
    ------
    BadImage : not an image, truncated, damaged, too many pixels, or of a mode outside `MODES`.
    """
    if decoder not in DECODERS:
        raise UsageError("decoder", f"{decoder}: no such decoder", f"there are: {', '.join(DECODERS)}")
    if not data:
        raise BadImage("empty file")
    if data[:24].startswith(b"version https://git-lfs"):
        raise BadImage("a Git LFS pointer, not the image")
    # Set by some training scripts for the whole process: then the missing part of an image is grey, without a word.
    assert not ImageFile.LOAD_TRUNCATED_IMAGES, "ImageFile.LOAD_TRUNCATED_IMAGES must be False"
    if decoder == "simplejpeg" and (pixels := _simplejpeg(data)) is not None:
        return pixels
    return _pil(data)


def _pil(data: bytes) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a corrupt EXIF block, a transparent palette: common and harmless
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                # Asked again: the filter above belongs to the process, another thread may have restored it.
                if image.width * image.height > (Image.MAX_IMAGE_PIXELS or math.inf):
                    raise Image.DecompressionBombError
                if image.mode not in MODES:
                    raise BadImage(f"mode {image.mode}: not one of {', '.join(MODES)}")
                image.load()
                return np.array(image.convert("RGB"))
    except (BadImage, MemoryError):
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise BadImage(f"more than {Image.MAX_IMAGE_PIXELS} pixels") from None
    except UnidentifiedImageError:
        raise BadImage("not an image") from None
    except Exception as fault:  # Pillow's plugins raise OSError, SyntaxError, ValueError, struct.error and others
        raise BadImage("truncated" if "truncated" in str(fault) else "damaged") from None


def _simplejpeg(data: bytes) -> np.ndarray | None:
    """Pixels of a plain grey or YCbCr JPEG; None for all that Pillow shall judge."""
    import simplejpeg

    try:
        if not simplejpeg.is_jpeg(data):
            return None
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        if colours not in ("YCbCr", "Gray") or height * width > (Image.MAX_IMAGE_PIXELS or math.inf):
            return None
        # strict: a damaged scan, which Pillow reads with other pixels, is left to Pillow so that both agree.
        return simplejpeg.decode_jpeg(data, colorspace="RGB", fastdct=False, fastupsample=False, strict=True)
    except ValueError:
        return None


def fit(image: np.ndarray, geometry: Geometry, *, resize: str = "pil", precropped: bool = False) -> np.ndarray:
    """Resize and crop pixels to `geometry.crop`.

    Parameters
    ----------
    image : uint8 (height, width, 3)
    resize : "pil", or "torch" (torchvision's antialiased uint8 resize: bilinear and bicubic only)
    precropped : the image is a finished crop: as it is if its size is right, else resized to it, nothing cut off

    Returns
    -------
    uint8 (*geometry.crop, 3)

    Raises
    ------
    BadImage : so long and thin that the resized image would not fit into memory.
    """
    if resize not in RESIZES:
        raise UsageError("resize", f"{resize}: no such resizing", f"there are: {', '.join(RESIZES)}")
    if precropped:
        return np.ascontiguousarray(_resize(image, geometry.crop, geometry.interpolation, resize))
    size = _size(*image.shape[:2], geometry)
    if size[0] * size[1] > _MOST_PIXELS:
        raise BadImage(f"{image.shape[1]} x {image.shape[0]} pixels would be {size[1]} x {size[0]} when resized")
    return _crop(_resize(image, size, geometry.interpolation, resize), geometry)


def _size(height: int, width: int, geometry: Geometry) -> tuple[int, int]:
    """Height and width after resizing.

    >>> _size(375, 500, Geometry(256, 224)), _size(375, 500, Geometry((256, 128), (224, 112)))
    ((256, 341), (256, 341))
    >>> _size(375, 500, Geometry((256, 256), 224, mode="border"))
    (192, 256)
    """
    target = geometry.resize
    if target is None or geometry.mode == "squash":
        return (height, width) if target is None else target
    if isinstance(target, int):  # torchvision.transforms.functional._compute_resized_output_size
        return (target, int(target * width / height)) if height <= width else (int(target * height / width), target)
    ratios = height / target[0], width / target[1]  # timm.data.transforms.ResizeKeepRatio
    ratio = max(ratios) if geometry.mode == "border" else min(ratios)
    return max(round(height / ratio), 1), max(round(width / ratio), 1)


def _resize(image: np.ndarray, size: tuple[int, int], interpolation: str, backend: str) -> np.ndarray:
    if image.shape[:2] == size:
        return image
    if backend == "pil":
        return np.asarray(Image.fromarray(image).resize(size[::-1], _FILTERS[interpolation]))
    return _torch_resize(image, size, interpolation)


def _torch_resize(image: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    if interpolation not in ("bilinear", "bicubic"):
        raise UsageError("resize", f"torch has no antialiased {interpolation} on bytes", "use --resize pil")
    import torch
    from torchvision.transforms.v2 import InterpolationMode, functional

    # torch warns of read-only memory
    pixels = torch.from_numpy(np.require(image, requirements=["C", "W"])).permute(2, 0, 1)
    resized = functional.resize(pixels, list(size), interpolation=InterpolationMode(interpolation), antialias=True)
    return resized.permute(1, 2, 0).numpy()


def _crop(image: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The middle of the image; what is missing is filled, one pixel more at the far end if odd."""
    (top, above), (left, before) = (
        _window(have, want, geometry.offset) for have, want in zip(image.shape[:2], geometry.crop, strict=True)
    )
    height, width = geometry.crop
    cut = image[top : top + height, left : left + width]
    if cut.shape[:2] == (height, width):
        return np.ascontiguousarray(cut)
    out = np.empty((height, width, 3), dtype=np.uint8)
    out[:] = geometry.fill
    out[above : above + cut.shape[0], before : before + cut.shape[1]] = cut
    return out


def _window(have: int, want: int, offset: str) -> tuple[int, int]:
    """Where the crop starts in the image, and where the image starts in the crop (one of the two is 0).

    >>> _window(341, 224, "round"), _window(341, 224, "floor"), _window(3, 6, "round")
    ((58, 0), (58, 0), (0, 1))
    >>> _window(227, 224, "round"), _window(227, 224, "floor")
    ((2, 0), (1, 0))
    """
    if have < want:
        return 0, (want - have) // 2
    half = (have - want) / 2
    return (round(half) if offset == "round" else int(half)), 0
