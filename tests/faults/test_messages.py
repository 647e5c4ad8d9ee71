"""Every message is one line that says what is wrong, where, and what to do.

Two readers. The first reads the code: every place that makes a fault, found in the syntax trees and counted again in
the bare text, so that none escapes. The second reads what the other tests of a run brought about, as a user would have
seen it, and comes last. In a run of all tests every place is either met or stands in `UNMET` with a reason: a new
message needs a test.
"""

import ast
import errno
import importlib.util
import io
import itertools
import json
import re
import sys
import types
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import analysis
from analysis import (
    claims,
    errors,
    models,
    own,
    paper_rows,
    paper_sets,
    paths,
    readme,
    rows,
    ship,
    sources,
    store,
    tables,
)
from analysis.sources import (
    authors,
    check,
    cifar,
    class_names,
    clip,
    fetch,
    frequency,
    hint3,
    imagenetv2,
    imagenetx,
    published,
    real_labels,
    trials,
)
from analysis.text import corpora, runs, vectors, weights
from analysis.vision import (
    arrays,
    bench,
    checking,
    corruptions,
    devices,
    flat,
    found,
    layouts,
    predict,
    scale,
    shards,
    zoo_hub,
)
from analysis.vision import own as own_images

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "analysis"
HOLE = "\N{WHITE SQUARE}"  # stands for a value that is put into a text
FAMILY = "fault"  # a parameter of this name is the class that a shared check shall raise

# ---- The places ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """A call that makes a fault: a class itself, the parameter `fault`, or a helper that gives a fault back."""

    file: str
    function: str
    made: str
    node: ast.Call
    helper: bool
    scope: ast.AST
    tree: ast.Module

    def __str__(self):
        return f"src/analysis/{self.file}:{self.node.lineno}"

    @property
    def key(self) -> str:
        """What stays when lines move: file, function, and the beginning of what is wrong."""
        what = self.node.args[-1] if self.part("what") is None else self.part("what")
        return f"{self.file} {self.function}: {texts_of(what, self)[0][:40].replace(HOLE, '_')}"

    def part(self, name: str) -> ast.expr | None:
        """The expression of `kind`, `what` or `remedy`."""
        if self.helper or self.made == "BadImage":
            return None
        given = dict(zip(("kind", "what", "remedy"), self.node.args, strict=False))
        return (given | {word.arg: word.value for word in self.node.keywords}).get(name)


@cache
def trees() -> dict[str, ast.Module]:
    """The code by file; every node knows what is around it (`parent`), the whole all that is in it (`nodes`)."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        tree.nodes = todo = [tree]
        for parent in todo:  # grows as it goes
            for child in ast.iter_child_nodes(parent):
                child.parent = parent
                todo.append(child)
        found[path.relative_to(PACKAGE).as_posix()] = tree
    return found


@cache
def classes() -> set[str]:
    """Every class of faults: those of `errors` and what is made from them."""
    found, before = {"AnalysisError"}, 0
    while len(found) > before:
        before = len(found)
        for tree in trees().values():
            for node in tree.nodes:
                if isinstance(node, ast.ClassDef) and any(name_of(base) in found for base in node.bases):
                    found.add(node.name)
    return found


def name_of(node) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def around(node, *kinds):
    """The nearest part of the tree around a node that is of one of these kinds."""
    while node is not None and not isinstance(node, kinds):
        node = getattr(node, "parent", None)
    return node


def made_by(node: ast.Call) -> str:
    """The class that a call makes a fault of, "fault" where a parameter says it, "" for any other call."""
    if isinstance(node.func, ast.IfExp):
        names = [name_of(node.func.body), name_of(node.func.orelse)]
        return names[0] if all(name in classes() for name in names) else ""
    name = name_of(node.func)
    if name in classes() and name_of(getattr(node.func, "value", None)) != "click":
        return name
    function = around(node, ast.FunctionDef)
    if name == FAMILY and isinstance(node.func, ast.Name) and function:
        given = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
        return FAMILY if any(one.arg == FAMILY for one in given) else ""
    return ""


@cache
def helpers() -> dict[str, str]:
    """Functions that give a fault back: name -> their file."""
    found = {}
    for file, tree in trees().items():
        for node in tree.nodes:
            if isinstance(node, ast.Return) and isinstance(node.value, ast.Call) and made_by(node.value):
                found[around(node, ast.FunctionDef).name] = file
    return found


@cache
def imported(file: str) -> set[str]:
    parts = [part for part in trees()[file].nodes if isinstance(part, ast.ImportFrom)]
    return {one.name for part in parts for one in part.names}


def is_helper(node: ast.Call, file: str) -> bool:
    name, home = name_of(node.func), helpers().get(name_of(node.func))
    if home is None:
        return False
    if isinstance(node.func, ast.Attribute):
        return name_of(node.func.value) == Path(home).stem
    return home == file or name in imported(file)


@cache
def places() -> tuple[Place, ...]:
    found = []
    for file, tree in trees().items():
        for node in tree.nodes:
            if not isinstance(node, ast.Call):
                continue
            made, helper = made_by(node), is_helper(node, file)
            if made or helper:
                scope = around(node, ast.FunctionDef) or tree
                function = getattr(scope, "name", "")
                found.append(Place(file, function, made or name_of(node.func), node, helper, scope, tree))
    return tuple(found)


# ---- Their texts -----------------------------------------------------------------------------------------------------


def texts_of(node, place: Place, known=()) -> list[str]:
    """The texts that an expression may give, as far as the code tells; `HOLE` for every value put in."""
    if node is None:
        return [""]
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.JoinedStr):
        return joined([texts_of(part, place, known) for part in node.values])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return joined([texts_of(node.left, place, known), texts_of(node.right, place, known)])
    if isinstance(node, ast.IfExp):
        return texts_of(node.body, place, known) + texts_of(node.orelse, place, known)
    if isinstance(node, ast.BoolOp):  # of `a or b` an empty a is not the answer
        *first, last = [texts_of(part, place, known) for part in node.values]
        return [text for texts in first for text in texts if text] + last
    if isinstance(node, ast.FormattedValue):
        return [HOLE]
    if isinstance(node, ast.Name) and node.id not in known:
        found = [text for value in values_of(node.id, place) for text in texts_of(value, place, (*known, node.id))]
        return found or [HOLE]
    return [HOLE]


def joined(parts: list[list[str]]) -> list[str]:
    return ["".join(one) for one in itertools.islice(itertools.product(*parts), 32)]


def values_of(name: str, place: Place) -> list[ast.expr]:
    """What is assigned to a name, in the function of a place or else in its module."""
    for scope in (place.scope, place.tree):
        found = []
        for node in ast.walk(scope) if scope is not place.tree else place.tree.body:
            if isinstance(node, ast.Assign):
                found += [node.value for target in node.targets if name_of(target) == name]
            elif isinstance(node, (ast.AugAssign, ast.NamedExpr)) and name_of(node.target) == name:
                found.append(node.value)
        if found:
            return found
    return []


def parts_of(place: Place):
    """All expressions that a message is put together from, what is assigned to its names before included."""
    todo, seen = [*place.node.args, *[word.value for word in place.node.keywords]], set()
    while todo:
        for node in ast.walk(todo.pop()):
            yield node
            if isinstance(node, ast.Name) and node.id not in seen:
                seen.add(node.id)
                todo += values_of(node.id, place)


# ---- What is excepted, each with its reason --------------------------------------------------------------------------

# What is wrong or to be done may begin with a capital only where a name does.
NAMES = ("ReaL", "Ray ", "README.md", "ANALYSIS_MIRROR")

# The kind comes from elsewhere: where -> why.
OTHER_KINDS = {
    "own.py _gather": "the fault of a shared check, given again as one of the user's own data",
    "vision/predict.py _check_options": "the name of the option",
}

# Only these may leave what is to be done to their class: what an own reader of a pinned file says, which no user can
# mend, and the shared checks, which do not know whose file it is. Everything else says it itself.
LEFT_TO_THE_CLASS = ("sources/", "rows.py", "text/corpus_20news.py read", "text/corpus_known.py")

# Joined in full, however many there are: where -> why they are few. Names of the project in CAPITALS need no entry.
NEAREST = "the few nearest names of difflib"
COLUMNS = "the columns that a reader asks for"
KEY = "the parts of a key"
JOINED = {
    "classes.py lookup": NEAREST,
    "reporting/reading.py answers": NEAREST,
    "reporting/reading.py _positions": NEAREST + "; the few classes of one name",
    "vision/zoo_facts.py unknown": NEAREST,
    "figures/registry.py _checked": "the columns that one figure draws",
    "sources/authors.py columns": COLUMNS,
    "sources/check.py read_rows": COLUMNS,
    "sources/trials.py _read_file": COLUMNS,
    "tables.py _both": KEY,
    "tables.py _check_keys": KEY,
    "tables.py correct": "a join of two tables, not of texts",
    "verify.py _pairs": KEY,
    "sources/check.py check_ids": "what is wrong with the ids, of four things at most",
    "reporting/reading.py _by_id": "what is wrong with the ids, of three things at most",
    "reporting/forms.py _recognised": "one length for each role that a column can have",
    "vision/arrays.py _corrupted": "a name of the command line, cut short",
    "vision/predict.py _check_options": "names in CAPITALS, one loop away",
    "vision/zoo_local.py options": "the options that there are",
}

# More than five: where -> why they are no examples.
TO_CHOOSE_FROM = {
    "reasoning.py explain": "the data sets of the claims table, of which the user wants one",
    "vision/places.py locate": "the places where the images may lie, all of which the user may have to try",
}

# What another fault says is said again: where -> why those words are ours.
READERS = "of files.csv_rows or files.npy, which say what they expected and never what they found"
OUR_WORDS = {
    "reporting/forms.py _csv": READERS,
    "sources/check.py read_rows": READERS,
    "sources/imagenetv2.py load_npy": READERS,
    "tables.py read_csv": READERS,
    "vision/flat.py kaggle": READERS,
    "vision/itemsets.py _array": READERS,
    "vision/own.py _listed": READERS,
    "store.py table": "of prediction_file.Damaged, a class of ours",
}

# ---- The code --------------------------------------------------------------------------------------------------------


def test_every_place_is_found():
    """As many as a search in the bare text finds, docstrings and comments left out."""
    names = "|".join({*classes(), *helpers(), FAMILY})
    call = re.compile(rf"(?<!class )(?<!def )(?<!click\.)\b({names})\(")
    for file in trees():
        found = Counter(name_of(place.node.func) for place in places() if place.file == file)
        del found[""]  # the choice between two classes, which `test_no_class_is_called_by_another_name` counts
        text = re.sub(r'"""(?s:.*?)"""|(?m:#.*$)', "", (PACKAGE / file).read_text(encoding="utf-8"))
        assert found == Counter(call.findall(text)), file
    assert len(places()) > 400


def test_no_class_is_called_by_another_name():
    """Whatever else names a class catches it, derives from it, or passes it on as `fault`."""
    other = []
    for file, tree in trees().items():
        for node in tree.nodes:
            if name_of(node) in classes() and isinstance(node.ctx, ast.Load) and not _harmless(node):
                other.append(f"{file} {ast.unparse(node.parent)}")
            if isinstance(node, ast.Call) and name_of(node.func) == "getattr" and name_of(node.args[0]) == "errors":
                other.append(f"{file} {around(node, ast.FunctionDef).name}")
    assert sorted(other) == [
        "run.py _known_fault",  # a fault that came out of a cell, with its own words
        "run.py issubclass(kind, AnalysisError)",
        "vision/engine.py AnalysisError.__module__",
        "vision/engine.py raise_fault",  # and one that came out of another process
        "vision/prepare.py (BadImage, (self.reason,))",  # so does this
    ]


def _harmless(node) -> bool:
    above = node.parent
    while isinstance(above, (ast.Tuple, ast.BinOp)) and not isinstance(above.parent, ast.Return):
        above = above.parent
    if isinstance(above, ast.IfExp):  # a choice between two, called at once
        return isinstance(above.parent, ast.Call) and above.parent.func is above
    if isinstance(above, ast.Dict):
        return [one.value for one, value in zip(above.keys, above.values, strict=True) if value is node] == [FAMILY]
    if isinstance(above, ast.Call):
        return above.func is node or name_of(above.func) in ("isinstance", "suppress")
    if isinstance(above, ast.Assign):  # of several, named for an `except`
        caught = [one.type for one in ast.walk(around(node, ast.Module)) if isinstance(one, ast.ExceptHandler)]
        return name_of(above.targets[0]) in map(name_of, caught)
    if isinstance(above, ast.keyword):
        return above.arg == FAMILY
    return isinstance(above, (ast.ExceptHandler, ast.ClassDef, ast.FunctionDef, ast.arguments, ast.arg))


def hold(rule) -> None:
    """Every place keeps a rule; all that do not are named at once."""
    broken = []
    for place in places():
        broken += [f"{place}: {fault}" for fault in rule(place)]
    assert not broken, "\n".join(broken)


def test_a_message_has_a_kind_what_is_wrong_and_what_to_do():
    hold(_lacks)


def _lacks(place: Place):
    if place.helper or place.made == "BadImage":  # which gives its reason alone
        return
    kind, what, remedy = map(place.part, ("kind", "what", "remedy"))
    where = f"{place.file} {place.function}"
    if where not in OTHER_KINDS and not all(re.fullmatch("[a-z]{2,12}", text) for text in texts_of(kind, place)):
        yield "the kind is not one short lower-case word"
    if "" in texts_of(what, place):
        yield "it does not say what is wrong"
    left = where.startswith(LEFT_TO_THE_CLASS) and place.made in ("IntegrityError", FAMILY)
    if "" in texts_of(remedy, place) and not left:
        yield "it does not say what to do"


def test_a_message_is_written_as_the_others_are():
    """No sentence of its own: one line, which begins small and ends without a full stop."""
    hold(_style)


def _style(place: Place):
    for text in [text for part in place.node.args for text in texts_of(part, place)]:
        if "\n" in text or text.endswith((",", ";", " ")) or re.search(r"[^.]\.$", text):
            yield f"{text!r} is more than one line, or ends as it should not"
        if text[:1].isupper() and not text.startswith(NAMES):
            yield f"{text!r} begins with a capital"


def test_a_message_quotes_little_and_counts_the_rest():
    """At most five examples, no content of a file and no repr of an object, no words of another library."""
    hold(_quotes)


def _quotes(place: Place):
    handler, where = around(place.node, ast.ExceptHandler), f"{place.file} {place.function}"
    for node in parts_of(place):
        text = ast.unparse(node)
        called = name_of(node.func) if isinstance(node, ast.Call) else ""
        quoted = node.value if isinstance(node, ast.FormattedValue) and node.conversion == ord("r") else None
        quoted = node.args[0] if called == "repr" else quoted
        if quoted and not (isinstance(quoted, ast.Subscript) and isinstance(quoted.slice, ast.Slice)):
            yield f"{text} is of any length"
        elif called == "join" and where not in JOINED and not _few(node.args[0]):
            yield f"{text}: errors.some counts what is too much"
        elif called == "some" and where not in TO_CHOOSE_FROM:
            most = [*node.args[1:], *[word.value for word in node.keywords]]
            if most and most[0].value > 5 and not _few(node.args[0]):
                yield f"{text}: five examples are enough"
        elif handler and handler.name and name_of(node) == handler.name and where not in OUR_WORDS:
            above = node.parent
            whole = isinstance(above, ast.FormattedValue) or name_of(getattr(above, "func", None)) == "str"
            if whole and not isinstance(above.parent, ast.Compare):
                yield f"{ast.unparse(above)} are words of another library"


def _few(node) -> bool:
    """Names of the project in CAPITALS, in any order."""
    if isinstance(node, ast.Call) and name_of(node.func) in ("sorted", "tuple") and node.args:
        return _few(node.args[0])
    if isinstance(node, ast.GeneratorExp):
        return _few(node.generators[0].iter)
    if isinstance(node, ast.Tuple):
        return all(isinstance(one, ast.Constant) or _few(getattr(one, "value", one)) for one in node.elts)
    node = node.value if isinstance(node, ast.Subscript) else node
    return name_of(node).isupper() and len(name_of(node)) > 1


def test_what_is_excepted_is_there():
    there = {f"{place.file} {place.function}" for place in places()}
    listed = {*JOINED, *TO_CHOOSE_FROM, *OUR_WORDS, *OTHER_KINDS}
    assert listed <= there, listed - there


# ---- Messages that no other test brings about ------------------------------------------------------------------------


def csv(text: str):
    return lambda folder: written(folder / "a.csv", text)


def written(path: Path, content) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content, encoding="utf-8")
    return path


def two_shards(folder):
    for name, pred in (("a", [1, 2]), ("b", ["cat", "dog"])):
        pq.write_table(pa.table({"pred": pred, "label": pred}), folder / f"{name}.parquet")
    return folder


def frame(**columns):
    return lambda folder: pd.DataFrame(columns)


def columns(**values):
    return lambda folder: {name: np.array(one) for name, one in values.items()}


def stated(pred, label, names):
    """A Parquet file that states the names of its classes, as `datasets` writes it."""

    def make(folder):
        about = {"info": {"features": {"label": {"names": names}}}}
        table = pa.table({"pred": pred, "label": label})
        pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(about)}), folder / "a.parquet")
        return folder / "a.parquet"

    return make


OWN = {"dataset": "own"}
FEW = {"item_id": ["a", "b"], "pred": [1, 2], "label": [1, 2]}
REPORTS = {
    "no predictions": (lambda folder: [], {}, "no predictions were given; give a file"),
    "files and sets": (
        lambda folder: [pd.DataFrame(FEW)] * 2,
        {"dataset": ["own"] * 3},
        "2 files and 3 data sets; one",
    ),
    "damaged Arrow": (lambda folder: written(folder / "a.arrow", b"ARROW1" * 9), OWN, "not Arrow, or damaged; write"),
    "a column twice": (csv("pred,pred\n1,2\n"), OWN, "a column name occurs twice; name"),
    "a column twice in a frame": (
        lambda folder: pd.DataFrame([[1, 2]], columns=["pred", "pred"]),
        OWN,
        "a column name occurs twice; name",
    ),
    "no columns": (lambda folder: {}, OWN, "predictions: no columns; give"),
    "a class column of pairs": (
        columns(pred=[[1, 2], [3, 4]], label=[1, 2]),
        OWN,
        r"prediction has shape \(2, 2\); one",
    ),
    "rows of other lengths": (
        frame(topk=["[1 2]", "[1]"], label=[1, 1]),
        OWN,
        "the top k has .* classes in different rows",
    ),
    "scores of one class": (
        columns(scores=[[0.5], [0.5]], label=[0, 0]),
        OWN,
        r"scores are float64 of shape \(2, 1\); floats",
    ),
    "unlike files": (two_shards, OWN, "its files have different columns; give one"),
    "rows of JSON": (
        lambda folder: written(folder / "a.json", '{"columns": ["pred"], "data": [[1, 2]]}'),
        OWN,
        "its rows are not as long as its columns; write CSV",
    ),
    "a class too large": (
        lambda folder: {"pred": np.array([1, 2**63], dtype=np.uint64), "label": np.array([1, 2])},
        OWN,
        "prediction in row 2 is too large for a number of a class; number",
    ),
    "JSON of numbers": (lambda folder: written(folder / "a.json", "[1, 2]"), OWN, "JSON, but neither rows nor columns"),
    "confidence as words": (frame(**FEW, confidence=["high", "low"]), OWN, "confidence holds text; give"),
    "no labels": (frame(pred=[1, 2]), OWN, "no labels; add a column label"),
    "labels are needed": (frame(pred=[1, 2]), {"dataset": "cifar10-c/contrast/1"}, "so labels are needed; add"),
    "top k of no class": (
        columns(pred=[1, 2], label=[1, 2], topk=[[1, 99], [2, 3]]),
        {"dataset": "cifar10-c/contrast/1"},
        "the top k hold numbers of no class; see",
    ),
    "top k of another answer": (
        columns(pred=[1, 2, 3], label=[1, 2, 3], topk=[[4, 1], [5, 2], [6, 7]]),
        {"dataset": "cifar10-c/contrast/1"},
        "the first of the top k is not the prediction; best",
    ),
    "labels off by one": (
        columns(pred=np.arange(400) % 20, label=np.arange(400) % 20 + 1),
        OWN,
        "looks? .*off by one|numbered",
    ),
    "a name that is not stated": (
        stated(["cat", "ox"], [0, 1], ["cat", "dog"]),
        OWN,
        "'ox' is none of the class names",
    ),
    "a number that is not stated": (
        stated([0, 7], [0, 1], ["cat", "dog"]),
        OWN,
        "prediction 7 in row 2 is no class; the",
    ),
    "a stated name of no class": (
        stated([0, 1], [0, 1], ["cat", "unicorn"]),
        {"dataset": "cifar10"},
        "class 1 is 'unicorn', which is no one",
    ),
    "too few rows without ids": (frame(pred=[1, 2]), {"dataset": "cifar10"}, "2 rows without ids, cifar10 has 10000"),
    "a set that is not there": (
        frame(**FEW, dataset=["mine"] * 2),
        {"dataset": "other"},
        "no rows of other; it holds mine",
    ),
}


@pytest.mark.parametrize("made", REPORTS)
def test_a_report_on_faulty_predictions_says_what_to_do(tmp_path, made):
    source, options, said = REPORTS[made]
    with pytest.raises(errors.AnalysisError, match=said):
        analysis.report(source(tmp_path), **options)


def npy(values) -> bytes:
    content = io.BytesIO()
    np.save(content, np.array(values))
    return content.getvalue()


CURE = f"{hint3.BASE}/dataset/{{}}/{{}}/curekart_{{}}.csv"
INTENTS = "sentence,label\n" + "".join(f"q{number},intent{number}\n" for number in range(28))
ASKED = {CURE.format(version, "test", "test"): "sentence,label\nq0,intent0\n" for version in ("v1", "v2")}
ASKED |= {CURE.format("v1", "train", "train"): INTENTS}
CLIP = f"{clip.BASE}/imagenet_ensemble_results.json"
V2 = f"{imagenetv2.BASE}/datasets/{imagenetv2.SETS['imagenetv2-top-images']}.json"
CRS = f"{authors.BASE}/crs/csv/ImageNet__{next(iter(authors.CRS))}__GradCAMpp.csv"
TIMM = "model,img_size,top1,top5\nnet,224,1,2\n"
PINNED = {
    "networks of CIFAR": (lambda: next(cifar.read()), {}, "0 networks on cifar10, not 30"),
    "labels of CIFAR": (
        lambda: cifar.items("cifar10"),
        {cifar.SETS["cifar10"][1]: npy([0, 1])},
        "2 labels, expected 10000",
    ),
    "wnids": (
        class_names.imagenet,
        {f"{class_names.INFO}/imagenet_synsets.txt": "n1\n"},
        "expected 1000 wnids, sorted",
    ),
    "a subset": (
        lambda: class_names.subset("a"),
        {f"{class_names.INFO}/imagenet_a_indices.txt": "1\n2\n"},
        "expected 200 ids",
    ),
    "models of CLIP": (
        lambda: next(clip.read()),
        {CLIP: '{"m": {"classwise": {"a": 1}}}'},
        r"\(1, 1\) models and classes, not \(21",
    ),
    "classes that were counted": (
        frequency.counts,
        {CLIP: '{"m": {"classwise": {"a": 1}}}'},
        "models differ in their classes, or there",
    ),
    "classes in another order": (
        lambda: frequency._read("a.json", ["a"]),
        {"a.json": '{"b": 1}'},
        "classes are not those",
    ),
    "half a count": (
        lambda: frequency._read("a.json", ["a"]),
        {"a.json": '{"a": 1.5}'},
        "is not a whole number from 0",
    ),
    "few intents": (
        lambda: hint3.intents("curekart"),
        {CURE.format("v1", "train", "train"): "sentence,label\nq,a\n"},
        "1 intents, exp",
    ),
    "few queries": (lambda: next(hint3.read()), ASKED, "the queries of curekart differ between v1 and v2"),
    "a score in words": (lambda: hint3._scores(["high"], "a.csv"), {}, "predicted_node_score holds text"),
    "few items": (
        lambda: imagenetv2.items("imagenetv2-top-images"),
        {V2: '{"image_filenames": [["a.JPEG", "n1"]]}'},
        "expected 1000 classes of 10 items",
    ),
    "a probability in words": (
        lambda: next(imagenetx.read()),
        {f"{imagenetx.BASE}/net.csv": ",".join(imagenetx.HEADER) + "\na.JPEG,1,high\n"},
        "predicted_probability holds text",
    ),
    "a column of trials": (
        lambda: trials._read_file("a.csv", "colour", trials.HEADER),
        {"a.csv": "subject,session\n1,2\n"},
        "columns are not subj, session",
    ),
    "ids of another type": (
        lambda: check.check_ids("a.csv", np.array([0.5]), np.array(["a"])),
        {},
        "ids have type float64 .* expected text",
    ),
    "labels of another number": (
        lambda: check.check_labels("a.csv", [1, 2], [1], n_classes=3),
        {},
        r"labels have shape \(2,\), expected \(1,\)",
    ),
    "confidences of another number": (
        lambda: check.check_confidence("a.csv", [0.5], n_items=2),
        {},
        r"confidence has shape \(1,\)",
    ),
    "a header of the authors": (authors.crs, {CRS: "id;name\n"}, "columns are not id, acc, crs, name"),
    "classes of the authors": (authors.crs, {CRS: "id;acc;crs;name\n7;1;1;x\n"}, "ids are not 0 to 999 in order"),
    "a score of the authors": (lambda: authors._fractions(["high"], "a.csv"), {}, "a value is not a number"),
    "four best": (
        lambda: sources.checked(
            sources.Items("pets", np.array(["a"]), np.array([0]), 9),
            model="m",
            pred=None,
            topk=[[0, 1, 2, 3]],
            where="a",
        ),
        {},
        r"a: shape \(1, 4\), expected \(1, 5\)",
    ),
    "a network of timm": (
        lambda: published.timm("none@1"),
        {f"{published.TIMM}/results-imagenet.csv": TIMM},
        "none@1: not",
    ),
    "few ReaL labels": (
        real_labels.label_sets,
        {real_labels.NAME: "[[1], []]"},
        "expected 50000 sets, 3163 of them empty",
    ),
    "another header": (
        lambda: check.read_rows(fetch.locate("a.csv"), header=["a", "c"], where="a.csv"),
        {"a.csv": "a,b\n1,2\n"},
        "columns are not a, c",
    ),
}


@pytest.mark.parametrize("read", PINNED)
def test_a_pinned_file_that_its_reader_cannot_take_says_what_to_do(tmp_path, monkeypatch, read):
    call, content, said = PINNED[read]
    placed = {name: written(tmp_path / str(at), one) for at, (name, one) in enumerate(content.items())}
    monkeypatch.setattr(fetch, "locate", lambda name: placed[name])
    monkeypatch.setattr(fetch, "listed", lambda prefix: [name for name in placed if name.startswith(prefix)])
    monkeypatch.setattr(real_labels, "items", lambda dataset: sources.Items(dataset, np.arange(50_000), None, 1000))
    caches = (hint3.intents, published._timm)
    for cache_of in caches:
        cache_of.cache_clear()
    with pytest.raises(errors.IntegrityError, match=said):
        call()
    for cache_of in caches:  # of what was made up here
        cache_of.cache_clear()


def no_folder(monkeypatch, folder):
    monkeypatch.setenv("ANALYSIS_MIRROR", str(folder / "gone"))
    paths.mirror()


def no_claims(monkeypatch, folder):
    monkeypatch.setenv("ANALYSIS_FIGURES_DIR", str(folder))
    claims.gathered()


def claims_twice(monkeypatch, folder):
    (folder / "tables" / "claims").mkdir(parents=True)
    row = dict.fromkeys(claims.KEY, "x") | {"effect": 1.0}
    for name in "ab":
        pd.DataFrame([row]).to_csv(folder / "tables" / "claims" / f"{name}.csv", index=False)
    no_claims(monkeypatch, folder)


def no_paper(monkeypatch, folder):
    monkeypatch.setenv("ANALYSIS_DATA_DIR", str(folder))
    paper_rows.lines("printed")


def no_sources(monkeypatch, folder):
    monkeypatch.setenv("ANALYSIS_DATA_DIR", str(folder))
    fetch.sources()


def no_figure(monkeypatch, folder):
    monkeypatch.setattr(paths, "ROOT", folder)
    monkeypatch.setattr(claims, "combine", lambda: None)
    monkeypatch.setenv("ANALYSIS_FIGURES_DIR", str(folder))
    written(folder / "README.md", f"{readme.BEGIN}{readme.END}")
    readme.write()


def no_marks(monkeypatch, folder):
    monkeypatch.setattr(paths, "ROOT", folder)
    written(folder / "README.md", "a page")
    readme.write()


def no_table(monkeypatch, folder):
    monkeypatch.setattr(tables, "check_lock", lambda path: None)

    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tables.pq, "ParquetFile", denied)
    tables._read_parquet(folder / "class_counts.parquet", "class_counts")


def joined_twice(items, classes):
    found = rows.Correct()
    for at, (item_id, class_id) in enumerate(zip(items, classes, strict=True)):
        found.add(("", "pets"), f"m{at}", np.array(item_id), np.array(class_id), np.ones(len(class_id), bool))


OTHERS = {
    "mirror": (no_folder, "ANALYSIS_MIRROR is .*: no such folder; correct it or unset it"),
    "no claims": (no_claims, "no notebook has written claims yet; run make reproduce"),
    "claims twice": (claims_twice, "two rows; delete figures/tables"),
    "paper": (no_paper, "printed.csv: missing or damaged; restore it from git"),
    "sources": (no_sources, "sources.csv: missing; run git checkout"),
    "figure of the README": (no_figure, "missing; run make reproduce first"),
    "marks of the README": (no_marks, "README.md: the marks .* must stand once each; restore them"),
    "a table of somebody else": (no_table, "class_counts.parquet: Permission denied; check its owner and the disk"),
    "models": (lambda *_: models.named("mine"), "mine: no such set of models; one of"),
    "representation": (lambda *_: models.runs("gpt"), "gpt: no such representation; one of"),
    "model": (lambda *_: models._column("family", ["timm/none"]), "timm/none: no such model; see data/models.csv"),
    "shipped": (lambda *_: ship.ship_runs("cifar10", seconds=1), "cifar10: no runs of it are shipped; one of"),
    "not in the store": (
        lambda _, folder: ship.ship_runs("text", seconds=1, folder=folder),
        "and .* more: not in the store; run",
    ),
    "no entries": (lambda *_: ship.ship("text", [], {}), "text: no entries; give one or more"),
    "items of the ReaL labels": (
        lambda *_: rows.Real(np.array(["a"]), np.ones((1, 2), bool)).rows(np.array(["b"])),
        "1 items are not images of",
    ),
    "other items": (lambda *_: joined_twice([["a"], ["b"]], [[0], [0]]), "m1: other items of pets than those of"),
    "other classes": (lambda *_: joined_twice([["a"], ["a"]], [[0], [1]]), "m1: items of pets have other classes than"),
    "per item": (lambda *_: tables.correct("imagenet-r"), "imagenet-r .original labels.: no per-item answers"),
    "a p-value of the paper": (lambda *_: paper_sets.behind("2.0", 5, 10), "p = 2.0 stands for 0 overlaps"),
    "a model of the authors": (
        lambda *_: authors.imagenet_id("basic_vgg", where="a.pickle"),
        "a model of unknown kind; bring the authors' own file",
    ),
    "counts of the paper": (
        lambda *_: _rows_of_none().of("cifar10", "none"),
        "none: no counts on cifar10; run analysis",
    ),
}


def _rows_of_none():
    found = object.__new__(paper_rows.Rows)
    found._rows = {}
    return found


def other_wnids(monkeypatch, folder):
    text = "".join(f"n{number:08d} name\n" for number in range(1, 1001))
    flat.development_kit(folder / "truth.txt", written(folder / "synsets.txt", text))


def no_images(monkeypatch, folder):
    nothing = type("Items", (tuple,), {"dataset": "pets"})()
    empty = types.SimpleNamespace(items=nothing, place=folder, wrong=(), missing=())
    monkeypatch.setattr(layouts, "survey", lambda *_: [empty])
    layouts.open_set("pets", folder)


def no_hub(monkeypatch, _):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # as if it were not installed
    shards.fetch("hf:imagenet-1k")


def no_fasttext(monkeypatch, _):
    monkeypatch.setitem(sys.modules, "fasttext", None)
    vectors.fasttext()


def no_datasets(monkeypatch, folder):
    monkeypatch.setitem(sys.modules, "datasets", None)
    corpora.load(f"hf:{folder}", text="text", label="label")


def no_ray(monkeypatch, _):
    monkeypatch.setitem(sys.modules, "ray", None)
    with scale._cluster(1):
        pass


def lost_answers(monkeypatch, folder):
    monkeypatch.setenv("ANALYSIS_DATA_DIR", str(folder))
    monkeypatch.setattr(tables, "_locked", lambda: {"correct/cifar10.parquet": ""})
    tables.correct("cifar10")


def own_answers(item_id, model):
    """Shipped answers of model a, and own ones beside them."""

    def case(monkeypatch, folder):
        monkeypatch.setenv("ANALYSIS_DATA_DIR", str(folder))
        monkeypatch.setattr(tables, "_locked", dict)
        for place, ids, name in ((folder, ["0"], "a"), (folder / "own", item_id, model)):
            place.mkdir(exist_ok=True)
            written(place / "correct" / "cifar10.parquet", "")
            frames[place / "correct" / "cifar10.parquet"] = pd.DataFrame({"class_id": [0], name: [True]}, index=ids)
        monkeypatch.setattr(tables, "_read_correct", lambda path, dataset: frames[path])
        tables.correct("cifar10")

    frames = {}
    return case


def counts(**changed):
    """Class counts of one row, with something in them that cannot be."""
    row = dict.fromkeys(tables.COUNTS.names, np.nan) | {"dataset": "pets", "model": "m", "labels": "original"}
    row |= {"class_id": 0, "n": 2, "correct": 1, "accuracy": 0.5} | changed
    return lambda *_: tables._check(pd.DataFrame([row]), "class_counts", Path("counts.parquet"))


def no_lock(content):
    def case(monkeypatch, folder):
        monkeypatch.setenv("ANALYSIS_DATA_DIR", str(folder))
        lock = folder / "PROVENANCE.json"
        lock.mkdir() if content is None else written(lock, content)
        tables.check_lock(written(folder / "models.csv", "model\n"))

    return case


def removed(_, folder):
    put(folder)
    (entry,) = store.entries(folder=folder)
    entry.path.with_suffix(".json").unlink()
    entry.table()


def put(folder):
    item_id, zero = np.array(["a"], dtype=object), np.zeros(1, np.int32)
    recipe = {"kind": "image", "dataset": "own:pets", "model": {"id": "local/net", "weights": "0"}, "items": "0"}
    return store.put(recipe, store.Table(item_id, zero, zero, np.ones(1, np.float32), zero), folder=folder)


def held(monkeypatch, folder):
    monkeypatch.setattr(own, "LONGEST_WAIT", 0.1)
    with own._locked(folder), own._locked(folder):
        pass


def other_size(*_):
    found = rows.Rows(lambda: None)
    for items in (2, 3):
        zero = np.zeros(items, int)
        found.add(
            sources.Predictions("own:pets", f"m{items}", zero.astype(str).astype(object), zero, zero, n_classes=2)
        )


def no_minilm(monkeypatch, _):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    weights.minilm()


def no_corruptions(monkeypatch, _):
    monkeypatch.setitem(sys.modules, "imagecorruptions.corruptions", None)
    corruptions._library.cache_clear()
    corruptions._library()


def two_places(monkeypatch, folder):
    hub = types.SimpleNamespace(snapshot_download=lambda *_, **__: folder)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    shards.fetch("hf:imagenet-1k")


def no_fasttext_file(monkeypatch, folder):
    def load_model(path):
        raise ValueError("is not a model")

    monkeypatch.setattr(vectors, "fasttext", lambda: types.SimpleNamespace(load_model=load_model))
    vectors.WordMeans(written(folder / "a.bin", b"x")).embed(["text"])


def no_network(monkeypatch, _):
    def load_dataset(*_):
        raise ConnectionError

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    corpora.load("hf:owner/name", text="text", label="label")


def one_split(monkeypatch, folder):
    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace())
    written(folder / "state.json", "{}")
    corpora.load(f"hf:{folder}", text="text", label="label")


def no_weights(monkeypatch, _):
    monkeypatch.setattr(zoo_hub, "check_timm_name", lambda name: None)
    monkeypatch.setitem(sys.modules, "timm", types.SimpleNamespace(is_model_pretrained=lambda name: False))
    zoo_hub.timm_model("net")


def _class(name):
    return pd.DataFrame([dict.fromkeys(tables.CSV["classes"], "") | {"class_id": 0, "name": name}])


def no_images_to_time(monkeypatch, _):
    monkeypatch.delenv("ANALYSIS_MIRROR", raising=False)
    bench.section(rounds=1)


def options(**changed):
    plain = {"decoder": "pil", "resize": "pil", "per_class": None, "allow_bad": 0, "jobs": None, "batch": None}
    return lambda *_: predict._check_options(**plain | changed)


OTHERS |= {
    "answers that are gone": (lost_answers, "cifar10.parquet: missing; restore it"),
    "own items": (own_answers(["1"], "b"), "items of cifar10 differ from the shipped ones; make it again"),
    "an own model": (own_answers(["0"], "a"), "a is among the shipped models; make it again"),
    "a table that is gone": (
        lambda _, folder: tables.read_csv("models", folder / "models.csv"),
        "models.csv: missing; rest",
    ),
    "an accuracy": (counts(accuracy=0.75), "an accuracy is not correct / n; restore it"),
    "a confusion": (
        lambda *_: tables._check(
            pd.DataFrame({"dataset": ["pets"], "model": "m", "label": [-2], "pred": [0], "count": [1]}),
            "confusions",
            Path("confusions.parquet"),
        ),
        "a label is below -1, or a prediction below 0; restore it",
    ),
    "a class of no item": (
        lambda *_: tables._check(
            pd.DataFrame({"dataset": ["pets"], "item_id": "a", "class_id": [-1]}), "correct", Path("pets.parquet")
        ),
        "a class id is negative; restore it",
    ),
    "a lock that is a folder": (no_lock(None), "PROVENANCE.json: missing or not readable; restore it"),
    "a lock without the file": (no_lock("{}"), "PROVENANCE.json: does not list models.csv; restore it"),
    "an entry that is gone": (removed, "removed meanwhile; make it again"),
    "a folder that is held": (held, "another process has been writing it for 0 s; wait for it"),
    "items of another number": (other_size, "m3: 3 items of own:pets, others have 2"),
    "what made the runs": (
        lambda _, folder: ship.ship("own", [put(folder)], {"who": "I"}),
        "made holds who; give command and seconds",
    ),
    "no encoder": (no_minilm, "is not installed; install the inference tier"),
    "no corruptions": (no_corruptions, "imagecorruptions cannot be imported .*; install the inf"),
    "shards in no place": (two_places, "0 folders of validation shards, expected one; name"),
    "a damaged fastText model": (no_fasttext_file, "a.bin: fastText cannot load it; get it again"),
    "a hub that is not there": (no_network, "owner/name: not fetched .ConnectionError.; check"),
    "one split of a corpus": (one_split, "one split only; save a DatasetDict"),
    "weights that timm has not": (no_weights, "timm/net: timm has no weights for it; random ones: timm-random/net"),
    "a carriage return": (
        lambda _, folder: tables.write_csv(_class("a\rb"), "classes", folder / "classes.csv"),
        "a text holds a carriage return or NUL; restore it",
    ),
    "no images to time": (no_images_to_time, "lie in ANALYSIS_MIRROR; set it to a folder"),
    "an array of other images": (
        lambda _, folder: arrays._images(written(folder / "fog.npy", npy([1.0]))),
        "fog.npy: float64 .1,., expected uint8",
    ),
    "labels that are no numbers": (
        lambda _, folder: arrays._labels(written(folder / "labels.npy", npy([0.5]))),
        "labels.npy: float64 .1,., expected int",
    ),
    "more images than labels": (
        lambda _, folder: arrays._found("cifar10", "cifar10", folder, "a.npy", 0, np.array([1]), 2),
        "2 images, 1 labels; ",
    ),
    "a label of no class": (
        lambda _, folder: arrays._found("cifar10", "cifar10", folder, "a.npy", 0, np.array([10]), 1),
        "outside 0 to 9; down",
    ),
    "a corruption of CIFAR": (
        lambda _, folder: arrays._corrupted("cifar10-c", ["mist"], folder),
        "cifar10-c/mist: no such corruption and sev",
    ),
    "a corruption that is not there": (
        lambda _, folder: [
            written(folder / "labels.npy", npy([0] * 5)),
            arrays._corrupted("cifar10-c", ["fog"], folder),
        ],
        "fog.npy: no such file; bring it",
    ),
    "no processes": (
        lambda _, folder: checking.main(folder, datasets=(), quick=True, jobs=0, say=print),
        "0 processes; give 1 or more",
    ),
    "wnids of no class": (other_wnids, "synsets.txt: a wnid that is none of the 1,000 classes; unpack"),
    "no list": (lambda _, folder: found.lines(folder / "list.txt"), "list.txt: no such file; bring it"),
    "a list in another encoding": (
        lambda _, folder: found.lines(written(folder / "list.txt", b"caf\xe9")),
        "not UTF-8 text .byte 3.; save it as",
    ),
    "no images": (no_images, "pets in .*: no images; give the folder"),
    "no folder": (lambda *_: own_images.survey("own:pets", None), "own:pets: no folder of images was named; give"),
    "a precision": (lambda *_: devices.resolve("cpu", "int8"), "int8: no such precision; there are: "),
    "a device": (lambda *_: devices.resolve("tpu", "fp32"), "tpu: no such device; there are: auto"),
    "half precision": (lambda *_: devices.resolve("cpu", "fp16"), "fp16 is for GPUs; use --precision"),
    "a decoder": (options(decoder="jpg"), "jpg: no such decoder; there are: pil"),
    "a batch of none": (options(batch=0), "0 is below 1; give 1 or more"),
    "workers": (
        lambda *_: predict.predict("paper", "imagenet-val", workers="dask"),
        "dask: no such workers; there are",
    ),
    "no data set": (lambda *_: predict.open_sources([], None), "no data set was named; one of imagenet-val"),
    "no package for the hub": (no_hub, "needs huggingface_hub; install the inference packages"),
    "no package for fastText": (no_fasttext, "fasttext-community is not installed; install the inf"),
    "no package for corpora": (no_datasets, "hf: needs the package datasets; install"),
    "no Ray": (no_ray, "Ray is not installed; install its tier"),
    "no runs": (lambda *_: runs.run("banking77", "tfidf-svm", runs=0), "no runs are asked for; give how many"),
    "a noise": (
        lambda *_: runs._suffixes("banking77", runs.Job((), (), (0,), ("rain",), (1,))),
        "rain: no such kind; there",
    ),
    "a severity": (
        lambda *_: runs._suffixes("banking77", runs.Job((), (), (0,), ("typo",), (9,))),
        "severity 9; 1 to 5",
    ),
    "noise on folds": (
        lambda *_: runs._suffixes("banking77-cv", runs.Job((), (), (0,), ("typo",), (1,))),
        "no noise on a cross-valid",
    ),
    "a folder without weights": (
        lambda _, folder: weights.locate("bert-tiny", folder),
        "no config.json with .*; give the",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_other_faults_say_what_to_do(tmp_path, monkeypatch, case):
    call, said = OTHERS[case]
    with pytest.raises(errors.AnalysisError, match=said):
        call(monkeypatch, tmp_path)


@pytest.mark.inference
def test_a_gpu_that_is_not_there_says_what_to_do():
    with pytest.raises(errors.UsageError, match="cuda:99: torch finds no such GPU; use --device cpu"):
        devices.resolve("cuda:99", "fp32")


# ---- The run ---------------------------------------------------------------------------------------------------------

# Never met by a test: where -> why.
PINNED_FILE = "pinned, whole wherever the tests have it, and too large to make up here"
NUMBERS = "only on a machine that computes wrongly"
ELSEWHERE = "made in another process, and given again here by engine.raise_fault"
MEMORY = "memory that gives out within a library; test_engine.py has it for the forward pass"
UNMET = {
    "derive.py _models: sources/models.csv: _: no results": "the lists of models are held against the tables elsewhere",
    "derive.py _models: _: _ rows in sources/models.csv, expecte": "as the one before",
    "own.py _gather: _": "says again what rows.py says, which is met",
    "sources/authors.py _cifar: _: class sizes add up to _, expected _": PINNED_FILE,
    "sources/authors.py _text: _: _ items, expected _": PINNED_FILE,
    "sources/fetch.py _download_once: _: stopped": "between two blocks of a download, by chance",
    "text/classifiers.py _fasttext: fastText could not be trained (_)": "another build of fastText",
    "text/corpus_20news.py read: _: _ posts to train on, expected _": PINNED_FILE,
    "text/corpus_20news.py read: _: _ posts in the test set, expected _": PINNED_FILE,
    "text/embed.py embed: _: vectors are not finite": NUMBERS,
    "text/embed.py load: loading _": MEMORY,
    "text/finetune.py _train: weights are": NUMBERS,
    "text/finetune.py logits: answers are": NUMBERS,
    "text/vectors.py _input_vectors: _: input vectors are not finite": "weights that embed.py refuses before",
    "text/vectors.py _input_vectors: _: no input vectors of a BERT": "weights that embed.py refuses before",
    "vision/checking.py _in_processes: a process that decoded images was killed": "a killed process, as in pool.py",
    "vision/engine.py get: loading _": MEMORY,
    "vision/feed.py feed: a decoding process was killed (memory?)": "the same on a GPU",
    "vision/pool.py _shards: no worker process could start": "a script without a main of its own",
    "vision/pool.py _shard: predicting a block": ELSEWHERE,
    "vision/predict.py _publish: _ on _: _ blocks were lost": "blocks that go between two steps of one run",
    "vision/scale.py _answer: a worker of Ray failed (_)": ELSEWHERE,
    "vision/scale.py _connect: _ (_)": "a cluster that is named and does not answer",
    "vision/scale.py __call__: predicting a block": ELSEWHERE,
    "vision/zoo.py _package: _: _ tensors, the network has _": "another version of timm",
}

LONGEST = 600
OBJECTS = re.compile(r"<class|<function| object at 0x|\b(array|dtype|Path|PosixPath)\(|Traceback|(?<![/\w])nan\b")


def test_every_message_that_was_met_reads_well(messages):
    """As a user sees it: one line of moderate length, no objects, a path of the repository from its root."""
    broken = []
    for (file, line), met in messages.met.items():
        for made, what, remedy, text in met:
            faults = _unreadable(what, remedy or getattr(errors, made, errors.InputError).otherwise, text)
            broken += [f"{file}:{line}: {fault}: {text}" for fault in faults]
    assert not broken, "\n".join(broken)


def _unreadable(what: str, remedy: str, text: str):
    if not text.isprintable() or not re.match(r"error\[[a-z][a-z-]{1,12}\] ", text):
        yield "no line of ours"
    if len(text) > LONGEST:
        yield "too long"
    if not remedy.strip() or not text.endswith(remedy[-10:]):
        yield "it does not say what to do"
    if OBJECTS.search(text):
        yield "the words of an object"
    if f"{paths.ROOT}/" in text:
        yield "a path of the repository, but not from its root"
    if what.endswith((" ", ",", ":", ";")) or "; ;" in text or ";;" in text or ": :" in text:
        yield "a part of it is empty"


def test_every_message_was_met(messages, outcomes, request):
    """In a run of all tests, a place that no test came to needs a reason; a test that was skipped excuses one."""
    lines = defaultdict(set)
    for file, line in messages.met:
        lines[Path(file).relative_to(PACKAGE).as_posix()].add(line)
    met = {place for place in places() if lines[place.file] & set(range(place.node.lineno, place.node.end_lineno + 1))}
    missing = [place for place in places() if place not in met and place.key not in UNMET]
    different = len({text for found in messages.met.values() for *_, text in found})
    messages.line = f"messages: {len(met)} of {len(places())} places met, {different} different texts"
    if not _whole(messages, request.session.items):
        return
    skipped = [node for node, (outcome, _) in outcomes.of.items() if outcome == "skipped" and "test_fault[" not in node]
    assert len(missing) <= len(skipped), "\n".join(f"{place}: {place.key}" for place in missing)


def _whole(messages, items) -> bool:
    """Whether all tests are in the run: those of every file, none left out."""
    files = {item.path for item in items}
    return messages.all_ran and {*(ROOT / "tests").rglob("test_*.py")} <= files and PACKAGE / "errors.py" in files


def test_what_is_never_met_is_there_once():
    there = Counter(place.key for place in places())
    assert {key: there[key] for key in UNMET} == dict.fromkeys(UNMET, 1)
