"""A report on predictions of one's own: every form that people have, every mix-up named, numbers as measured.

Predictions are made from the shipped answers: right where the shipped network is right, else a wrong class. Where
only right or wrong is shipped (ImageNet val), the wrong class is made up; on Tiny-ImageNet all of it is real.
"""

import html.parser
import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import analysis
from analysis import classes, paths, tables
from analysis.errors import AnalysisError, InputError, IntegrityError, ResourceError, UsageError
from analysis.measure import agreement, shift
from analysis.measure.accuracy import wilson
from analysis.reporting import compute, diagnose, draw, forms, place, reading, words

VAL, V2, TINY = "imagenet-val", "imagenetv2-matched-frequency", "tiny-imagenet"
MODEL = "imagenetv2/resnet50"
REAL_LABELS = "google-research+reassessed-imagenet/real.json"


def _made(dataset: str, model: str) -> pd.DataFrame:
    """Predictions that are right where the shipped model is, and the next class but 6 where it is wrong."""
    shipped = tables.correct(dataset, models=[model])
    label = shipped.class_id.astype(int)
    pred = np.where(shipped.right[0], label, (label + 7) % 1000)
    return pd.DataFrame({"item_id": shipped.item_id, "label": label, "pred": pred})


@pytest.fixture(scope="module")
def val():
    return _made(VAL, MODEL)


@pytest.fixture(scope="module")
def tiny():
    rows = tables.read_predictions(dataset=TINY)
    return rows[["item_id", "label", "pred", "confidence"]].reset_index(drop=True)


@pytest.fixture(scope="module")
def made(tiny):
    return analysis.report(tiny, dataset=TINY, name="lite0")


@pytest.fixture(scope="module")
def shifted(val):
    both = [val.drop(columns="label"), _made(V2, MODEL).drop(columns="label")]
    return analysis.report(both, name="resnet50")


def _told(source, **options) -> str:
    """The one line that refuses a file."""
    target = options.pop("target", None)
    with pytest.raises(InputError) as refused:
        reading.answers(forms.read(source, target=target), **options)
    text = str(refused.value)
    assert refused.value.code == 3 and "\n" not in text and text.startswith("error[")
    return text


# ---- Numbers ---------------------------------------------------------------------------------------------------------


def test_classes_are_those_of_the_shipped_counts(made):
    counts = tables.read_counts(dataset=TINY, models=["package/efficientnet_lite0"]).set_index("class_id")
    found = made.classes[made.classes["n"] > 0].set_index("class_id")
    assert found["correct"].to_dict() == counts["correct"].to_dict()
    assert found["predicted"].to_dict() == counts["predicted"].to_dict()
    assert np.isclose(found["precision"].dropna(), (counts["correct"] / counts["predicted"]).dropna()).all()
    sums = counts["confidence_sum"].sum() / counts["n"].sum() - counts["correct"].sum() / counts["n"].sum()
    assert made.sets[0].findings.overall["gap"] == pytest.approx(sums, abs=1e-6)


def test_recall_is_not_precision():
    made = analysis.report({"label": [0, 0, 0, 1], "pred": [0, 0, 1, 1]})
    assert made.classes["accuracy"].tolist() == [2 / 3, 1] and made.classes["precision"].tolist() == [1, 0.5]


def test_every_extreme_has_its_estimate_and_its_null(made):
    rows = made.extremes.set_index("functional")
    assert list(rows.index) == list(compute.EXTREMES)
    assert rows[["estimate", "estimate_low", "estimate_high", "null", "null_low", "null_high"]].notna().all(axis=None)
    worst = rows.loc["worst_q"]
    assert worst["read_off"] < worst["estimate"] < worst["crossfit"] < worst["null_low"]
    assert rows.loc["minimum", "read_off"] < rows.loc["minimum", "estimate"]


def test_estimates_are_unbiased_where_what_is_read_off_is_not():
    rng = np.random.default_rng(3)
    p = rng.beta(8, 2.5, 1000)
    k, label = rng.binomial(10, p), np.repeat(np.arange(1000), 10)
    right = (np.arange(10) < k[:, None]).ravel()
    found = _answers({"label": label, "pred": np.where(right, label, (label + 7) % 1000)})
    rows = compute.findings(found).extremes
    worst, truth = rows.set_index("functional").loc["worst_q"], np.sort(p)[:50].mean()
    assert worst["estimate_low"] < truth < worst["estimate_high"] and worst["read_off"] < truth - 0.1
    assert worst["crossfit"] > truth


def test_named_lists_adjust_over_all_classes():
    label = np.repeat(np.arange(40), 50)
    right = np.tile(np.arange(50), 40) < np.repeat([17, *[45] * 39], 50)
    alone = analysis.report({"label": label, "pred": np.where(right, label, (label + 7) % 40)}).classes
    # 17 of 50 has p = .016 by itself, which does not survive 40 classes.
    assert alone["weak_p"][0] == pytest.approx(0.0164, abs=1e-3) and alone["weak_p_bh"][0] == pytest.approx(
        0.656, abs=0.01
    )
    assert not alone["named_bh"].any()


def test_place_and_sharing_are_those_of_the_measures(shifted, val):
    one = shifted.sets[0]
    assert one.answers.dataset == VAL and MODEL in one.rank["twins"] and MODEL not in set(one.place["model"])
    known = tables.correct(VAL, models=["imagenetv2/alexnet", MODEL])
    r = agreement.corrected_r(agreement.u_moments(known.right, known.class_index, 1000))[0, 1]
    row = one.sharing.set_index("model").loc["imagenetv2/alexnet"]
    assert row["r"] == pytest.approx(r, abs=1e-9) and row["r_low"] < r < row["r_high"] and row["raw"] < r
    table = one.place.set_index("model")
    difference = known.right[1].mean() - known.right[0].mean()
    assert table.loc["imagenetv2/alexnet", "difference"] == pytest.approx(difference)
    assert one.rank["overall"]["rank"] == 1 + (table["overall"] > known.right[1].mean()).sum()
    assert one.rank["overall"]["better"] + one.rank["overall"]["worse"] + one.rank["overall"]["apart"] == len(table) - 1
    assert one.shared["chance"] == 2.5 and one.shared["ceiling"] > 20


def test_shift_has_contrast_and_mirror_of_opposite_sign(shifted):
    (clean, other, found, why), counts = shifted.shifts[0], [tables.counts(name, models=[MODEL]) for name in (VAL, V2)]
    assert (clean, other, why) == (VAL, V2, "") and not found["paired"]
    kc, ks = counts[0].correct[0], counts[1].correct[0]
    nc, ns = counts[0].n[0], counts[1].n[0]
    assert found["naive"] == pytest.approx(shift.naive_contrast(kc=kc, nc=nc, ks=ks, ns=ns, q=50).points[0])
    assert found["r"] == pytest.approx(shift.shift_level(kc=kc, nc=nc, ks=ks, ns=ns).corrected[0])
    assert found["contrast_high"] < 0 < found["mirror_low"] and found["contrast_low"] < found["contrast"]
    assert "opposite signs" in shifted.html()


def test_the_same_items_changed_are_read_as_pairs(tiny):
    changed = tables.read_predictions(dataset="tiny-imagenet-c-local/brightness/3")
    both = [tiny.drop(columns="label"), changed[["item_id", "pred"]]]
    answered = [
        reading.answers(forms.read(part), dataset=name)
        for part, name in zip(both, (TINY, "tiny-imagenet-c-local/brightness/3"), strict=True)
    ]
    found, why = place.shifted(*answered)
    assert not why and found["paired"] and found["overall_clean"] > found["overall_shift"]
    assert np.isfinite([found["contrast_low"], found["mirror_high"], found["r"]]).all()
    assert found["note"] == "Read on the 2,000 items of both sets, each with itself; 8,000 and 0 others are left out."


def _shipped_answers(dataset: str) -> reading.Answers:
    known = reading.known_items(dataset)
    wrong = np.random.default_rng(0).random(len(known.item_id)) < 0.2 + 0.02 * known.class_id
    pred = np.where(wrong, (known.class_id + 1) % (known.class_id.max() + 1), known.class_id)
    return _answers({"id": known.item_id, "pred": pred}, dataset=dataset)


@pytest.mark.parametrize("version", ["cifar10.1-v4", "cifar10.1-v6"])
def test_other_items_with_the_same_numbers_are_no_pairs(version):
    clean, other = _shipped_answers("cifar10"), _shipped_answers(version)
    assert len(np.intersect1d(clean.item_id, other.item_id)) == len(other.item_id)
    found, why = place.shifted(clean, other)
    assert not why and not found["paired"] and found["overall_clean"] == clean.right.mean()


def test_which_sets_are_of_the_same_items_is_a_fact_of_the_table():
    for one, root in {
        "banking77/typo/3": "banking77",
        "cifar10-c/fog/3": "cifar10",
        "tiny-imagenet-c-local/fog/3@1000": "tiny-imagenet",
        "imagenetv2-top-images": "imagenetv2-top-images",
        "ood16/colour/bw": "ood16/colour/bw",
        "cifar10-split-1": "cifar10-split-1",
    }.items():
        assert place.items_of(one) == root
    noisy = place.shifted(_shipped_answers("20news"), _shipped_answers("20news/typo/3"))[0]
    assert noisy["paired"] and noisy["note"] == "Read on the 7,019 items of both sets, each with itself."


@pytest.mark.parametrize(
    ("clean", "other", "told"),
    [
        ("hint3-curekart", "hint3-curekart-v2", "of 446 ids that stand in both sets have other labels"),
        ("cifar10.1-v4", "cifar10.1-v6", "2,000 of 2,000 ids that stand in both sets have other labels"),
        ("imagenetv2-matched-frequency", "imagenetv2-top-images", "3,070 of the 10,000 items"),
    ],
)
def test_sets_that_share_some_items_are_refused(clean, other, told):
    found, why = place.shifted(_shipped_answers(clean), _shipped_answers(other))
    assert not found and why.startswith("not run") and told in why


def _corrupted(seed: int, *, loss: float = 0.15) -> list[dict]:
    """200 classes of 10 items, and the same items corrupted: the true accuracy of every class falls by `loss`."""
    rng = np.random.default_rng(seed)
    p, label = rng.uniform(0.35, 0.95, 200), np.repeat(np.arange(200), 10)
    hard = rng.random(2000)
    made = []
    for right in (hard < p[label], hard < p[label] - loss):
        pred = np.where(right, label, (label + rng.integers(1, 200, 2000)) % 200)
        made.append({"id": [f"item {i}" for i in range(2000)], "label": label, "pred": pred})
    return made


def test_corrupted_copies_of_own_items_are_pairs():
    both = [[_answers(part) for part in _corrupted(seed)] for seed in range(8)]
    found = [place.shifted(*answered)[0] for answered in both]
    assert all(one["paired"] and "their ids and labels agree" in one["note"] for one in found)
    contrast = np.array([one["contrast"] for one in found])
    assert abs(contrast.mean()) < 3 * contrast.std(ddof=1) / 8**0.5 + 0.005 and abs(contrast.mean()) < 0.03
    inside = sum(one["contrast_low"] < 0 < one["contrast_high"] for one in found)
    assert inside >= 6
    # Read as independent, the items that chose the weak classes are read again, corrupted.
    apart = [place.shifted(a, replace(b, item_id=b.item_id + "b"))[0] for a, b in both]
    assert not any(one["paired"] for one in apart)
    assert abs(np.mean([one["contrast"] for one in apart])) > 2 * abs(contrast.mean()) + 0.02


def test_numbers_of_rows_make_no_pairs():
    both = [_answers({key: part[key] for key in ("label", "pred")}) for part in _corrupted(0)]
    assert all(one.positional for one in both)
    found, why = place.shifted(*both)
    assert not why and not found["paired"] and "without item ids" in found["note"]


def test_own_sets_that_overlap_are_declared():
    clean, other = _corrupted(0)
    some = [f"item {i}" if i % 4 == 0 else f"other {i}" for i in range(2000)]
    found, why = place.shifted(_answers(clean), _answers(other | {"id": some}))
    assert not found and "500 of the 2,000 items of the smaller set also stand in the other" in why
    moved = {key: np.roll(value, 1000) for key, value in other.items() if key != "id"}
    found, why = place.shifted(_answers(clean), _answers(other | moved))
    assert not why and not found["paired"] and "read as other items" in found["note"]
    few = other | {"label": np.where(np.arange(2000) < 20, 7, other["label"])}
    assert "have other labels" in place.shifted(_answers(clean), _answers(few))[1]


def test_shift_is_read_on_three_scales(shifted):
    found, counts = shifted.shifts[0][2], [tables.counts(name, models=[MODEL]) for name in (VAL, V2)]
    for name in ("contrast", "mirror"):
        for suffix in ("", "_ratio", "_logit"):
            low, value, high = (found[f"{name}{suffix}{end}"] for end in ("_low", "", "_high"))
            assert low < value < high
    (kc, ks), (nc, ns) = [one.correct[0] for one in counts], [one.n[0] for one in counts]
    direct = shift.naive_contrast(kc=kc, nc=nc, ks=ks, ns=ns, q=50)
    assert [found[f"naive{end}"] for end in ("", "_ratio", "_logit")] == pytest.approx([x[0] for x in direct[:3]])
    told = words.shift_table(shifted.shifts)
    assert [row[2] for row in told.rows] == ["points", "share kept, %", "logit"] and all(row[3] for row in told.rows)


def _ends(points, ratio, logit, mirror=None) -> dict:
    one = {"q": 50}
    for name, three in (("contrast", (points, ratio, logit)), ("mirror", mirror or (points, ratio, logit))):
        for suffix, (low, high) in zip(("", "_ratio", "_logit"), three, strict=True):
            one |= {f"{name}{suffix}_low": low, f"{name}{suffix}_high": high}
    return one


def test_a_verdict_on_shift_names_its_scale():
    """Strong classes fall from 95 to 80, weak ones from 30 to 20: fewer points lost, and a smaller share kept."""
    more, less, zero = (0.1, 0.2), (-0.2, -0.1), (-0.1, 0.1)
    mixed = words.shift_reading(_ends(less, more, zero))
    assert mixed.startswith("The scales do not agree") and "Points: the 50 weak classes lose fewer points" in mixed
    assert "Share kept: the 50 weak classes keep a smaller share" in mixed and "Logit: cannot tell" in mixed
    assert "on every scale" not in mixed
    assert words.shift_reading(_ends(more, more, more)).startswith(
        "The 50 weak classes lose more than the rest on every"
    )
    assert words.shift_reading(_ends(more, more, more, (less, less, less))).startswith("Contrast and mirror have oppo")
    assert words.shift_reading(_ends(zero, zero, (np.nan, np.nan))).startswith("Cannot tell on every scale")


@pytest.mark.parametrize(
    ("n", "p"),
    [
        ([5] * 10, 0.98),
        ([5] * 10, 0.8),
        ([1, 1, 1, 2, 3, 5, 10, 50, 200, 800], [0.5] * 5 + [0.95] * 5),
        (range(3, 31, 3), 0.98),
        ([1] * 30, 0.9),
    ],
)
def test_the_interval_of_the_mean_class_accuracy_covers(n, p):
    rng, n = np.random.default_rng(0), np.array(n)
    p = np.broadcast_to(p, n.shape)
    drawn = [compute.mean_class_interval(k, n) for k in rng.binomial(n, p, (2000, len(n)))]
    assert np.mean([low <= p.mean() <= high for _, low, high in drawn]) >= 0.93


def test_precision_has_its_interval_and_counts(made):
    rows = made.classes.dropna(subset=["precision"])
    low, high = wilson((rows["precision"] * rows["predicted"]).round().astype(int).to_numpy(), rows["predicted"])
    assert np.allclose(rows["precision_low"], low) and np.allclose(rows["precision_high"], high)
    found = made.sets[0].findings
    place_of = int((found.weakest["predicted"].to_numpy() > 0).argmax())
    first, cell = found.weakest.iloc[place_of], words.weak(found).rows[place_of][4]
    assert cell.endswith(f" of {first['predicted']}") and "[" in cell and cell in made.html()


def test_confusions_stand_beside_their_own_null():
    """Wrong answers at random: picked on the items themselves the top pairs seem something, read again they do not."""
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(30), 60)
    pred = np.where(rng.random(1800) < 0.5, label, rng.integers(0, 30, 1800))
    found = compute.findings(_answers({"label": label, "pred": pred}))
    one = found.overall
    assert one["pairs_null"] > 2 * one["pairs_reread_null"]
    assert one["pairs_reread"] == pytest.approx(one["pairs_reread_null"], abs=0.01)
    assert one["pairs_share"] == pytest.approx(one["pairs_null"], abs=0.01)
    told = words.confusion_sentence(found)
    ends = [words.percent(one[name]) for name in ("pairs_share", "pairs_null", "pairs_reread", "pairs_reread_null")]
    assert re.findall(r"\d+\.\d", told) == ends
    assert any("if fixed in advance" in name for name in words.confusions(found).head)
    assert any("confusions picked as the most frequent: their shares lie too high" in text for _, text in words.METHODS)


def test_no_empirical_bayes_list_is_not_a_list_of_none():
    made = analysis.report({"label": np.repeat([0, 1, 2], 20), "pred": np.repeat([0, 1, 2, 0], 15)})
    found = made.sets[0].findings
    assert np.isnan(found.overall["named_eb"]) and made.classes["named_eb"].isna().all()
    told = words.weak_sentence(found)
    assert "an empirical Bayes list is not defined because" in told and "0 by" not in told
    assert "by empirical Bayes" not in made.html()


def test_the_null_band_holds_at_all_ranks_at_once():
    n = np.repeat([20, 40], 20)
    low, high = compute.null_band(n, 0.7, rng=np.random.default_rng(0))
    fresh = np.sort(np.random.default_rng(1).binomial(n, 0.7, (1000, 40)) / n)
    assert 0.92 < ((low <= fresh) & (fresh <= high)).all(axis=1).mean() <= 1
    each = np.quantile(fresh, [0.025, 0.975], axis=0)
    assert ((each[0] <= fresh) & (fresh <= each[1])).all(axis=1).mean() < 0.85


def test_the_figure_draws_that_band(made, monkeypatch):
    asked = []
    band = draw.null_band
    monkeypatch.setattr(draw, "null_band", lambda *given, **options: asked.append(given) or band(*given, **options))
    assert "all ranks at once" in draw.curve(made.sets[0].findings, rng=np.random.default_rng(0)) and len(asked) == 1
    assert "only what leaves it is a difference" not in made.html() and "at all ranks at once" in made.html()


def test_the_terminal_names_the_estimand(shifted, capsys):
    shifted.show()
    out = " ".join(capsys.readouterr().out.split())
    assert "for these classes and fresh items (C); those marked G for fresh classes" in out and "about 90 %" in out
    assert "ratio 1" not in out and words.RATIO in shifted.html()


def test_sets_of_other_classes_are_not_compared(tiny):
    other = {"label": np.repeat([0, 1, 2, 3], 20), "pred": np.repeat([0, 1, 2, 3], 20)}
    made = analysis.report([tiny.drop(columns="label"), other], dataset=[TINY, "own"])
    assert made.shifts[0][3].startswith("not run") and "not run" in made.html()


def test_equal_classes_are_told_to_be_perhaps_equal(made):
    """A smooth prior cannot hold classes that are all alike: the estimate of the weakest is then too low."""
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(100), 10)
    equal = np.where(rng.random(1000) < 0.75, label, (label + 7) % 100)
    notes = analysis.report({"label": label, "pred": equal}).sets[0].loud
    assert any(note.startswith("The classes may well be equally hard") for note in notes)
    assert not any("equally hard" in note for note in made.sets[0].notes)


@pytest.mark.parametrize(("shift_by", "what"), [(0, "errors"), (7, "right answers")])
def test_without_errors_there_is_nothing_to_estimate(shift_by, what):
    label = np.repeat(np.arange(30), 20)
    found = compute.findings(_answers({"label": label, "pred": (label * 7 + 3) % 30 if shift_by else label}))
    assert f"without {what} there is nothing" in found.why["extremes"] and found.extremes.empty


def test_a_read_off_figure_stands_beside_its_null(made):
    rows = words.headline(made.sets[0].findings).rows
    worst = made.extremes.set_index("functional").loc["worst_q"]
    beside = next(row[2] for row in rows if "weakest" in row[0])
    assert beside == f"read off {100 * worst['read_off']:.1f}, and {100 * worst['null']:.1f} if all were equally hard"


def test_no_better_than_chance_is_measured_by_chance():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 300)
    fair = np.where(rng.random(300) < 0.5, label, rng.integers(0, 3, 300))
    assert 0.6 < (fair == label).mean() < 2 / 3 and not reading._luck(label, fair)
    assert reading._luck(label % 2, 1 - label % 2)
    assert reading._luck(label, rng.integers(0, 3, 300)) and reading._luck(label, np.zeros(300, int))


def test_models_outside_the_claims_are_the_true_reason(made):
    assert "only models outside the claims" in made.sets[0].place_why and "the claims compare" in made.html()


def test_a_model_below_chance_is_no_shift_of_rows():
    """In other rows it only comes back to chance."""
    rng = np.random.default_rng(0)
    ten, two, three = (rng.integers(0, size, 3000) for size in (10, 2, 3))
    for label, pred in (
        (ten, np.where(rng.random(3000) < 0.02, ten, (ten + rng.integers(1, 10, 3000)) % 10)),
        (two, np.where(rng.random(3000) < 0.31, two, 1 - two)),
        (three, (three + 1) % 3),
    ):
        assert diagnose.row_order(label, pred) is None


@pytest.mark.parametrize("options", [{"seed": -1}, {"seed": 1.5}, {"name": "../../esc"}, {"name": "/esc"}])
def test_strange_options_are_usage_errors(options):
    with pytest.raises(UsageError):
        analysis.report({"label": [0, 1], "pred": [0, 1]}, **options)


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    made = analysis.report({"label": [0, 1], "pred": [0, 1]})
    for folder in (tmp_path / "file" / "sub", "/proc/x"):
        with pytest.raises(ResourceError):
            made.write(folder)


# ---- Forms -----------------------------------------------------------------------------------------------------------


def _answers(source, **options):
    return reading.answers(forms.read(source), **options)


def test_every_form_gives_the_same_answers(tiny, tmp_path):
    wanted = _answers(tiny, dataset=TINY)
    wnid = classes.table("tiny-imagenet")["wnid"]
    plain = tiny[["item_id", "pred"]]
    files = tiny.assign(filename="val/images/" + tiny["item_id"] + ".JPEG")
    plain.to_csv(tmp_path / "plain.csv", index=False)
    tiny.drop(columns="confidence").sample(frac=1, random_state=0).to_parquet(tmp_path / "shuffled.parquet")
    timm = pd.DataFrame({"filename": files["filename"], "index": tiny["pred"], "prob": tiny["confidence"]})
    timm.to_csv(tmp_path / "timm.csv", index=False)
    timm.set_index("filename").to_parquet(tmp_path / "timm.parquet")
    timm.set_index("filename").to_json(tmp_path / "timm.json", indent=4, orient="index")
    timm.to_json(tmp_path / "timm-split.json", orient="split", index=False)
    timm.to_json(tmp_path / "timm-lines.json", orient="records", lines=True)
    named = timm.drop(columns="index").assign(label=tiny["pred"].map(wnid))  # --label-type name
    named.to_csv(tmp_path / "timm-name.csv", index=False)
    own = np.sort(wnid.index)
    others = [own[(np.searchsorted(own, tiny["label"]) + step) % 200] for step in (1, 2, 3)]
    five = np.stack([tiny["pred"], tiny["label"], *others], axis=1)
    wide = {f"index_{i}": five[:, i] for i in range(5)} | {f"prob_{i}": tiny["confidence"] / (i + 1) for i in range(5)}
    pd.DataFrame({"filename": files["filename"]} | wide).to_csv(tmp_path / "timm-wide.csv", index=False)
    text = pd.DataFrame({"filename": files["filename"], "index": [str(row) for row in five]})  # as NumPy prints it
    text.to_csv(tmp_path / "timm-lists.csv", index=False)
    np.savez(tmp_path / "torch.npz", path=files["filename"].to_numpy(str), target=tiny["label"], output=tiny["pred"])
    np.save(tmp_path / "rows.npy", plain.set_index("item_id")["pred"][reading.known_items(TINY).item_id].to_numpy())
    for path in sorted(tmp_path.iterdir()):
        order = "text" if path.name == "rows.npy" else "id"
        found = _answers(path, dataset=TINY, order=order)
        same = pd.Series(found.pred, found.item_id)[wanted.item_id].to_numpy()
        assert (same == wanted.pred).all() and found.right.mean() == wanted.right.mean(), path.name
    assert len(list(tmp_path.iterdir())) == 12
    wide = _answers(tmp_path / "timm-wide.csv", dataset=TINY)
    assert wide.top5.all() and np.allclose(wide.confidence, tiny["confidence"])
    assert _answers(tmp_path / "timm-lists.csv", dataset=TINY).top5.all()


def test_our_own_tables_are_read(tiny, tmp_path):
    from analysis import store

    columns = {name: tiny[name].to_numpy() for name in tiny}
    rank = np.full(len(tiny), -1, dtype=np.int32)
    five = np.tile(tiny["pred"].to_numpy()[:, None], 5)
    table = store.Table(**columns, label_rank=rank, top5=five)
    (tmp_path / "shown.csv").write_text(store.as_csv(table), encoding="utf-8")
    found = _answers(tmp_path / "shown.csv", dataset=TINY)
    assert found.confidence is not None and (found.top5 == found.right).all()
    shipped = next(path for path in tables.prediction_files() if path.stem == TINY)
    made = analysis.report(shipped, dataset=TINY)
    assert made.sets[0].findings.overall["n_items"] == len(tiny)
    with pytest.raises(InputError, match="--dataset"):
        analysis.report(shipped)


def test_a_folder_of_hugging_face_datasets(tiny, tmp_path):
    names = [str(name) for name in classes.names("imagenet")]
    rows = tiny.sample(400, random_state=1)
    table = pa.table({"image_id": rows["item_id"], "label": rows["label"], "prediction": rows["pred"]})
    folder = tmp_path / "saved"
    folder.mkdir()
    with (
        pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as to,
    ):
        to.write_table(table)
    features = {"label": {"names": names, "_type": "ClassLabel"}, "prediction": {"dtype": "int64", "_type": "Value"}}
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}), encoding="utf-8")
    found = _answers(folder, dataset="own")
    assert found.right.sum() == (rows["label"] == rows["pred"]).sum() and found.classes["title"][0] == "tench"
    assert "name one split" in _told(tmp_path)


def test_numbers_that_a_file_names_are_read_by_name(tmp_path):
    names = classes.names("banking77")
    own = sorted(names)  # as on the hub: another order than the authors'
    known = reading.known_items("banking77")
    number = np.array([own.index(names[i]) for i in known.class_id])
    table = pa.table({"id": known.item_id, "label": number, "prediction": np.where(number == 3, 4, number)})
    features = {"label": {"names": own, "_type": "ClassLabel"}}
    stated = json.dumps({"info": {"features": features}}).encode()
    pq.write_table(table.replace_schema_metadata({"huggingface": stated}), tmp_path / "hub.parquet")
    found = _answers(tmp_path / "hub.parquet", dataset="banking77")
    wrong = found.n[found.k < found.n]
    assert found.right.sum() == 3080 - 40 and wrong.tolist() == [40]
    assert found.classes["title"][int(np.flatnonzero(found.k < found.n)[0])] == own[3]
    assert any("by the names" in note for note in found.notes)


def test_scores_and_names():
    scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.25, 0.25], [0.2, 0.2, 0.6]])
    raw = forms.read(scores, target=np.array([1, 0, 0]))
    assert raw.pred.tolist() == [1, 0, 2] and raw.confidence.tolist() == [0.7, 0.5, 0.6] and not raw.notes
    raw = forms.read(np.log(scores), target=np.array([1, 0, 0]))
    assert np.allclose(raw.confidence, [0.7, 0.5, 0.6]) and "softmax" in raw.notes[0]
    label = ["cat", "dog", "cat"] * 5
    found = analysis.report({"label": label, "pred": ["cat", "cat", "cat"] * 5}).classes.set_index("name")
    assert found["accuracy"].to_dict() == {"cat": 1, "dog": 0}


def test_names_must_be_unique():
    known = reading.known_items(VAL)
    names = np.array(classes.names("imagenet"), dtype=object)[known.class_id]
    frame = pd.DataFrame({"filename": known.item_id, "label": names, "prob": 0.5})
    assert "134 n02012849 or 517 n03126707" in _told(frame) and "--include-index" in _told(frame)
    unique = frame.assign(label=[classes.wnids()[i] for i in known.class_id])
    assert _answers(unique).right.all()
    strange = frame.assign(label=np.where(names == "tench", "tenchh", unique["label"]))
    assert "near: tench" in _told(strange)


# ---- What is wrong is named ------------------------------------------------------------------------------------------


def _by_text(p):
    return np.array(sorted(range(1000), key=str))[p]


def _reversed(p):
    return np.argsort(sorted(range(1000), key=str))[p]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda p: p + 1, "off by one (numbered from 1)"),
        (lambda p: np.where(p == 0, 999, p - 1), "off by one (too low)"),
        (_reversed, "sorted as text"),
        (_by_text, "sorted as text"),
        (lambda p: np.roll(p, 1), "one row late"),
        (lambda p: np.roll(p, -1), "one row early"),
    ],
)
def test_mix_ups_of_classes_and_rows_are_named(val, fault, words):
    """E2, E5, E6: with the items in the order of class folders a shift by a row costs few points."""
    rows = val.iloc[diagnose.orders(val["item_id"], val["label"])["folder"]]
    told = _told(rows.assign(pred=fault(rows["pred"].to_numpy())).drop(columns="label"))
    assert words in told and "accuracy is" in told and "would be 76." in told


@pytest.mark.parametrize("order", ["folder", "folder-text"])
def test_rows_in_another_order_are_named(val, order):
    rows = val["pred"].to_numpy()[diagnose.orders(val["item_id"], val["label"])[order]]
    told = _told(rows, dataset=VAL)
    assert "order" in told and f"--order {order}" in told
    assert reading.answers(forms.read(rows), dataset=VAL, order=order).right.mean() == pytest.approx(0.76, abs=0.01)
    beside_ids = pd.DataFrame({"item_id": val["item_id"], "pred": rows})
    assert "beside the id" in _told(beside_ids)


def test_a_row_lost_in_the_middle_is_found(val):
    """E3: accuracy falls by less than a point, yet the place is named."""
    pred = val["pred"].to_numpy()[diagnose.orders(val["item_id"], val["label"])["folder"]]
    moved = np.concatenate([pred[:25_000], pred[25_001:], pred[:1]])
    told = _told(moved, dataset=VAL, order="folder")
    assert abs(int(re.search(r"from about row (\d+) on", told)[1]) - 25_000) < 500 and "one row early" in told


def test_an_honest_weak_model_is_not_taken_for_a_mix_up():
    rng = np.random.default_rng(0)
    label = np.sort(rng.integers(0, 50, 5000))
    for accuracy in (0.0, 0.02, 0.1, 0.5):
        pred = np.where(rng.random(5000) < accuracy, label, rng.integers(0, 50, 5000))
        assert diagnose.row_order(label, pred) is None and diagnose.numbering(label, pred, np.arange(50)) is None
    binary = rng.integers(0, 2, 20_000)
    assert diagnose.row_order(binary, rng.integers(0, 2, 20_000)) is None
    assert diagnose.numbering(binary, 1 - binary, np.arange(2)) is None


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda f: f.iloc[:-16], "16 of its 50000 items are missing"),
        (lambda f: pd.concat([f, f.iloc[:2]]), "an item id repeated in 2 of 50002 rows"),
        (lambda f: f.assign(item_id=f["item_id"].where(f.index != 3, "holiday.jpg")), "1 of 50000 ids are not of"),
        (lambda f: f.assign(pred=f["pred"].where(f.index != 7, 1000)), "1000 in row 8"),
        (lambda f: f.assign(pred=f["pred"].where(f.index != 7, -1)), "-1 in row 8"),
        (lambda f: f.assign(pred=f["pred"].where(f.index != 7)), "no prediction in 1 of 50000 rows (first: row 8)"),
        (lambda f: f.assign(confidence=np.where(f.index == 4, np.nan, 0.5)), "missing or NaN in 1 of 50000"),
        (lambda f: f.assign(confidence=50.0), "per cent"),
        (lambda f: f.assign(label=np.roll(f["label"], 1)), "labels differ"),
        (lambda f: f.assign(label=f["label"] + 1), "labels look off by one"),
        (lambda f: f.drop(columns="pred"), "no column of predictions"),
        (lambda f: f.iloc[:0], "no rows"),
        (lambda f: f.assign(model=np.where(f.index < 9, "a", "b")), "answers of 2 models"),
        (lambda f: f.assign(model=[None] * 9 + ["b"] * (len(f) - 9)), "answers of 2 models (none, b)"),
    ],
)
def test_faulty_tables_are_refused(val, fault, words):
    assert words in _told(fault(val), dataset=VAL)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (np.zeros((3, 1), int), "shape (3, 1)"),
        (np.zeros((2, 3, 4)), "shape (2, 3, 4)"),
        (np.zeros(5, int), "neither ids nor labels"),
        ({"label": [0, 1], "pred": [0.5, 1.0]}, "fractions"),
        ({"label": [0, 1], "pred": [0]}, "differ in length"),
        ({"label": [0, 1], "pred": ["a", "b"]}, "labels are numbers and predictions text"),
        ({"label": ["cat", "dog"], "pred": ["Cat", "Dog"]}, "they differ in case"),
        ({"label": ["cat", "dog"], "pred": ["hen", "fox"]}, "no prediction is among the names of the labels"),
        ({"label": [-1, -1], "pred": [0, 1]}, "every label is -1"),
        ({"id": [1.5, 2.0], "label": [0, 1], "pred": [0, 1]}, "fractions"),
        ({"label": [0, 1], "pred": [0, -2]}, "class numbers run from -2"),
        (np.full((3, 4), np.nan), "not a number"),
        ({"label": [0, 1], "logits": np.eye(2, dtype=np.int64)}, "scores are int64"),
        ({"label": [0, 1], "topk": [[], []]}, "classes in different rows"),
    ],
)
def test_faulty_arrays_are_refused(source, words):
    assert words in _told(source)


def test_faulty_files_are_refused(tmp_path):
    files = {
        "a.csv": ("", "empty"),
        "b.csv": ("item_id;pred\n1;2\n", "not separated by commas"),
        "c.csv": ("item_id,pred\n1\n", "fields"),
        "d.csv": ("ILSVRC2012_val_00000001.JPEG,65\nx,3\n", "no header"),
        "e.csv": ("model,top1,top1_err,top5,top5_err\nresnet50,80,20,95,5\n", "summary of models"),
        "f.parquet": ("PAR1", "not Parquet"),
        "g.npy": ("nothing", "not a plain array"),
        "h.pt": ("x", "never opened"),
        "i.json": ('{"a": ', "not JSON"),
        "j.txt": ("x", "are not read"),
        "k.csv": ("item_id,pred\n", "no rows"),
        "l.parquet": ("", "the file is empty"),
        "m.json": ('{"a": 1}', "neither rows nor columns"),
        "n.json": ("[]", "neither rows nor columns"),
    }
    for name, (content, told) in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
        assert told in _told(tmp_path / name), name
    assert "no such file" in _told(tmp_path / "nowhere.csv")
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert "pickles" in _told(tmp_path / "objects.npy")


def test_numbers_among_the_own_classes_are_named(tiny):
    own = np.searchsorted(np.sort(classes.ids(TINY)), tiny["pred"])
    told = _told(tiny.assign(pred=own).drop(columns="label"), dataset=TINY)
    assert "among the 200 classes of this set" in told


def test_wrong_options_are_usage_errors(val):
    for options in ({"dataset": "imagenet-vall"}, {"labels": "best"}, {"order": "random"}):
        with pytest.raises(UsageError):
            _answers(val, **({"dataset": VAL} | options))
    with pytest.raises(UsageError, match="ReaL"):
        analysis.report({"label": [0], "pred": [0]}, labels="real")
    with pytest.raises(UsageError, match="one model"):
        analysis.report([val, val])


def test_a_part_of_the_items_if_asked_for(val):
    some = val.iloc[::50].drop(columns="label")
    found = _answers(some, allow_missing=True)
    assert len(found.label) == 1000 and "1000 of the 50000 items" in found.notes[0]


# ---- ReaL ------------------------------------------------------------------------------------------------------------


def _have_real() -> bool:
    from analysis.sources import fetch

    try:
        return bool(fetch.locate(REAL_LABELS))
    except AnalysisError:
        return False


def test_real_labels_are_the_shipped_answers(val):
    if not _have_real():
        pytest.skip("the published file of the ReaL labels is not on this machine")
    shipped = tables.correct(VAL, models=[MODEL], labels="real")
    found = _answers(val[["item_id", "pred"]], labels="real")
    order = pd.Index(found.item_id, dtype=object).get_indexer(shipped.item_id)
    original = tables.correct(VAL, models=[MODEL])
    kept = pd.Index(original.item_id, dtype=object).get_indexer(shipped.item_id)
    # Where the network is right by the original label the prediction is the label: ReaL says the same of both.
    same = original.right[0][kept]
    assert (found.right[order][same] == shipped.right[0][same]).all() and len(found.label) == 46837
    assert place.place(found)[1]["models"] > 60


def test_without_the_file_of_real_labels_one_line_says_so(val, tmp_path, monkeypatch):
    from analysis.sources import imagenetv2

    monkeypatch.setenv("ANALYSIS_MIRROR", "")
    monkeypatch.setattr(paths, "raw", lambda: tmp_path)
    imagenetv2.items.cache_clear()
    with pytest.raises(IntegrityError, match="ReaL labels need published files") as refused:
        _answers(val[["item_id", "pred"]], labels="real")
    assert "make data" in str(refused.value)


# ---- Degenerate but valid --------------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
BLOCKS = np.repeat(np.arange(30), 20)
SIZES = np.repeat(np.arange(20), np.r_[[1] * 6, [2] * 3, [800], [30] * 10])
DEGENERATE = {
    "all right": (BLOCKS, BLOCKS),
    "all wrong": (BLOCKS, (BLOCKS * 7 + 3) % 30),
    "all tied": (BLOCKS, np.where(np.arange(600) % 2, BLOCKS, (BLOCKS + 7) % 30)),
    "one class": (np.zeros(30, int), RNG.integers(0, 2, 30)),
    "one item": (np.array([3]), np.array([3])),
    "one item a class": (np.arange(120), RNG.integers(0, 120, 120)),
    "two classes": (np.repeat([0, 1], 40), np.repeat([0, 1, 1, 0], 20)),
    "unequal": (SIZES, np.where(RNG.random(len(SIZES)) < 0.6, SIZES, RNG.integers(0, 20, len(SIZES)))),
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_input_gives_a_report(case, tmp_path, capsys):
    label, pred = DEGENERATE[case]
    made = analysis.report({"label": label, "pred": pred, "conf": np.full(len(label), 0.5)}, output=tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    one = made.sets[0].findings
    assert "nan" not in page.split("<style>")[0] + page.split("</style>")[1].replace("banana", "")
    if "extremes" in one.why:
        assert "not defined because" in page and one.extremes.empty
    else:
        assert one.extremes[["estimate", "null"]].notna().all(axis=None)
    made.show()
    assert "accuracy" in capsys.readouterr().out


def test_a_seed_gives_the_same_page(tiny):
    rows = tiny.iloc[:2000]
    pages = {analysis.report(rows, dataset="own", seed=1).html() for _ in range(2)}
    assert len(pages) == 1


# ---- Page and command ------------------------------------------------------------------------------------------------


class _Outline(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.ids, self.open, self.links, self.tags = [], [], [], set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href") and not value.startswith(("#", "data:")):
                self.links.append(value)
        if tag not in ("meta", "link", "path", "use", "rect", "br", "img", "stop"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag


def test_the_page_needs_nothing_else(made):
    page = made.html()
    outline = _Outline()
    outline.feed(page)
    assert not outline.open and not outline.links and "script" not in outline.tags and "svg" in outline.tags
    assert "<meta charset" in page and "viewport" in page
    shared = {one for one in outline.ids if outline.ids.count(one) > 1}
    assert not shared, f"ids used twice: {sorted(shared)[:5]}"
    assert all(f"{words}" in page for words in ("estimate", "if all were equally hard", "Benjamini-Hochberg"))


def test_text_from_a_file_is_escaped():
    name = "<script>alert(1)</script>"
    made = analysis.report({"label": [name, "b"] * 9, "pred": [name, name] * 9}, name=name)
    assert "<script" not in made.html() and "&lt;script&gt;" in made.html()


def _run(*arguments, **environment):
    import os

    return subprocess.run(
        [sys.executable, "-m", "analysis", "report", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | environment,
        cwd=paths.ROOT,
    )


def test_the_command_prints_and_writes(tiny, tmp_path):
    tiny.to_csv(tmp_path / "lite0.csv", index=False)
    done = _run(tmp_path / "lite0.csv", "--dataset", TINY, ANALYSIS_BUILD_DIR=str(tmp_path / "build"))
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "build" / "report" / "lite0"
    assert {path.name for path in folder.iterdir()} == {"report.html", "classes.csv", "confusions.csv", "extremes.csv"}
    assert str(folder / "report.html") in done.stdout and "equally hard" in done.stdout
    written = pd.read_csv(folder / "classes.csv")
    assert written["n"].sum() == len(tiny) and (written["low"] <= written["accuracy"]).all()


def test_the_command_refuses_in_one_line(val, tmp_path):
    val.assign(pred=val["pred"] + 1).drop(columns="label").to_csv(tmp_path / "late.csv", index=False)
    done = _run(tmp_path / "late.csv", "-o", tmp_path / "out")
    assert done.returncode == 3 and done.stderr.count("\n") == 1 and "off by one" in done.stderr
    assert not (tmp_path / "out").exists()
