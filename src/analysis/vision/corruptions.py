"""The 19 corruptions of ImageNet-C, made here: the same image, name, severity and seed give the same pixels, always.

The pictures come from imagecorruptions (imagecorruptions-imaug, Apache-2.0), a port of hendrycks/robustness. Its laws
are kept; four of its ways are not, since they make results depend on what ran before or are slow:

- it draws from numpy's global state: here its functions see a `RandomState` of their own (so threads are safe, too);
- `impulse_noise` draws from a Generator of scikit-image's: it is given one;
- `glass_blur` draws from numba's state, compiled anew in every process: its pixel loop is here, without numba;
- `frost` reads its texture from disk for every image, `zoom_blur` and `snow` have SciPy interpolate anywhere, not along
  rows, `brightness` and `saturate` convert colours at four times the need: here the same numbers come sooner.

Published ImageNet-C was made with ImageMagick and stored as JPEG: these pictures have its severities, not its pixels.
All sizes get the constants of ImageNet-C, which speak of 224 px; published Tiny-ImageNet-C has others for its 64 px.
"""

import functools
import hashlib
import importlib.metadata
import re
from collections.abc import Callable
from types import FunctionType

import numpy as np

from ..errors import InputError, UsageError, some

# In the order of ImageNet-C; the first 15 count for its mean corruption error, the last 4 are its extra ones.
NAMES = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
    "speckle_noise",
    "gaussian_blur",
    "spatter",
    "saturate",
)
EXTRA = NAMES[15:]
SEVERITIES = (1, 2, 3, 4, 5)
SMALLEST = 32  # pixels a side, below which the library refuses
BASES = {"imagenet-c-local": "imagenet-val", "tiny-imagenet-c-local": "tiny-imagenet"}
LIBRARIES = ("imagecorruptions-imaug", "numpy", "opencv-python-headless", "pillow", "scikit-image", "scipy")


def corrupt(image: np.ndarray, *, name: str, severity: int, item_id: str, seed: int = 0) -> np.ndarray:
    """One corrupted image; the global random states are neither read nor touched.

    Parameters
    ----------
    image : (height, width, 3) uint8, at least 32 x 32
    name : one of `NAMES`
    severity : 1 to 5
    item_id : names the image; another id gives another draw
    seed : another seed gives another draw for every image

    Returns
    -------
    (height, width, 3) uint8, a new array

    Raises
    ------
    UsageError : no such corruption or severity, or imagecorruptions is not installed
    InputError : not such an image
    """
    check(name, severity)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < SMALLEST:
        raise InputError(
            "image",
            f"{item_id}: {image.dtype} of shape {image.shape}",
            f"corruptions take uint8 (height, width, 3) of at least {SMALLEST} pixels a side",
        )
    from PIL import Image

    words = _words(name=name, severity=severity, item_id=item_id, seed=seed)
    drawn = {"seed": np.random.default_rng(words)} if name in ("impulse_noise", "glass_blur") else {}
    function = _functions(np.random.RandomState(words))[name]
    with np.errstate(divide="ignore", invalid="ignore"):
        made = np.asarray(function(Image.fromarray(image), severity, **drawn))
    if name == "spatter":  # no drop fell on a small image: the library divides by the greatest drop, 0
        made = np.where(np.isnan(made), image, made)
    return made.astype(np.uint8)  # cuts off the fraction, as the library does


def check(name: str, severity: int) -> None:
    """Raise UsageError for a corruption or severity that ImageNet-C has not.

    >>> check("fog", 6)
    Traceback (most recent call last):
    analysis.errors.UsageError: error[corruption] severity 6 of fog; severities are 1, 2, 3, 4, 5
    """
    if name not in NAMES:
        raise UsageError("corruption", f"no corruption named {name}", f"there are {', '.join(NAMES)}")
    if severity not in SEVERITIES:
        known = ", ".join(str(one) for one in SEVERITIES)
        raise UsageError("corruption", f"severity {severity} of {name}", f"severities are {known}")


def is_local(dataset: str) -> bool:
    """Whether a data set id names corruptions that are made here.

    >>> is_local("tiny-imagenet-c-local/fog/3"), is_local("imagenet-c/fog/3")
    (True, False)
    """
    return dataset.split("/")[0] in BASES


def base(dataset: str) -> str:
    """The data set whose images are corrupted.

    >>> base("imagenet-c-local/fog/3")
    'imagenet-val'
    """
    first = dataset.split("/")[0]
    if first not in BASES:
        raise UsageError("dataset", f"{dataset} is not made here", f"corruptions are made for {', '.join(BASES)}")
    return BASES[first]


def conditions(dataset: str) -> list[tuple[str, int]]:
    """The corruptions and severities that a data set id stands for: all 19 x 5, or those of a name, of a severity.

    >>> conditions("tiny-imagenet-c-local/fog/3"), len(conditions("imagenet-c-local"))
    ([('fog', 3)], 95)
    >>> conditions("imagenet-c-local/fog")
    [('fog', 1), ('fog', 2), ('fog', 3), ('fog', 4), ('fog', 5)]
    >>> [len(conditions(f"imagenet-c-local/{part}")) for part in ("3", "extra", "extra/3")]
    [19, 20, 4]
    """
    base(dataset)
    names, severities = list(NAMES), list(SEVERITIES)
    parts = dataset.split("/")[1:]
    if parts and re.fullmatch("[0-9]+", parts[-1]):
        severities = [int(parts.pop())]
    if parts:
        first = parts.pop(0)
        names = list(EXTRA) if first == "extra" else [first]
    if parts:
        raise UsageError("dataset", f"{dataset}: {some(parts)} is no severity", "write <set>/<corruption>/<severity>")
    for name in names:
        check(name, severities[0])
    return [(name, severity) for name in names for severity in severities]


def dataset_id(base_id: str, name: str, severity: int) -> str:
    """The id of one condition, as in `conditions`.

    >>> dataset_id("tiny-imagenet-c-local", "fog", 3)
    'tiny-imagenet-c-local/fog/3'
    """
    check(name, severity)
    return f"{base_id.split('/')[0]}/{name}/{severity}"


def recipe(name: str, severity: int, seed: int = 0) -> dict:
    """What the store's key says about a corruption.

    >>> recipe("fog", 3)
    {'name': 'fog', 'severity': 3, 'seed': 0}
    """
    check(name, severity)
    return {"name": name, "severity": int(severity), "seed": int(seed)}


def versions() -> dict[str, str]:
    """Versions of the libraries that the pixels depend on, for the store's key ("" where one is not installed)."""
    found = {}
    for library in LIBRARIES:
        names = (library, library.removesuffix("-headless"))
        found[library] = next((found_ for one in names if (found_ := version(one))), "")
    return found


def version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _words(*, name: str, severity: int, item_id: str, seed: int) -> list[int]:
    """The seed of one draw: 8 words of 32 bits from the SHA-256 of what it belongs to."""
    digest = hashlib.sha256(f"{int(seed)}/{name}/{int(severity)}/{item_id}".encode()).digest()
    return np.frombuffer(digest, dtype="<u4").tolist()


# ---- The library, with its random numbers, its shuffle and its zoom replaced -----------------------------------------


class _Instead:
    """A module with some of its names replaced."""

    def __init__(self, module, **replaced):
        self.__dict__.update(replaced)
        self._module = module

    def __getattr__(self, name: str):
        return getattr(self._module, name)


@functools.cache
def _library():
    try:
        import imagecorruptions.corruptions as library
    except ImportError as fault:
        what = f"imagecorruptions cannot be imported ({fault.name})"
        raise UsageError("tier", what, "install the inference tier (requirements/inference.txt)") from None
    import cv2

    scope = dict(vars(library))
    scope["cv2"] = _Instead(cv2, imread=functools.cache(lambda path: cv2.imread(str(path))))
    scope["sk"] = _Instead(library.sk, color=_Instead(library.sk.color, rgb2hsv=_rgb2hsv, hsv2rgb=_hsv2rgb))
    scope["scizoom"] = _zoom
    scope["_shuffle_pixels_njit_glass_blur"] = _shuffle
    own = {
        name: value
        for name, value in vars(library).items()
        if isinstance(value, FunctionType) and value.__module__ == library.__name__
    }
    return scope, own


def _functions(random: np.random.RandomState) -> dict[str, Callable]:
    """The library's functions, drawing from `random` in place of numpy's global state."""
    shared, own = _library()
    scope = dict(shared)
    scope["np"] = _Instead(np, random=random)
    for name, function in own.items():
        scope[name] = FunctionType(function.__code__, scope, name, function.__defaults__, function.__closure__)
    return scope


def _shuffle(height: int, width: int, image: np.ndarray, constants, generator: np.random.Generator) -> np.ndarray:
    """glass_blur's local shuffle: from the last pixel to the first, each takes the colour of one near by.

    The original means to swap two pixels, but its two sides are views of the same rows, so the second one keeps its
    colour; the library does the same, and so does this. One pixel is one integer: a plain loop over integers is as
    fast as the compiled one (some ms), without compiling (seconds in every process).
    """
    _, reach, rounds = constants
    here = np.arange(height - reach, reach, -1)[:, None] * width + np.arange(width - reach, reach, -1)
    here = here.ravel()
    pixels = (image.astype(np.int64) @ [1, 1 << 8, 1 << 16]).ravel().tolist()
    places = here.tolist()
    for _ in range(rounds):
        right, down = generator.integers(-reach, reach, size=(2, here.size))
        for place, other in zip(places, (here + down * width + right).tolist(), strict=True):
            pixels[place] = pixels[other]
    packed = np.array(pixels).reshape(height, width, 1)
    return (packed >> [0, 8, 16] & 255).astype(np.uint8)


def _zoom(image: np.ndarray, factors: tuple[float, float, float], order: int) -> np.ndarray:
    """`scipy.ndimage.zoom` of a (height, width, channels) image, linear between pixels, in a third of its time.

    The four products and their sums come in the order of SciPy's, so that they are rounded alike.
    """
    if factors[0] == factors[1] == 1:
        return image
    down, across = _taps(image.shape[0], factors[0]), _taps(image.shape[1], factors[1])
    size = len(down[0][0]), len(across[0][0])
    made = np.empty((*size, image.shape[2]), dtype=image.dtype)
    total, part = np.empty(size), np.empty(size)
    for channel in range(image.shape[2]):
        plane = image[..., channel].astype(np.float64)
        total[:] = 0
        for rows, weight in down:
            band = plane[rows] * weight[:, None]
            for columns, share in across:
                np.take(band, columns, axis=1, out=part, mode="clip")
                total += np.multiply(part, share, out=part)
        made[..., channel] = total
    return made


def _taps(size: int, factor: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """For every place along a side that is enlarged: the two pixels beside it, and the weight of each.

    >>> [(pixel.tolist(), weight.tolist()) for pixel, weight in _taps(3, 5 / 3)]
    [([0, 0, 1, 1, 2], [1.0, 0.5, 1.0, 0.5, 1.0]), ([1, 1, 2, 2, 2], [0.0, 0.5, 0.0, 0.5, 0.0])]
    """
    wanted = round(size * factor)
    place = np.arange(wanted) * ((size - 1) / (wanted - 1))
    inside = place <= size - 1  # where rounding puts the last place outside, SciPy gives 0
    first = np.floor(place).astype(np.intp)
    before = 1 - (place - first)
    return [(first, before * inside), (np.minimum(first + 1, size - 1), (1 - before) * inside)]


def _rgb2hsv(image: np.ndarray) -> np.ndarray:
    """`skimage.color.rgb2hsv`, plane by plane: the same operations, without gathers and reductions over 3 values."""
    red, green, blue = np.moveaxis(image, 2, 0)
    value = np.maximum(np.maximum(red, green), blue)
    span = value - np.minimum(np.minimum(red, green), blue)
    grey = span == 0
    hue = np.where(green == value, 2 + (blue - red) / span, (green - blue) / span)
    hue = np.where(blue == value, 4 + (red - green) / span, hue) / 6 % 1.0
    return np.stack([np.where(grey, 0, hue), np.where(grey, 0, span / value), value], axis=2)


def _hsv2rgb(image: np.ndarray) -> np.ndarray:
    """`skimage.color.hsv2rgb`, plane by plane."""
    hue, saturation, value = np.moveaxis(image, 2, 0)
    sector = np.floor(hue * 6)
    rest = hue * 6 - sector
    p, q, t = (value * (1 - saturation * part) for part in (1, rest, 1 - rest))
    sector = sector.astype(np.uint8) % 6
    red = np.choose(sector, [value, q, p, p, t, value])
    green = np.choose(sector, [t, value, value, q, p, p])
    blue = np.choose(sector, [p, p, t, value, value, q])
    return np.stack([red, green, blue], axis=2)
