"""Decoding and geometry: what is broken is refused, what is whole agrees pixel for pixel with the references."""

import io
import pickle
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from analysis.errors import UsageError
from analysis.vision.prepare import BadImage, Geometry, decode, fit, timm_geometry

# Height, width: landscape, odd, portrait, square, smaller than the crop, a point, a line.
SHAPES = [(75, 100), (37, 53), (101, 67), (64, 64), (20, 31), (1, 1), (5000, 1), (1, 5000), (64, 33)]


def _pixels(height=48, width=64, seed=0):
    """Smooth shapes with some noise, so that filters differ and JPEG has something to do."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [127 + 100 * np.sin(rows / a + columns / b) for a, b in ((5, 9), (13, 4), (7, 7))]
    return (np.stack(waves, axis=2) + rng.normal(0, 15, (height, width, 3))).clip(0, 255).astype(np.uint8)


def _file(image, kind="JPEG", **options):
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _png(bits, colour, size, row):
    """A PNG of `size` (width, height) whose rows are all `row`, made by hand: Pillow cannot write every kind."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(b"\0" + row) for _ in range(size[1])) + packer.flush()
    head = struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


JPEG = _file(_pixels(), quality=90)
PROGRESSIVE = _file(_pixels(), quality=90, progressive=True)
PNG = _file(_pixels(), "PNG")
FLIPPED = bytearray(PNG)
FLIPPED[len(PNG) // 2] ^= 4
BROKEN = {
    "half a JPEG": JPEG[: len(JPEG) // 2],
    "100 bytes missing": JPEG[:-100],
    "2 bytes missing": JPEG[:-2],
    "half a progressive JPEG": PROGRESSIVE[: len(PROGRESSIVE) // 2],
    "header only": JPEG[:100],
    "half a PNG": PNG[: len(PNG) // 2],
    "PNG with one bit flipped": bytes(FLIPPED),
    "no bytes": b"",
    "zeros": bytes(4096),
    "HTML": b"<!DOCTYPE html><html><body>Sign in to view</body></html>",
    "LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 4\n",
    "16-bit grey PNG": _png(16, 0, (8, 8), bytes(16)),
    "32-bit TIFF": _file(Image.new("I", (8, 8)), "TIFF"),
    "float TIFF": _file(Image.new("F", (8, 8)), "TIFF"),
    "bomb of 100 million pixels": _png(1, 0, (10_000, 10_000), bytes(1250)),
    "bomb of 400 million pixels": _png(1, 0, (20_000, 20_000), bytes(2500)),
}


@pytest.mark.parametrize("decoder", ["pil", "simplejpeg"])
@pytest.mark.parametrize("name", BROKEN)
def test_broken_images_are_refused_with_a_reason(name, decoder):
    if decoder == "simplejpeg":
        pytest.importorskip("simplejpeg")
    with pytest.raises(BadImage) as caught:
        decode(BROKEN[name], decoder=decoder)
    assert caught.value.reason and caught.value.code == 3
    assert "DOCTYPE" not in str(caught.value) and "oid" not in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).reason == caught.value.reason


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("half a JPEG", "truncated"),
        ("no bytes", "empty"),
        ("HTML", "not an image"),
        ("LFS pointer", "LFS"),
        ("16-bit grey PNG", "mode I;16"),
        ("bomb of 100 million pixels", "pixels"),
        ("PNG with one bit flipped", "damaged"),
    ],
)
def test_the_reason_names_the_fault(name, word):
    with pytest.raises(BadImage, match=word):
        decode(BROKEN[name])


def test_a_bomb_is_refused_where_warnings_are_silent_too(monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(BadImage, match="pixels"):
            decode(BROKEN["bomb of 100 million pixels"])
        monkeypatch.setattr(warnings, "simplefilter", lambda *_: None)  # as where another thread puts the filters back
        with pytest.raises(BadImage, match="pixels"):
            decode(BROKEN["bomb of 100 million pixels"])


def test_truncated_images_are_never_filled_with_grey(monkeypatch):
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(AssertionError, match="LOAD_TRUNCATED_IMAGES"):
        decode(JPEG)


def _oriented():
    exif = Image.Exif()
    exif[0x0112] = 6
    return _file(_pixels(24, 32), exif=exif)


def _gif():
    frames = [Image.fromarray(_pixels(16, 20, seed)) for seed in range(3)]
    return _file(frames[0], "GIF", save_all=True, append_images=frames[1:])


def _corrupt_exif():
    return (
        JPEG[:2] + b"\xff\xe1" + struct.pack(">H", 40) + b"Exif\0\0" + b"MM\0*\xff\xff\xff\xff" + bytes(24) + JPEG[2:]
    )


def _palette(transparency):
    image = Image.fromarray(_pixels()).quantize(16)
    return _file(image, "PNG", transparency=transparency)


WHOLE = {
    "JPEG": JPEG,
    "progressive": PROGRESSIVE,
    "4:4:4": _file(_pixels(33, 47), subsampling=0),
    "4:2:2, odd": _file(_pixels(33, 47), subsampling=1),
    "grey JPEG": _file(Image.fromarray(_pixels()).convert("L")),
    "CMYK JPEG": _file(Image.fromarray(_pixels()).convert("CMYK")),
    "rotated by EXIF": _oriented(),
    "corrupt EXIF": _corrupt_exif(),
    "trailing garbage": JPEG + b"garbage" * 50,
    "1 x 1": _file(_pixels(1, 1)),
    "5000 x 1": _file(_pixels(1, 5000)),
    "PNG": PNG,
    "RGBA": _file(Image.fromarray(_pixels()).convert("RGBA"), "PNG"),
    "LA": _file(Image.fromarray(_pixels()).convert("LA"), "PNG"),
    "palette": _palette(0),
    "palette, bytes of transparency": _palette(bytes(range(16))),
    "1 bit": _file(Image.fromarray(_pixels()).convert("1"), "PNG"),
    "16-bit RGB PNG": _png(16, 2, (8, 8), bytes(range(48))),
    "GIF": _gif(),
    "BMP": _file(_pixels(), "BMP"),
    "WEBP": _file(_pixels(), "WEBP", lossless=True),
}


@pytest.mark.parametrize("name", WHOLE)
def test_whole_images_are_read_as_pillow_reads_them_by_both_decoders(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.array(Image.open(io.BytesIO(WHOLE[name])).convert("RGB"))
    found = decode(WHOLE[name])
    assert found.dtype == np.uint8 and found.ndim == 3 and found.shape[2] == 3 and found.flags.writeable
    np.testing.assert_array_equal(found, expected)
    pytest.importorskip("simplejpeg")
    np.testing.assert_array_equal(decode(WHOLE[name], decoder="simplejpeg"), expected)


def test_exif_orientation_is_left_alone_and_the_first_frame_counts():
    assert decode(WHOLE["rotated by EXIF"]).shape == (24, 32, 3)
    # A palette of 256 colours: near the first frame, far from the others.
    assert np.abs(decode(WHOLE["GIF"]).astype(int) - _pixels(16, 20, 0)).mean() < 12
    assert decode(WHOLE["PNG"]).tolist() == _pixels().tolist()


def test_a_damaged_scan_reads_the_same_with_both_decoders():
    pytest.importorskip("simplejpeg")
    rng = np.random.default_rng(0)
    for _ in range(20):
        data = bytearray(JPEG)
        data[rng.integers(700, len(data) - 2)] ^= 1 << int(rng.integers(8))
        answers = []
        for decoder in ("pil", "simplejpeg"):
            try:
                answers.append(decode(bytes(data), decoder=decoder).tolist())
            except BadImage as fault:
                answers.append(fault.reason)
        assert answers[0] == answers[1]


def test_unknown_names_are_usage_errors():
    image = _pixels()
    for call in (
        lambda: decode(JPEG, decoder="cv2"),
        lambda: fit(image, Geometry(32, 32), resize="cv2"),
        lambda: Geometry(32, 32, "sinc"),
        lambda: Geometry((32, 32), 32, mode="stretch"),
        lambda: Geometry(32, 32, offset="ceil"),
        lambda: Geometry(32, 32, mode="squash"),
        lambda: Geometry(0, 32),
        lambda: Geometry((32, 32), (32, 32, 3)),
    ):
        with pytest.raises(UsageError):
            call()


def test_a_precropped_image_is_left_alone_or_squashed_whole():
    image = _pixels(64, 64)
    assert fit(image, Geometry(73, 64), precropped=True).tolist() == image.tolist()
    small = fit(image, Geometry(37, 32, "bilinear"), precropped=True)
    expected = np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BILINEAR))
    assert small.tolist() == expected.tolist()
    assert fit(image, Geometry(73, 64)).tolist() != image.tolist()  # without the word it is resized and cut


def test_too_long_an_image_is_refused_before_it_eats_the_memory():
    with pytest.raises(BadImage, match="5000 x 1 pixels would be"):
        fit(_pixels(1, 5000), Geometry(256, 224))


def test_a_geometry_is_data():
    geometry = Geometry([256, 256], 224, mode="squash")
    assert geometry == pickle.loads(pickle.dumps(geometry)) and len({geometry, geometry}) == 1
    assert geometry.as_dict()["crop"] == [224, 224]


# Against timm, torchvision and transformers. Crops are small: 5000 x 1 pixels become 18 x 90,000 on the way.

inference = pytest.mark.inference


def _timm_pixels(image, **config):
    data = pytest.importorskip("timm.data")
    tensor = data.create_transform(**config, is_training=False, normalize=False)(Image.fromarray(image))
    return tensor.permute(1, 2, 0).numpy()


@inference
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize(("size", "crop_pct"), [((16, 16), 0.875), ((24, 24), 0.95), ((16, 24), 0.9), ((18, 18), 1.0)])
def test_pixels_equal_those_of_timm(shape, mode, size, crop_pct):
    image, mean = _pixels(*shape), (0.485, 0.456, 0.406)
    for interpolation in ("bicubic", "bilinear"):
        given = {"crop_pct": crop_pct, "interpolation": interpolation, "crop_mode": mode, "mean": mean}
        try:
            expected = _timm_pixels(image, input_size=(3, *size), **given)
        except ValueError:  # timm scales a line to a height of 0, which Pillow refuses
            assert min(shape) == 1 and mode == "border"
            continue
        np.testing.assert_array_equal(fit(image, timm_geometry(size, **given)), expected)


@inference
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("resize", "crop"), [(18, 16), (16, 16), (17, 24)])
def test_pixels_equal_those_of_torchvisions_presets(shape, resize, crop):
    pytest.importorskip("torchvision")
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms._presets import ImageClassification

    image = _pixels(*shape)
    for interpolation in ("bilinear", "bicubic"):
        mode = InterpolationMode(interpolation)
        preset = ImageClassification(
            crop_size=crop, resize_size=resize, interpolation=mode, mean=(0,) * 3, std=(1,) * 3
        )
        expected = (preset(Image.fromarray(image)) * 255).round().byte().permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(fit(image, Geometry(resize, crop, interpolation)), expected)


@inference
@pytest.mark.parametrize("weights", ["ResNet152_Weights.IMAGENET1K_V2", "ViT_L_16_Weights.IMAGENET1K_V1"])
def test_whole_presets_of_the_papers_networks(weights):
    models = pytest.importorskip("torchvision.models")
    from analysis.vision.zoo_local import torchvision_pixels

    member = models.get_weight(weights)
    geometry, mean, std = torchvision_pixels(member)
    image = _pixels(375, 501)
    expected = member.transforms()(Image.fromarray(image)).permute(1, 2, 0).numpy()
    found = (fit(image, geometry) / np.float32(255) - np.float32(mean)) / np.float32(std)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@inference
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_the_resize_of_torch_differs_by_a_level_or_two(interpolation):
    pytest.importorskip("torchvision")
    for shape in [(375, 500), (301, 203)]:
        image = _pixels(*shape)
        image.flags.writeable = False
        exact = fit(image, Geometry(64, 56, interpolation))
        near = fit(image, Geometry(64, 56, interpolation), resize="torch")
        assert near.shape == exact.shape and near.dtype == np.uint8
        assert np.abs(near.astype(int) - exact).max() <= 2
    with pytest.raises(UsageError, match="torch has no"):
        fit(_pixels(), Geometry(16, 16, "lanczos"), resize="torch")
