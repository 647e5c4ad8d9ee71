"""Corpora: ids of the shipped tables, faults of texts and labels, folds, and the ways to the 20 Newsgroups."""

import json
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import paths, tables
from analysis.errors import InputError, IntegrityError, NetworkError, UsageError
from analysis.sources import authors, fetch
from analysis.text import corpora, corpus_20news, corpus_known, corpus_own

needs_mirror = pytest.mark.skipif(not paths.mirror(), reason="no published files at hand: set ANALYSIS_MIRROR")
GOOD = {
    "name": "own",
    "label_space": "own",
    "classes": ["a", "b"],
    "train": (["one", "two", "three"], [0, 1, 1]),
    "test": (["four", "five"], [0, 1]),
}


def made(**other):
    return corpora.make(**(GOOD | other))


# Published corpora


@pytest.fixture(scope="module")
def published():
    return {name: corpora.load(name) for name in corpora.NAMES}


@needs_mirror
def test_published_corpora_have_their_sizes_and_known_overlaps(published):
    found = {
        name: (len(c.train_text), len(c.test_text), c.n_classes, int((c.test_label < 0).sum()), c.empty)
        for name, c in published.items()
    }
    assert found == {
        "banking77": (10003, 3080, 77, 0, 0),
        "20news": (11009, 7019, 20, 0, 0),
        "20news-bydate": (11009, 7532, 20, 0, 220),
        "clinc150": (15000, 5500, 150, 1000, 0),
        "clinc150-imbalanced": (10525, 5500, 150, 1000, 0),
        "hint3-curekart": (600, 991, 28, 539, 0),
        "hint3-curekart-v2": (600, 991, 28, 532, 0),
        "hint3-powerplay11": (471, 983, 59, 708, 0),
        "hint3-powerplay11-v2": (471, 983, 59, 674, 0),
        "hint3-sofmattress": (328, 397, 21, 166, 0),
        "hint3-sofmattress-v2": (328, 397, 21, 144, 0),
    }
    shared = {name: round(c.overlap * len(c.test_text)) for name, c in published.items()}
    assert (shared["banking77"], shared["20news"], shared["clinc150"]) == (25, 15, 19)
    assert len(published["clinc150"].validation_text) == 3100
    assert len({c.sha256 for c in published.values()}) == len(published)


@needs_mirror
@pytest.mark.parametrize("name", [name for name in corpora.NAMES if "clinc" not in name and "bydate" not in name])
def test_every_item_has_the_id_and_the_class_of_the_shipped_tables(published, name):
    shipped, corpus = tables.correct(name), published[name]
    inside = corpus.test_label >= 0
    ours = dict(zip(corpus.test_id[inside], corpus.test_label[inside].tolist(), strict=True))
    assert ours == dict(zip(shipped.item_id, shipped.class_id.tolist(), strict=True))
    space = tables.read_csv("classes").query("label_space == @corpus.label_space").sort_values("class_id")
    assert tuple(space["name"]) == corpus.classes


@needs_mirror
def test_twenty_newsgroups_are_stripped_and_ordered_as_the_paper(published):
    paper, by_date = published["20news"], published["20news-bydate"]
    assert list(paper.classes) == authors.names("20news")
    text = dict(zip(by_date.test_id, by_date.test_text, strict=True))
    # The first post and one behind dropped ones, by the alignment with scikit-learn's order.
    assert by_date.test_id[[0, 1, 3]].tolist() == [
        "rec.autos/103343",
        "comp.windows.x/67445",
        "talk.politics.mideast/77355",
    ]
    assert paper.test_text[2] == text["talk.politics.mideast/77355"]
    moved = {row: by_date.test_label[list(by_date.test_text).index(paper.test_text[row])] for row in (670, 3955, 5529)}
    assert {row: paper.classes[paper.test_label[row]] for row in moved} == {
        670: "comp.sys.mac.hardware",
        3955: "rec.motorcycles",
        5529: "talk.politics.guns",
    }
    assert all(paper.test_label[row] != label for row, label in moved.items())
    assert not any("\n" in one or "--" in one or "^" in one for one in paper.train_text)


@needs_mirror
def test_noise_has_a_name_that_loads(published):
    noisy = corpora.load("hint3-sofmattress/drop/3")
    assert noisy.name == "hint3-sofmattress/drop/3"
    assert noisy.test_label.tolist() == published["hint3-sofmattress"].test_label.tolist()
    assert noisy.train_text == published["hint3-sofmattress"].train_text != noisy.test_text


@pytest.mark.parametrize("name", ["banking", "banking77/typo", "hint3-curekart-cv", "banking7/typo/3", ""])
def test_an_unknown_name_is_an_error_of_use(name):
    with pytest.raises(UsageError, match="cut from training data" if name.endswith("-cv") else "unknown"):
        corpora.load(name)


def test_a_severity_that_is_no_number_is_an_error_of_use(monkeypatch):
    monkeypatch.setattr(corpus_known, "read", lambda name: GOOD)
    assert corpora.load("banking77/case/5").test_text == ("FOUR", "FIVE")
    for name in ("banking77/typo/x", "banking77/typo/6", "banking77/typo/²"):
        with pytest.raises(UsageError, match="1 to 5"):
            corpora.load(name)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A data folder of its own, no mirror."""
    monkeypatch.setenv("ANALYSIS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("ANALYSIS_MIRROR", raising=False)
    return tmp_path


def test_banking_rows_with_newlines_are_parsed_and_other_classes_refused(place, monkeypatch):
    monkeypatch.setattr(fetch, "locate", lambda name: place / name.split("/")[-1])
    monkeypatch.setattr(authors, "names", lambda space: ["z_first", "a_second"])
    monkeypatch.setitem(corpus_known.SIZES, "banking77", (3, 1, 2))
    train = place / "train.csv"
    train.write_text('text,category\n"two\nlines, one\u2028text",z_first\nNA,a_second\n07,z_first\n', encoding="utf-8")
    (place / "test.csv").write_text("text,category\nnull,a_second\n", encoding="utf-8")
    corpus = corpora.load("banking77")
    assert corpus.train_text == ("two\nlines, one\u2028text", "NA", "07") and corpus.test_text == ("null",)
    assert corpus.train_label.tolist() == [0, 1, 0] and corpus.test_label.dtype == np.int32
    train.write_text("text,category\nx,a_second\ny,z_first\n1,z_first\n", encoding="utf-8")
    with pytest.raises(IntegrityError, match="do not first appear in the order"):
        corpora.load("banking77")
    train.write_text("text,category\nx,z_first\ny,a_second\n1,new\n", encoding="utf-8")
    with pytest.raises(IntegrityError, match="label of row 2 is no class"):
        corpora.load("banking77")
    train.write_text("text,category\nx,z_first\ny,a_second\n", encoding="utf-8")
    with pytest.raises(IntegrityError, match=r"\(2, 1, 2\)"):
        corpora.load("banking77")


# 20 Newsgroups: three ways, one digest


@pytest.fixture
def small_news(place, monkeypatch):
    """A tree of few posts in the place of the 18,846; gives the folder that holds the two parts."""
    groups, tree = authors.names("20news"), place / "tree"
    for part, n in (("train", 3), ("test", 2)):
        for group in groups:
            for number in range(n):
                path = tree / corpus_20news.PARTS[part] / group / str(number)
                path.parent.mkdir(parents=True, exist_ok=True)
                post = f"From: caf\xe9\n\nA says:\n> quoted\n{group} {part} post {number}\n\nmore\n\n--\nsigned\n"
                path.write_bytes(post.encode("latin-1"))
    monkeypatch.setattr(corpus_20news, "N_POSTS", {"train": 60, "test": 40})
    monkeypatch.setattr(corpus_20news, "SHA256", corpus_20news.tree_sha256(corpus_20news._tree(tree)))
    corpus_20news._posts.cache_clear()
    yield tree
    corpus_20news._posts.cache_clear()


def test_a_folder_is_read_stripped_and_in_scikit_learns_order(small_news):
    posts = corpus_20news._posts(str(small_news))
    assert dict(posts["test"])["sci.med/1"] == "sci.med test post 1  more"
    assert sorted(key for key, _ in posts["train"]) != [key for key, _ in posts["train"]]
    from sklearn.datasets import load_files

    theirs = load_files(small_news / "20news-bydate-test", encoding="latin1")
    order = np.arange(40)
    np.random.RandomState(42).shuffle(order)
    assert [key for key, _ in posts["test"]] == ["/".join(theirs.filenames[at].split("/")[-2:]) for at in order]


def test_what_scikit_learn_fetches_is_kept_without_a_pickle_and_equals_the_folder(small_news, place, monkeypatch):
    from sklearn.datasets import _twenty_newsgroups as theirs

    def remote(archive, dirname, **_):
        path = f"{dirname}/20news-bydate.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for part in corpus_20news.PARTS.values():
                archive.add(small_news / part, arcname=part)
        return path

    monkeypatch.setattr(theirs, "_fetch_remote", remote)
    fetched = corpus_20news._content("")
    assert fetched == corpus_20news._tree(small_news)
    kept = paths.raw() / "20news-bydate.zip"
    assert [path.name for path in paths.raw().rglob("*") if path.is_file()] == [kept.name]
    monkeypatch.setattr(theirs, "_fetch_remote", None)  # from here on the kept file serves
    assert corpus_20news._content("") == fetched
    with zipfile.ZipFile(kept, "a") as archive:
        archive.writestr("20news-bydate-train/sci.med/9", b"one more")
    with pytest.raises(IntegrityError, match="61 and 40 posts, expected 60 and 40"):
        corpus_20news._content("")
    kept.write_bytes(kept.read_bytes()[:1000])
    with pytest.raises(IntegrityError, match=r"20news-bydate\.zip: 0 and 0 posts"):
        corpus_20news._content("")


def test_without_a_network_the_message_says_what_helps(place, monkeypatch):
    from sklearn.datasets import _twenty_newsgroups as theirs

    def remote(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr(theirs, "_fetch_remote", remote)
    with pytest.raises(NetworkError, match="give a folder that holds 20news-bydate-train"):
        corpus_20news._content("")
    assert not paths.raw().exists() or not list(paths.raw().iterdir())


def test_without_scikit_learn_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(UsageError, match="install the inference tier"):
        corpus_20news.stripped("a post")


def test_an_altered_or_missing_post_is_refused(small_news, place, monkeypatch):
    post = small_news / "20news-bydate-test" / "sci.med" / "0"
    post.write_bytes(post.read_bytes().replace(b"\n", b"\r\n"))  # line ends turned by a checkout
    with pytest.raises(InputError, match="not the published one"):
        corpus_20news._content(str(small_news))
    monkeypatch.setenv("ANALYSIS_MIRROR", str(place / "mirror"))
    shutil.copytree(small_news, place / "mirror" / corpus_20news.TREE)
    with pytest.raises(IntegrityError, match="not the published one"):
        corpus_20news._content("")
    with pytest.raises(InputError, match="0 and 0 posts"):
        corpora.load("20news", path=place / "mirror")


def test_posts_of_other_groups_or_of_another_number_are_refused(monkeypatch):
    keys = [f"{group}/0" for group in authors.names("20news")]
    posts = {"train": [(key, "a text") for key in keys], "test": [(key, "a text") for key in keys]}
    monkeypatch.setattr(corpus_20news, "_posts", lambda path: posts)
    with pytest.raises(IntegrityError, match="20 posts to train on, expected 11009"):
        corpus_20news.read("20news-bydate")
    monkeypatch.setattr(corpus_20news, "N_TRAIN", 20)
    assert corpus_20news.read("20news-bydate")["test_id"] == keys
    with pytest.raises(IntegrityError, match="20 posts in the test set, expected 7019"):
        corpus_20news.read("20news")
    posts["train"].reverse()
    with pytest.raises(IntegrityError, match="posts to train on"):
        corpus_20news.read("20news-bydate")


def test_the_list_of_dropped_posts_fits_the_counts():
    facts = json.loads(Path(corpus_20news.__file__).with_name("20news_test.json").read_text(encoding="utf-8"))
    assert len(set(facts["dropped"])) == corpus_20news.N_POSTS["test"] - corpus_20news.N_PAPER == 513
    assert {one.split("/")[0] for one in facts["dropped"]} <= set(authors.names("20news"))
    assert len(facts["uncertain"]) == 33 and set(facts["relabelled"]) == {"670", "3955", "5529"}


# Faults of any corpus


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (
            {"train": (["one", None, 3], [0, 1, 1])},
            r"own \(train\): 2 texts are not text but NoneType, int \(rows 1, 2\)",
        ),
        ({"test": (["x", float("nan")], [0, 1])}, r"own \(test\): 1 texts are not text but float \(rows 1\)"),
        ({"test": (["x", "half \ud83d"], [0, 1])}, "row 1: half a surrogate pair at character 5"),
        ({"test": ([" ", "\n"], [0, 1])}, "every text is empty"),
        ({"test": ([], [])}, "no texts"),
        ({"train": (["one", "two", "three"], [0, 0, 0])}, r"one class only \(a\)"),
        ({"train": ([], [])}, "no texts"),
        ({"classes": ["a", "b", "never\x1b[2J"]}, r"1 classes have no text \(never.x1b\[2J\)"),
        ({"classes": ["a", "a"]}, "a class name occurs twice"),
        ({"train": (["one", "two", "three"], [0, 1, -1])}, r"label -1 in row 2; class ids run from 0 to 1"),
        ({"test": (["x", "y"], [0, 2])}, r"label 2 in row 1; class ids run from -1 to 1"),
        ({"test": (["x", "y"], [0.0, 1.0])}, "type float64"),
        ({"test": (["x", "y"], [0])}, "1 labels of type int64, expected 2"),
        ({"test_id": ["1", "1"]}, "ids are not one a text, each once"),
        ({"test_id": ["1"]}, "ids are not one a text, each once"),
        ({"test": (["ONE!!", "y"], [0, 1])}, r"50.00% of the test texts are training texts too"),
    ],
)
def test_a_faulty_corpus_is_refused_by_row_and_class(other, words):
    with pytest.raises(InputError, match=words):
        made(**other)


def test_empty_and_long_texts_are_kept_counted_and_told():
    corpus = made(train=(["one", "", "three"], [0, 1, 1]), test=(["x" * 50, "\u2028"], [0, -1]), max_chars=10)
    assert corpus.test_text == ("x" * 10, "\u2028") and corpus.train_text[1] == ""
    facts = corpus.facts()
    assert (facts["empty"], facts["cut"], facts["max_chars"], facts["out_of_scope"]) == (2, 1, 10, 1)
    assert (facts["smallest_class"], facts["classes_not_in_test"]) == (1, 1)
    # Empty texts on both sides are no overlap; a declared one is let through and reported.
    assert corpus.overlap == 0.0
    assert made(test=(["ONE!!", "y"], [0, 1]), max_overlap=0.5).overlap == 0.5


def test_the_digest_covers_texts_labels_classes_and_their_borders():
    base = made()
    others = [
        made(classes=["a", "c"]),
        made(train=(["one", "two", "three"], [0, 1, 0])),
        made(train=(["one", "twoth", "ree"], [0, 1, 1])),
        made(test=(["four", "five"], [0, -1])),
        made(test=(["four", "five "], [0, 1])),
        made(validation=([], [])),
        made(validation=(["six"], [-1])),
    ]
    assert len({base.sha256, *(one.sha256 for one in others)}) == 1 + len(others)
    assert made(name="other", test_id=["x", "y"]).sha256 == base.sha256
    with pytest.raises(InputError, match="1 texts, expected 2"):
        corpora.with_test(base, ["x"], name="y")


# Folds


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 2)), min_size=1, max_size=40), st.integers(2, 5))
def test_folds_part_the_training_set_and_never_ask_what_they_train(drawn, k):
    rows = [(f"{word} text", label) for word, label in drawn]
    rows += [(f"own {n} of {label}", label) for label in range(3) for n in range(5)]
    texts, labels = zip(*rows, strict=True)
    whole = made(classes=["a", "b", "c"], train=(texts, labels), test=(["unseen"], [0]))
    folds = corpora.folds(whole, k)
    assert sorted(int(one) for fold in folds for one in fold.test_id) == list(range(len(rows)))
    for fold in folds:
        assert fold.name == "own-cv" and fold.overlap == 0 and fold.classes == whole.classes
        assert [texts[int(one)] for one in fold.test_id] == list(fold.test_text)
        assert [labels[int(one)] for one in fold.test_id] == fold.test_label.tolist()
        assert len(fold.train_text) + len(fold.test_text) == len(rows)
    again = corpora.folds(whole, k)
    assert [one.sha256 for one in again] == [one.sha256 for one in folds]


def test_folds_are_even_over_classes_and_another_seed_deals_anew():
    texts, labels = [f"text {n}" for n in range(100)], [n % 4 for n in range(100)]
    whole = made(classes=list("abcd"), train=(texts, labels), test=(["unseen"], [0]))
    folds = corpora.folds(whole, 5)
    assert [len(fold.test_text) for fold in folds] == [20] * 5
    assert all(np.bincount(fold.test_label).tolist() == [5] * 4 for fold in folds)
    assert corpora.folds(whole, 5, seed=1)[0].test_id.tolist() != folds[0].test_id.tolist()


def test_a_class_with_one_text_is_refused_or_trained_on_alone():
    whole = made(train=(["one", "One.", "two", "three"], [0, 0, 1, 1]))  # two spellings of one text
    with pytest.raises(InputError, match=r"fewer than two different texts in 1 classes \(a\)"):
        corpora.folds(whole, 2)
    folds = corpora.folds(whole, 2, lone="train")
    assert sorted(one for fold in folds for one in fold.test_id) == ["2", "3"]
    assert all({"one", "One."} <= set(fold.train_text) for fold in folds)
    with pytest.raises(InputError, match="2 texts for 5 folds"):
        corpora.folds(whole, 5, lone="train")
    with pytest.raises(UsageError, match="k is 1"):
        corpora.folds(whole, 1)


@needs_mirror
@pytest.mark.parametrize("name", corpora.HINT3)
def test_hint3_folds_ask_every_class_that_can_be_asked(published, name):
    folds = corpora.folds(published[name])
    asked = [one for fold in folds for one in fold.test_id]
    lone = {"hint3-powerplay11": 7}.get(name, 0)
    assert len(set(asked)) == len(asked) == len(published[name].train_text) - lone
    assert {fold.name for fold in folds} == {f"{name}-cv"}


# A user's own


def csv_pair(folder, train="text,label\nok,a\nno,b\n", test="text,label\nmaybe,a\n"):
    for name, content in (("train", train), ("test", test)):
        content = content if isinstance(content, bytes) else content.encode()
        (folder / f"{name}.csv").write_bytes(content)
    return f"csv:{folder / 'train.csv'},{folder / 'test.csv'}"


def test_csv_files_are_read_as_they_are(tmp_path):
    train = '\ufeffid,utterance,intent\n1,"a ""b""\nc\u2028d",10\n2,NA,9\n3,,2\n'
    test = "item_id,utterance,intent\nq-1,null,2\nq-2,\u0085x,10\n"
    corpus = corpora.load(csv_pair(tmp_path, train, test))
    assert corpus.classes == ("2", "9", "10")  # by value, not as text
    assert corpus.train_text == ('a "b"\nc\u2028d', "NA", "") and corpus.train_label.tolist() == [2, 1, 0]
    assert corpus.test_text == ("null", "\u0085x") and corpus.test_id.tolist() == ["q-1", "q-2"]
    assert corpus.name == f"csv:{tmp_path.name}/test" and str(tmp_path) not in corpus.name
    assert corpus.empty == 1


def test_a_field_longer_than_the_csv_modules_limit_is_read_and_cut(tmp_path):
    corpus = corpora.load(csv_pair(tmp_path, test=f"text,label\n{'x' * 200_000},a\n"))
    assert len(corpus.test_text[0]) == corpora.MAX_CHARS and corpus.cut == 1
    import csv

    assert csv.field_size_limit() == 131072  # as before


def test_out_of_scope_is_declared_and_never_trained(tmp_path):
    name = csv_pair(tmp_path, "text,label\nok,a\nno,b\nwhat,oos\n", "text,label\nmaybe,a\neh,oos\n")
    corpus = corpora.load(name, out_of_scope="oos")
    assert corpus.classes == ("a", "b") and corpus.test_label.tolist() == [0, -1] and len(corpus.train_text) == 2


@pytest.mark.parametrize(
    ("files", "options", "words"),
    [
        ({"train": "text,label\ncaf\xe9,a\n".encode("latin-1")}, {}, r"train.csv: not UTF-8 text \(byte 14\)"),
        ({"train": "text,label\nok\n"}, {}, "row 1 has 1 fields, expected 2"),
        ({"train": "text,label\nok,\nno,b\n"}, {}, r"\(train\): 1 rows have no label \(rows 0\)"),
        ({"test": "text,label\nx,new\n"}, {}, r"\(test\): the label of row 0 is no class of the training set"),
        (
            {"test": "words,label\nx,a\n"},
            {},
            "test.csv: no column of texts by its name; name it; there are words, label",
        ),
        ({"test": "text,query,label\nx,y,a\n"}, {}, "more than one column of texts"),
        ({}, {"text": "tweet"}, "train.csv: no column tweet; there are text, label"),
        ({"test": ""}, {}, "test.csv: empty"),
        ({"test": "text,label\nOK,b\n"}, {}, "100.00% of the test texts"),
    ],
)
def test_csv_files_that_make_no_corpus_are_refused(tmp_path, files, options, words):
    with pytest.raises(InputError, match=words):
        corpora.load(csv_pair(tmp_path, **files), **options)


def test_csv_needs_two_files_that_are_there(tmp_path):
    for name in ("csv:one.csv", "csv:one.csv,"):
        with pytest.raises(UsageError, match="takes two files"):
            corpora.load(name)
    with pytest.raises(InputError, match=r"none.csv: not read \(FileNotFoundError\)"):
        corpora.load(f"csv:{tmp_path / 'none.csv'},{tmp_path / 'none.csv'}")


@pytest.mark.parametrize("name", ["hf:", "hf:folder#train", "hf:folder#a,b,c"])
def test_hf_needs_a_place_and_two_splits(name):
    with pytest.raises(UsageError, match="hf: takes"):
        corpora.load(name)


@pytest.mark.inference
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the libraries that datasets loads
def test_a_dataset_of_hugging_face_is_read_from_a_folder(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    features = datasets.Features(
        {"sentence": datasets.Value("string"), "label": datasets.ClassLabel(names=["z", "a", "none"])}
    )
    parts = {
        "train": {"sentence": ["ok", "no", "eh"], "label": [0, 1, 2]},
        "test": {"sentence": ["maybe", "huh"], "label": [1, 2]},
        "unlabelled": {"sentence": ["maybe"], "label": [-1]},
    }
    whole = datasets.DatasetDict(
        {part: datasets.Dataset.from_dict(rows, features=features) for part, rows in parts.items()}
    )
    whole.save_to_disk(tmp_path / "mine")
    place = f"hf:{tmp_path / 'mine'}"
    corpus = corpora.load(place)
    assert corpus.classes == ("z", "a", "none") and corpus.test_label.tolist() == [1, 2] and corpus.name == "hf:mine"
    unknown = corpora.load(place, out_of_scope="none")
    assert unknown.classes == ("z", "a") and unknown.test_label.tolist() == [1, -1]
    with pytest.raises(InputError, match="1 rows have no label"):
        corpora.load(f"{place}#train,unlabelled")
    with pytest.raises(InputError, match="no split dev; there are test, train, unlabelled"):
        corpora.load(f"{place}#train,dev")
    (tmp_path / "files").mkdir()
    csv_pair(tmp_path / "files")
    assert corpora.load(f"hf:{tmp_path / 'files'}").classes == ("a", "b")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="nothing: not read by datasets"):
        corpora.load(f"hf:{tmp_path / 'nothing'}")


def test_labels_are_class_ids_by_name_never_by_position():
    assert corpus_own.ordered({"10", "9", "2"}) == ["2", "9", "10"]
    assert corpus_own.ordered({"10", "9", "02"}) == ["02", "10", "9"]
    assert corpus_known.codes(["9", "10"], ["2", "9", "10"], where="x").tolist() == [1, 2]
