"""20 Newsgroups by date: 18,846 posts, no licence stated (posts to Usenet).

The posts come from a folder (`yao8839836+text_gcn/data/20ng` in ANALYSIS_MIRROR or `data/raw/`, or a user's own), or
through scikit-learn's fetcher, which checks its archive; what it brought is kept as `data/raw/20news-bydate.zip`.
Whichever way, the digest over all names and contents is checked: it is the same for both.

`20news` is the paper's test set: 7,019 of the 7,532 test posts, in its order, with its three other labels; the id of
an item is its row there. The paper used a cleaned copy that cannot be had; which posts it holds was recovered from
the published labels alone (`20news_test.json`: 513 posts are not in it; for 33 rows the neighbour is as likely).
`20news-bydate` has all 7,532, id `<group>/<number>`. Both are trained on the 11,009 posts with any text left; the
paper's 10,664 cannot be recovered.

Headers, footers and quotes are removed as scikit-learn does (they give the group away: 12 points of accuracy); then
"^" and "--" go and line ends become spaces, as in the paper's scripts. What is left of some test posts is empty: kept.
"""

import hashlib
import json
import tempfile
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from .. import files, paths
from ..errors import InputError, IntegrityError, NetworkError, UsageError
from ..sources import authors

TREE = Path("yao8839836+text_gcn/data/20ng")
PARTS = {"train": "20news-bydate-train", "test": "20news-bydate-test"}
N_POSTS = {"train": 11314, "test": 7532}
N_TRAIN, N_PAPER = 11009, 7019
SHA256 = "8ed3bdad4b4132d2f328c8b544afc5dca44edb9ea37e667ba0a673efe12d9c6e"
LICENCE = "none stated (posts to Usenet)"


def read(name: str, path=None) -> dict:
    """What `corpora.make` needs for `20news` or `20news-bydate`."""
    posts = _posts(str(path or ""))
    group = {one: code for code, one in enumerate(authors.names("20news"))}
    train = [(text, group[key.split("/")[0]]) for key, text in posts["train"] if text]
    test = [(key, text, group[key.split("/")[0]]) for key, text in posts["test"]]
    first_seen = list(dict.fromkeys(key.split("/")[0] for key, _ in posts["train"]))
    if first_seen != list(group) or len(train) != N_TRAIN:
        raise IntegrityError("items", f"{name}: {len(train)} posts to train on, expected {N_TRAIN}")
    ids = [key for key, _, _ in test]
    if name == "20news":
        paper = json.loads((Path(__file__).parent / "20news_test.json").read_text(encoding="utf-8"))
        dropped = set(paper["dropped"])
        test = [post for post in test if post[0] not in dropped]
        if len(test) != N_PAPER:
            raise IntegrityError("items", f"{name}: {len(test)} posts in the test set, expected {N_PAPER}")
        ids = [str(row) for row in range(len(test))]
        for row, label in paper["relabelled"].items():
            test[int(row)] = (*test[int(row)][:2], group[label])
    return {
        "name": name,
        "label_space": "20news",
        "classes": list(group),
        "train": tuple(zip(*train, strict=True)),
        "test": ([text for _, text, _ in test], [label for _, _, label in test]),
        "test_id": ids,
        "licence": LICENCE,
        "fault": IntegrityError,
    }


@lru_cache(maxsize=2)
def _posts(path: str) -> dict[str, list[tuple[str, str]]]:
    """(`<group>/<number>`, text) of both parts in scikit-learn's order, stripped."""
    content = _content(path)
    found = {}
    for part, folder in PARTS.items():
        keys = sorted(key for key in content if key.startswith(f"{folder}/"))
        # scikit-learn shuffles twice: when it reads the folder (0), when it gives the posts (42). The streams of
        # RandomState are frozen by NumPy.
        for seed in (0, 42):
            order = np.arange(len(keys))
            np.random.RandomState(seed).shuffle(order)
            keys = [keys[at] for at in order]
        found[part] = [(key.partition("/")[2], stripped(content[key].decode("latin-1"))) for key in keys]
    return found


def stripped(text: str) -> str:
    """A post without headers, footers and quotes (scikit-learn's functions, in its order), then `cleaned`."""
    news = _theirs()
    text = news.strip_newsgroup_footer(news.strip_newsgroup_header(text))
    return cleaned(news.strip_newsgroup_quoting(text))


def _theirs():
    try:
        from sklearn.datasets import _twenty_newsgroups
    except ImportError:
        what = "20 Newsgroups needs scikit-learn"
        raise UsageError("package", what, "install the inference tier: make inference") from None
    return _twenty_newsgroups


def cleaned(text: str) -> str:
    """The paper's cleaning: no "^", no "--", one line, no space around.

    >>> cleaned("a --- b\\n ^^^^ ")
    'a - b'
    """
    return text.replace("^", "").replace("--", "").replace("\n", " ").strip()


def _content(path: str) -> dict[str, bytes]:
    """Bytes of every post by `<part>/<group>/<number>`, checked against the digest of all."""
    if path:
        return _checked(_tree(Path(path)), where=paths.shown(path), fault=InputError)
    for folder in (paths.mirror(), paths.raw()):
        if folder and (folder / TREE).is_dir():
            return _checked(_tree(folder / TREE), where=paths.shown(folder / TREE), fault=IntegrityError)
    kept = paths.raw() / "20news-bydate.zip"
    if not kept.is_file():
        _keep(_checked(_fetched(), where="20 Newsgroups", fault=IntegrityError), kept)
    try:
        with zipfile.ZipFile(kept) as archive:
            content = {key: archive.read(key) for key in archive.namelist()}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, NotImplementedError):
        content = {}
    return _checked(content, where=paths.shown(kept), fault=IntegrityError)


def tree_sha256(content: dict[str, bytes]) -> str:
    """SHA-256 over names and contents of many files.

    >>> tree_sha256({"a": b"1", "b": b"2"}) == tree_sha256({"b": b"2", "a": b"1"}) != tree_sha256({"a": b"12"})
    True
    """
    total = hashlib.sha256()
    for key in sorted(content):
        total.update(f"{key} {hashlib.sha256(content[key]).hexdigest()}\n".encode())
    return total.hexdigest()


def _checked(content: dict[str, bytes], *, where: str, fault) -> dict[str, bytes]:
    n = {part: sum(key.startswith(f"{folder}/") for key in content) for part, folder in PARTS.items()}
    if n != N_POSTS:
        what = f"{where}: {n['train']} and {n['test']} posts, expected {N_POSTS['train']} and {N_POSTS['test']}"
        raise fault("items", what, "remove it to fetch it again, or name the folder that holds 20news-bydate-train")
    if tree_sha256(content) != SHA256:
        raise fault("hash", f"{where}: a post is not the published one", "remove it to fetch it again")
    return content


def _tree(folder: Path) -> dict[str, bytes]:
    found = {}
    for part in PARTS.values():
        for path in (folder / part).glob("*/*"):
            found[f"{part}/{path.parent.name}/{path.name}"] = path.read_bytes()
    return found


def _fetched() -> dict[str, bytes]:
    """The posts by scikit-learn's fetcher, through a folder that is removed: its cache is a pickle."""
    found, fetch_20newsgroups = {}, _theirs().fetch_20newsgroups
    with tempfile.TemporaryDirectory() as folder:
        for subset, part in PARTS.items():
            try:
                bunch = fetch_20newsgroups(data_home=folder, subset=subset, shuffle=False)
            except OSError as fault:
                what = f"20 Newsgroups was not fetched ({type(fault).__name__})"
                remedy = "check the connection, or give a folder that holds 20news-bydate-train"
                raise NetworkError("network", what, remedy) from fault
            for name, text in zip(bunch.filenames, bunch.data, strict=True):
                found[f"{part}/{'/'.join(Path(name).parts[-2:])}"] = text.encode("latin-1")
    return found


def _keep(content: dict[str, bytes], path: Path) -> None:
    with files.atomic(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for key in sorted(content):
            archive.writestr(zipfile.ZipInfo(key), content[key], compress_type=zipfile.ZIP_DEFLATED)
