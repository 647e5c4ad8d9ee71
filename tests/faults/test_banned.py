"""What our code must never use, found in its syntax; and versions that make the rest safe."""

import ast
import re

import pytest

from analysis.paths import ROOT

SOURCES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "src").rglob("*.py"))
}
# Reads what its own processes wrote a moment ago, as multiprocessing itself does.
OF_ITS_OWN = {"pickle": ("src/analysis/vision/scale.py",)}
CHILD = "src/analysis/sources/pickle_child.py"


def calls(tree):
    """(dotted name, call) of every call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{name.name}" for name in node.names)


def keyword(call, name):
    return next((ast.unparse(word.value) for word in call.keywords if word.arg == name), None)


def uses(tree, path, what):
    if what in ("joblib", "tarfile"):
        return any(name.split(".")[0] == what for name in imported(tree))
    if what == "multiprocessing.Pool":
        return any(re.search(r"(^|\.)(Pool|pool\.Pool)$", name) for name, _ in calls(tree)) or any(
            name.endswith("multiprocessing.Pool") for name in imported(tree)
        )
    if what == "pickle":
        names = {"pickle.load", "pickle.loads", "pickle.Unpickler", "dill.load", "cloudpickle.load", "pd.read_pickle"}
        found = any(name in names for name, _ in calls(tree))
        return (found or any("read_pickle" in name for name, _ in calls(tree))) and path != CHILD
    if what == "allow_pickle":
        loads = [call for name, call in calls(tree) if name in ("np.load", "numpy.load")]
        return any(keyword(call, "allow_pickle") not in (None, "False") for call in loads)
    if what == "torch.load":
        loads = [call for name, call in calls(tree) if name == "torch.load"]
        return any(keyword(call, "weights_only") != "True" for call in loads)
    if what == "strict=False":
        return any(
            name.endswith("load_state_dict") and keyword(call, "strict") not in (None, "True")
            for name, call in calls(tree)
        )
    if what == "zip extraction":
        of_zip = any(name.startswith("zipfile") for name in imported(tree))
        ends = (".extractall", "unpack_archive", *([".extract"] if of_zip else []))
        return any(name.endswith(ends) for name, _ in calls(tree))
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    return any(what in ast.unparse(target) for node in assigned for target in node.targets)


BAD = {
    "joblib": "from joblib import Memory",
    "tarfile": "import tarfile",
    "multiprocessing.Pool": "import multiprocessing\nmultiprocessing.get_context('spawn').Pool(2)",
    "pickle": "import pickle\npickle.load(open('a', 'rb'))",
    "allow_pickle": "np.load('a.npy', allow_pickle=True)",
    "torch.load": "torch.load('a.pt')",
    "strict=False": "net.load_state_dict(state, strict=False)",
    "zip extraction": "zipfile.ZipFile('a.zip').extractall()",
    "LOAD_TRUNCATED_IMAGES": "ImageFile.LOAD_TRUNCATED_IMAGES = True",
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_banned_is_used_nowhere(what):
    assert uses(ast.parse(BAD[what]), "", what), "the search finds it where it is"
    found = [path for path, tree in SOURCES.items() if uses(tree, path, what)]
    assert found == [path for path in OF_ITS_OWN.get(what, ())]
    assert len(SOURCES) > 50


def test_the_locked_torch_reads_weights_safely():
    """Before 2.10 even weights_only=True could be got around (CVE-2025-32434, CVE-2026-24747)."""
    lock = (ROOT / "requirements" / "inference.txt").read_text(encoding="utf-8")
    (version,) = set(re.findall(r"^torch==(\d+)\.(\d+)", lock, flags=re.MULTILINE))
    assert tuple(map(int, version)) >= (2, 10)


def test_versions_are_in_the_key_of_images():
    """An upgrade of a library that changes pixels or logits is another recipe."""
    tree = SOURCES["src/analysis/vision/predict.py"]
    functions = {node.name: ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert "_versions(model, corruption, options)" in functions["make_recipe"]
    named = functions["_versions"].lower()
    assert "torch" in named and "pillow" in named
