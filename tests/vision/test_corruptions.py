"""The 19 corruptions: the library's pictures, repeatable whatever else runs."""

import hashlib
import platform
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from analysis.errors import AnalysisError, InputError, UsageError
from analysis.vision import corruptions
from analysis.vision.corruptions import NAMES, SEVERITIES, corrupt

imagecorruptions = pytest.importorskip("imagecorruptions")
pytestmark = pytest.mark.inference

ALL = [(name, severity) for name in NAMES for severity in SEVERITIES]
# The law of these has no chance in it: every draw is the same picture.
FIXED = {
    "defocus_blur",
    "zoom_blur",
    "brightness",
    "contrast",
    "pixelate",
    "jpeg_compression",
    "gaussian_blur",
    "saturate",
}


def picture(height: int = 64, width: int = 64, seed: int = 0) -> np.ndarray:
    """Smooth random colours with an edge: something for blurs to blur."""
    rough = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image = np.array(Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC))
    image[: height // 3, : width // 2] = (250, 240, 10)
    return image


def digest(order=ALL, item_id: str = "n01440764/1.JPEG", size: int = 64) -> dict:
    image = picture(size, size)
    return {
        (name, severity): hashlib.sha256(
            corrupt(image, name=name, severity=severity, item_id=item_id).tobytes()
        ).hexdigest()
        for name, severity in order
    }


def test_the_same_pixels_in_another_order_after_other_draws_in_threads_and_in_another_process():
    first = digest()
    np.random.seed(5)
    random.seed(5)
    np.random.normal(size=1000)
    imagecorruptions.corrupt(picture(), 3, "glass_blur")  # moves numba's state
    imagecorruptions.corrupt(picture(), 3, "fog")
    assert digest(ALL[::-1]) == first
    with ThreadPoolExecutor(4) as pool:
        assert all(other == first for other in pool.map(lambda _: digest(), range(3)))
    script = (
        "import numpy, random, runpy, sys; numpy.random.seed(9); random.seed(9); "
        "test = runpy.run_path(sys.argv[1]); print(sorted(test['digest']().items()))"
    )
    other = subprocess.run([sys.executable, "-c", script, __file__], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == str(sorted(first.items()))


def test_global_random_states_are_left_alone():
    before = np.random.get_state(), random.getstate()
    digest(size=32)
    after = np.random.get_state(), random.getstate()
    assert before[1] == after[1]
    assert all(np.array_equal(one, other) for one, other in zip(before[0], after[0], strict=True))


@pytest.mark.parametrize("size", [32, 64, 224])
def test_every_corruption_works_and_draws_anew_for_every_image(size):
    image = picture(size, size)
    kept = image.copy()
    severities = SEVERITIES if size < 224 else (1, 5)
    for name, severity in [(name, severity) for name in NAMES for severity in severities]:
        # Four draws, since a frosty pane or a motion may look the same twice; never the same four times.
        made = [corrupt(image, name=name, severity=severity, item_id=str(number)) for number in range(4)]
        made.append(corrupt(image, name=name, severity=severity, item_id="0", seed=1))
        assert all(one.shape == image.shape and one.dtype == np.uint8 for one in made)
        assert all((one != image).any() for one in made), name
        assert (len({one.tobytes() for one in made}) == 1) == (name in FIXED), (name, severity)
        assert all(one.flags.owndata or one.base is not image for one in made)
    assert np.array_equal(image, kept)


def test_pixels_are_the_librarys():
    """With the library's own states set by hand: all but glass_blur, whose draws are numba's (see the next test)."""
    assert [function.__name__ for function in imagecorruptions.corruption_tuple] == list(NAMES)
    for size in (48, 64):
        image = picture(size, 64)
        for name, severity in [one for one in ALL if one[0] != "glass_blur"]:
            words = corruptions._words(name=name, severity=severity, item_id="a", seed=3)
            np.random.seed(words)
            given = {"seed": np.random.default_rng(words)} if name == "impulse_noise" else {}
            with np.errstate(invalid="ignore", divide="ignore"):
                theirs = imagecorruptions.corrupt(image, severity, name, **given)
            ours = corrupt(image, name=name, severity=severity, item_id="a", seed=3)
            assert np.array_equal(ours, theirs), (name, severity)


def test_the_shuffle_of_glass_blur_is_the_librarys():
    numba = pytest.importorskip("numba")
    library = sys.modules["imagecorruptions.corruptions"]

    @numba.njit
    def draws(height, width, reach, rounds, seed):
        np.random.seed(seed)
        size = (height - 2 * reach) * (width - 2 * reach)
        found = np.empty((rounds, 2, size), np.int64)
        for one in range(rounds):
            for pixel in range(size):
                right, down = np.random.randint(-reach, reach, size=(2,))
                found[one, 0, pixel], found[one, 1, pixel] = right, down
        return found

    class Given:
        def __init__(self, rounds):
            self.rounds = iter(rounds)

        def integers(self, low, high, size):
            values = next(self.rounds)
            assert values.shape == size and values.min() == low and values.max() == high - 1
            return values

    for constants in [(0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)]:
        image = picture(40, 33)
        given = Given(draws(40, 33, constants[1], constants[2], 7))
        theirs = library._shuffle_pixels_njit_glass_blur(40, 33, image.copy(), constants, 7)
        assert np.array_equal(corruptions._shuffle(40, 33, image.copy(), constants, given), theirs)


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_is_enlarged_as_scipy_does(channels):
    rng = np.random.default_rng(channels)
    for _ in range(100):
        image = rng.random((*rng.integers(8, 80, size=2), channels)).astype(rng.choice(["f4", "f8"]))
        factors = (*rng.uniform(1.02, 4.5, size=2), 1)
        wanted = ndimage.zoom(image, factors, order=1)
        made = corruptions._zoom(image, factors, order=1)
        assert made.dtype == wanted.dtype and np.allclose(made, wanted, rtol=1e-6)
        # Elsewhere a compiler may have made SciPy's multiplications and additions one instruction.
        assert platform.machine() != "x86_64" or np.array_equal(made, wanted)


def test_colours_are_converted_as_scikit_image_does():
    from skimage import color

    image = np.concatenate([picture(40, 40), np.full((8, 40, 3), 77, np.uint8), np.zeros((8, 40, 3), np.uint8)]) / 255.0
    with np.errstate(invalid="ignore", divide="ignore"):
        ours = corruptions._rgb2hsv(image)
    assert np.array_equal(ours, color.rgb2hsv(image))
    assert np.array_equal(corruptions._hsv2rgb(ours), color.hsv2rgb(ours))


@pytest.mark.parametrize("value", [0, 90, 255])
def test_images_of_one_colour_and_oblong_ones(value):
    """No division by zero reaches the pixels, and sides may differ."""
    image = np.full((33, 70, 3), value, np.uint8)
    for name in NAMES:
        made = corrupt(image, name=name, severity=1, item_id="a")
        assert made.shape == image.shape
        if name in FIXED - {"brightness"} and value != 90:
            assert np.abs(made.astype(int) - value).max() <= 1, name


def test_a_small_image_without_a_drop_stays_as_it_is(monkeypatch):
    """spatter divides by its greatest drop; an image too small to be hit is the image, not noise cast from NaN."""
    image = picture(32, 32)
    hits = [(corrupt(image, name="spatter", severity=1, item_id=str(n)) != image).any() for n in range(20)]
    assert any(hits)
    monkeypatch.setattr(
        corruptions,
        "_functions",
        lambda _: {"spatter": lambda x, severity: np.where(np.arange(32) < 16, np.nan, 7.9)[:, None, None] + 0 * image},
    )
    made = corrupt(image, name="spatter", severity=1, item_id="0")
    assert np.array_equal(made[:16], image[:16])
    assert (made[16:] == 7).all()


def test_noise_grows_with_severity():
    image = picture(224, 224)
    for name in ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "gaussian_blur", "pixelate"):
        away = [
            np.abs(corrupt(image, name=name, severity=severity, item_id="a").astype(int) - image).mean()
            for severity in SEVERITIES
        ]
        assert all(np.diff(away) > 0), (name, away)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"name": "rain"}, UsageError),
        ({"severity": 0}, UsageError),
        ({"severity": 6}, UsageError),
        ({"image": picture(31, 64)}, InputError),
        ({"image": picture()[..., 0]}, InputError),
        ({"image": picture() / 255}, InputError),
    ],
)
def test_what_is_not_a_corruption_is_refused_in_one_line(wrong, kind):
    good = {"image": picture(), "name": "fog", "severity": 1, "item_id": "a"} | wrong
    with pytest.raises(kind) as caught:
        corrupt(good.pop("image"), **good)
    assert "\n" not in str(caught.value) and str(caught.value).startswith("error[")


@pytest.mark.parametrize(
    "dataset", ["imagenet-c", "imagenet-c-local/rain", "imagenet-c-local/fog/9", "imagenet-c-local/fog/x/3"]
)
def test_unknown_conditions_are_refused(dataset):
    with pytest.raises(AnalysisError) as caught:
        corruptions.conditions(dataset)
    assert caught.value.code == 2


def test_ids_and_versions():
    assert corruptions.conditions("imagenet-c-local") == ALL
    named = [corruptions.dataset_id("tiny-imagenet-c-local", *one) for one in ALL]
    assert [corruptions.conditions(one) for one in named] == [[one] for one in ALL]
    assert {corruptions.base(one) for one in named} == {"tiny-imagenet"}
    assert all(corruptions.versions().values())
