"""One self-contained HTML page of a report: styles and figures inside, no script, nothing fetched."""

from html import escape

import numpy as np

from . import draw, words
from .compute import Findings

CSS = """
:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0;background:#f6f6f4;color:#202020;font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:1.7rem;line-height:1.2;margin:.2em 0;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:0 0 .5em}
h3{font-size:1rem;margin:1.4em 0 .4em}
p{margin:.5em 0;max-width:75ch}
.sub{color:#555}
section{background:#fff;border:1px solid #e2e2de;border-radius:8px;padding:18px 20px;margin:18px 0}
.set{margin:40px 0 0;font-size:1.4rem}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:18px 0}
.card{background:#fff;border:1px solid #e2e2de;border-radius:8px;padding:12px 14px}
.card b{display:block;font-size:1.5rem;line-height:1.2;font-variant-numeric:tabular-nums}
.card span{display:block;font-size:.83rem;color:#555}
.note{border-left:4px solid #d55e00;background:#fff6ef;padding:8px 14px;margin:8px 0}
.plain{border-left-color:#bdbdbd;background:#fff}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:12px 24px;align-items:start}
figure{margin:0}
figure svg{width:100%;height:auto;max-width:520px;display:block}
figcaption{font-size:.83rem;color:#555;max-width:60ch}
.wide{overflow-x:auto;margin:.6em 0}
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:4px 12px 4px 0;text-align:right;vertical-align:top;border-bottom:1px solid #eee;white-space:nowrap}
th{color:#555;font-weight:600;border-bottom:1px solid #bbb;white-space:normal;vertical-align:bottom;min-width:4.5em}
th:first-child,td:first-child,.text{text-align:left}
td:first-child{white-space:normal;min-width:7.5em}
.text{white-space:nowrap}
details summary{cursor:pointer;font-weight:600}
dt{font-weight:600}
dd{margin:0 0 .6em;max-width:80ch}
@media (max-width:480px){main{padding:12px 8px 40px}section{padding:14px 12px}h1{font-size:1.35rem}
.cards{grid-template-columns:1fr 1fr;gap:8px}.card b{font-size:1.2rem}}
@media print{body{background:#fff}section{break-inside:avoid;border:0;padding:0}}
"""
TEXT_COLUMNS = {"taken for", "named weak by", "beside it", "scale"}


def page(report) -> str:
    """The page of a `Report`."""
    body = [_head(report)]
    if report.shifts:
        body.append(_shift(report.shifts))
    for one in report.sets:
        if len(report.sets) > 1:
            body.append(f'<h2 class="set" id="{escape(one.title)}">{escape(one.title)}</h2>')
            body.append(_cards(one))
        body += [part(one) for part in (_hidden, _weak, _calibration, _confusions, _place, _sharing, _classes)]
    body.append(_method(report))
    title = escape(report.name)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}: class by class</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(filter(None, body))
        + "\n</main>\n</body>\n</html>\n"
    )


def _head(report) -> str:
    parts = [f"<h1>{escape(report.name)}, class by class</h1>"]
    parts.append(f'<p class="sub">{escape("; ".join(one.about for one in report.sets))}</p>')
    if len(report.sets) == 1:
        parts.append(_cards(report.sets[0]))
    for one in report.sets:
        loud = set(one.loud)
        for note in one.notes:
            where = f"{one.title}: " if len(report.sets) > 1 else ""
            parts.append(f'<p class="note{"" if note in loud else " plain"}">{escape(where + note)}</p>')
    return "\n".join(parts)


def _cards(one) -> str:
    found: Findings = one.findings
    values, cards = found.overall, []

    def add(value, what):
        cards.append(f'<div class="card"><b>{escape(value)}</b><span>{escape(what)}</span></div>')

    ends = f"{words.percent(values['low'])} to {words.percent(values['high'])}"
    add(f"{words.percent(values['accuracy'])} %", f"accuracy [{ends}]")
    if len(found.extremes):
        tail = found.extremes.set_index("functional")
        worst, below = tail.loc["worst_q"], tail.loc["below"]
        ends = f"{words.percent(worst.estimate_low)} to {words.percent(worst.estimate_high)}"
        what = f"mean of the {values['q']} weakest classes, estimated [{ends}]"
        what += f"; read off {words.percent(worst.read_off)}, and {words.percent(worst.null)} if all were equally hard"
        add(f"{words.percent(worst.estimate)} %", what)
        ends = f"{words.count(below.estimate_low)} to {words.count(below.estimate_high)}"
        what = f"classes below {words.percent(words.THRESHOLD, 0)} %, estimated [{ends}]"
        what += f"; read off {words.count(below.read_off)}, and {words.count(below.null)} if all were equally hard"
        add(words.count(round(below.estimate)), what)
    by_bayes = words.count(values["named_eb"])
    what = "classes can be named weak (Benjamini-Hochberg)" + (f"; {by_bayes} by empirical Bayes" if by_bayes else "")
    add(str(values["named_bh"]), what)
    if "gap" in values:
        ends = f"{words.percent(values['gap_low'])} to {words.percent(values['gap_high'])}"
        add(words.percent(values["gap"]), f"points of confidence minus accuracy [{ends}]")
    if one.rank:
        add(f"{one.rank['overall']['rank']} of {one.rank['models'] + 1}", "place among the shipped models by accuracy")
    return f'<div class="cards">{"".join(cards)}</div>'


def _hidden(one) -> str:
    found = one.findings
    figures = [_figure(draw.curve(found, rng=np.random.default_rng(0)), _CAPTION_CURVE)]
    if len(found.extremes):
        figures.append(_figure(draw.readings(found), _CAPTION_READINGS))
    why = f"<p>The weakest classes: {escape(found.why['extremes'])}.</p>" if "extremes" in found.why else ""
    table = _table(words.extremes(found)) if len(found.extremes) else ""
    return _section("What the average hides", f'<div class="two">{"".join(figures)}</div>{table}{why}')


_CAPTION_CURVE = (
    "Every class with its interval. Equally hard classes would lie inside the grey band, at all ranks at once, in 95 of"
    " 100 test sets: where these leave it, they differ beyond noise."
)
_CAPTION_READINGS = (
    "Read off, an extreme is too low; cross-fitted, too high on average; the estimate stands between. Grey: what noise"
    " gives if all classes are equally hard. Dashed: overall accuracy."
)


def _weak(one) -> str:
    found = one.findings
    caption = "The lowest estimates. Read off, they lie lower, because the luck of these items helped to pick them."
    table = _table(words.weak(found))
    figure = _figure(draw.lowest(found), caption)
    text = f"<div><p>{escape(words.weak_sentence(found))}</p></div>"
    return _section("Weak classes", f'<div class="two">{text}{figure}</div>{table}')


def _calibration(one) -> str:
    found = one.findings
    if "calibration" in found.why:
        return _section("Calibration", f"<p>Not defined because {escape(found.why['calibration'])}.</p>")
    text = "".join(f"<p>{escape(sentence)}</p>" for sentence in words.calibration(found))
    caption = (
        "By predicted class, sorted by what was read off, so that both ends of the grey line are too far out; the dots"
        " have the noise taken off."
    )
    figure = _figure(draw.gaps(found), caption)
    told = words.calibration_table(found)
    table = _table(told) if told.rows else ""
    return _section("Calibration", f'{text}<div class="two">{figure}<div>{table}</div></div>')


def _confusions(one) -> str:
    found = one.findings
    if not len(found.confusions):
        return _section("Confusions", f"<p>None: {escape(found.why['confusions'])}.</p>")
    return _section("Confusions", f"<p>{escape(words.confusion_sentence(found))}</p>{_table(words.confusions(found))}")


def _place(one) -> str:
    if one.place_why:
        return _section("Among the shipped models", f"<p>Nothing to compare: {escape(one.place_why)}.</p>")
    text = "".join(f"<p>{escape(sentence)}</p>" for sentence in words.standing(one.findings, one.rank))
    figure = ""
    if one.place["worst_q"].notna().all():
        figure = _figure(draw.standing(one.place), "Both axes on the same items; weakest classes cross-fitted for all.")
    return _section("Among the shipped models", f'<div class="two"><div>{text}</div>{figure}</div>')


def _sharing(one) -> str:
    title = "Are the same classes hard for others?"
    if one.sharing_why:
        return _section(title, f"<p>Nothing to compare: {escape(one.sharing_why)}.</p>")
    caption = "The most accurate network of each family. Hollow: with the noise and shared items left in."
    figure = _figure(draw.agreement(one.sharing), caption)
    text = f"<p>{escape(words.sharing(one.shared))}</p>"
    return _section(
        title,
        f'<div class="two"><div>{text}</div>{figure}</div>{_table(words.sharing_table(one.sharing))}'
        f"<p>{escape(words.RATIO)}</p>",
    )


def _classes(one) -> str:
    rows = one.findings.classes
    by_id = (rows["class_id"].astype(str) != rows["name"].astype(str)).any()
    told = [
        (
            f"{row.name} ({row.class_id})" if by_id and f"({row.class_id})" not in str(row.name) else str(row.name),
            f"{row.correct} of {row.n}",
            words.between(row.accuracy, row.low, row.high),
            words.between(row.estimate, row.estimate_low, row.estimate_high),
            str(row.predicted),
            words.precision(row),
        )
        for row in rows.itertuples(index=False)
    ]
    head = ("class", "right", "accuracy, % [Wilson]", "estimate, % [95 %]", "times predicted", "precision, % [Wilson]")
    table = _table(words.Told(head, told))
    return f"<section><details><summary>All {len(rows):,} classes</summary>{table}</details></section>"


def _shift(shifts) -> str:
    told = words.shift_table(shifts)
    text = "".join(
        f"<p>{escape(' '.join(filter(None, [f'{clean} to {other}: {words.shift_reading(one)}', one['note']])))}</p>"
        for clean, other, one, why in shifts
        if not why
    )
    return _section("Under shift", f"<p>{escape(_SHIFT)}</p>{_table(told)}{text}")


_SHIFT = (
    "Do weak classes lose more? The contrast is their loss less that of the rest, weak classes chosen on one half of"
    " the clean items; the mirror chooses them on the shifted items. Positive: the weak classes lose more, on that"
    " scale. Naive: chosen and read on the same items."
)


def _method(report) -> str:
    rows = "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in words.METHODS)
    made = f"Made by analysis {report.version}, seed {report.seed}; the same file and seed give the same page."
    closing = f"<p>{escape(words.CLOSING)}</p>"
    return _section("How to read this", f"{closing}<dl>{rows}</dl><p class='sub'>{escape(made)}</p>")


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _figure(svg: str, caption: str) -> str:
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def _table(told: words.Told) -> str:
    kinds = [' class="text"' if name in TEXT_COLUMNS else "" for name in told.head]
    head = "".join(
        f"<th{kind}>{escape(name).replace(' %', '&nbsp;%')}</th>" for name, kind in zip(told.head, kinds, strict=True)
    )
    rows = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in told.rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
