"""Everything this machine holds, against what vouches for it: `analysis verify`.

| what | vouched for by |
|---|---|
| shipped tables | `data/PROVENANCE.json`; files kept by hand: `data/SHA256SUMS` |
| own tables (`data/own/`) | the sha256 inside each file, the rules of `tables`, the entries of the store |
| predictions in the store | their records (`store.verify`) |
| figures and claim rows | the receipt of the run that wrote them; the tables that they were drawn from |
| published files | `data/sources.csv` |

Every file is hashed anew, whatever its time says. Nothing is changed unless asked: `repair` sets aside (`.bad-<time>`,
never deleted) what is damaged and makes again what this machine can make alone: own tables from the store, images of
figures from their CSV. Shipped tables come from git or `make data tables`, published files from their servers.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import files, paths, receipts, store, tables
from .errors import AnalysisError, IntegrityError, some

GIT = "git checkout it, or make data tables"
REPRODUCE = "make reproduce"
IMAGES = (".pdf", ".png")


@dataclass(frozen=True)
class Finding:
    """One file that is not as it should be: where, what is wrong, what to do, what was done.

    `own` : a table or figure that was made on this machine; else it is shipped, pinned or stored, which nobody edits
    `done` : what the repair did with it, "" for nothing; `whole`: it is right again
    """

    where: str
    what: str
    remedy: str
    own: bool
    done: str = ""
    whole: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.done or self.remedy}"


@dataclass
class Report:
    """How many files or entries of each kind were checked, and what was found."""

    checked: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def code(self) -> int:
        """4 where a shipped, pinned or stored file is wrong, 3 where an own table or figure is, 0 where all is, or was
        made, well.

        >>> Report(findings=[Finding("a", "b", "c", own=True), Finding("a", "b", "c", own=False)]).code
        4
        >>> Report(findings=[Finding("a", "b", "c", own=True, whole=True)]).code
        0
        """
        left = [finding for finding in self.findings if not finding.whole]
        return 0 if not left else 3 if all(finding.own for finding in left) else 4

    def summary(self) -> str:
        """One line: what was checked, and what became of the findings.

        >>> Report({"shipped tables": 2}, [Finding("a", "b", "c", own=True, whole=True)]).summary()
        'checked 2 shipped tables; 1 finding, 1 made again'
        """
        checked = ", ".join(f"{count} {kind}" for kind, count in self.checked.items() if count)
        if not self.findings:
            return f"checked {checked or 'nothing'}; all well"
        made, total = sum(finding.whole for finding in self.findings), len(self.findings)
        return f"checked {checked or 'nothing'}; {total} finding{'s' * (total > 1)}, {made} made again"


def verify(*, repair: bool = False) -> Report:
    """Check shipped tables, own tables, store, figures and published files; with `repair` make again what can be.

    Raises
    ------
    ResourceError : a folder cannot be read, or with `repair` written.
    """
    report = Report()

    def add(kind: str, part: tuple[int, Iterable[Finding]]) -> None:
        report.checked[kind], found = part
        report.findings += found

    add("shipped tables", _shipped())
    add("published files", _published())
    # Own tables are held against the shipped ones and written beside them: those must be right first.
    sound = not report.findings
    add("store entries", _store(repair))
    # Whoever reads a damaged entry sets it aside, which only a repair may do.
    entries = store.entries() if repair or (sound and not report.findings) else []
    add("own tables", _own(entries, repair and sound))
    add("files of figures", _figures(repair))
    return report


# Shipped and pinned: git and the servers have them, so nothing is repaired here.


def _shipped() -> tuple[int, list[Finding]]:
    root, wanted, found = paths.data(), {}, []
    for name, remedy in (("PROVENANCE.json", GIT), (tables.HAND_KEPT, "git checkout it")):
        lock = root / name
        if not lock.exists() and root.resolve() != (paths.ROOT / "data").resolve():
            continue  # tables that somebody made, not the shipped ones
        try:
            wanted |= {listed: (digest, name) for listed, digest in _locked(lock).items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, IntegrityError):
            found.append(Finding(paths.shown(lock), "missing or not readable", remedy, own=False))
    for name, (digest, lock) in sorted(wanted.items()):
        path, remedy = root / name, GIT if lock == "PROVENANCE.json" else "git checkout it"
        if not path.is_file():
            found.append(Finding(paths.shown(path), f"missing, {lock} lists it", remedy, own=False))
        elif files.sha256(path) != digest:
            found.append(Finding(paths.shown(path), f"its sha256 is not the one of {lock}", remedy, own=False))
    if wanted:
        known = {*wanted, "PROVENANCE.json", tables.HAND_KEPT, "README.md"}
        for path in _files(root, besides=("own", "raw", "cache")):
            if path.relative_to(root).as_posix() not in known:
                found.append(Finding(paths.shown(path), "no lock lists it", "move it elsewhere", own=False))
    return len(wanted), found


def _locked(lock: Path) -> dict[str, str]:
    from .sources import check

    if lock.name == tables.HAND_KEPT:
        return tables.hand_kept(lock.read_text(encoding="utf-8"))
    content = check.read_json(lock, where=paths.shown(lock))
    return {name: facts["sha256"] for name, facts in content["files"].items()}


def _published() -> tuple[int, list[Finding]]:
    from .sources import fetch

    present, found = 0, []
    if not (paths.data() / "sources.csv").exists():
        return 0, []
    try:
        names = list(fetch.sources())
    except IntegrityError:  # the list is damaged, which `_shipped` reports
        names = []
    for name in names:
        try:
            fetch.locate(name)
        except IntegrityError as fault:
            if fault.kind == "missing":
                continue  # most people never fetch them
            what = fault.what.removeprefix(f"{name}: ")
            where, _, what = what.partition(": ")
            found.append(Finding(where, what, fault.remedy, own=False))
        present += 1
    return present, found


# Made on this machine


def _store(repair: bool) -> tuple[int, list[Finding]]:
    remedy = "analysis verify --repair sets it aside; then run again what made it"
    done = "set aside; run again what made it" if repair else ""
    problems = store.verify(set_aside=repair)
    whole = len(store._records(None))
    return whole, [Finding(paths.shown(path), why, remedy, own=False, done=done) for path, why in problems]


ALWAYS = ("class_counts.parquet", "confusions.parquet", "models.csv", "datasets.csv")  # where there is any own table


def _own(entries: list[store.Entry], repair: bool) -> tuple[int, list[Finding]]:
    folder = paths.own()
    if not folder.is_dir():
        return 0, []
    foreign, damaged, pairs, answered = [], [], set(), set()
    tables_here = [path for path in _files(folder) if path.name != "bad_images.csv"]  # which is for people to read
    for path in tables_here:
        kind = _kind(path.relative_to(folder).as_posix())
        if kind is None:
            foreign.append(Finding(paths.shown(path), "no table of this project", "move it elsewhere", own=True))
            continue
        try:
            read = _pairs(path, kind)
        except AnalysisError as fault:
            finding = _own_finding(path, fault.what.removeprefix(f"{paths.shown(path)}: "))
            # A user may have changed a CSV on purpose, and is told how to say so.
            damaged.append(replace(finding, remedy=fault.remedy) if "on purpose" in fault.remedy else finding)
            continue
        pairs |= read
        answered |= read if kind == "correct" else set()
    checked = len(tables_here) - len(foreign)
    gone = [folder / name for name in ALWAYS if checked and not (folder / name).exists()]
    fitting, spoilt = _of_pairs(pairs, entries), {finding.where for finding in damaged}
    unanswered = {folder / "correct" / f"{tables.family(pair[0])}.parquet" for pair in fitting.keys() - answered}
    gone += [path for path in sorted(unanswered) if paths.shown(path) not in spoilt]
    found = [
        _own_finding(path, "missing" if not path.exists() else "lacks answers that the store has") for path in gone
    ]
    counts = folder / "class_counts.parquet"
    if counts not in gone and paths.shown(counts) not in spoilt:
        for dataset, model in _stale(fitting):
            found.append(_own_finding(counts, f"{model} on {dataset}: other counts than in the store"))
    if repair and damaged + found:
        damaged, found = _own_again(damaged, found, pairs, entries)
        files.sweep(folder)
    return checked, [*foreign, *damaged, *found]


def _own_finding(path: Path, what: str) -> Finding:
    return Finding(paths.shown(path), what, "analysis verify --repair makes it again from the store", own=True)


def _kind(name: str) -> str | None:
    """The kind of table that a file of `data/own/` holds."""
    known = {"class_counts.parquet": "class_counts", "confusions.parquet": "confusions"}
    known |= {"models.csv": "models", "datasets.csv": "datasets"}
    return "correct" if name.startswith("correct/") and name.endswith(".parquet") else known.get(name)


def _pairs(path: Path, kind: str) -> set[tuple[str, str]]:
    """The pairs of data set and model in an own table, all of whose rows are checked.

    Raises
    ------
    InputError : it is damaged, breaks a rule, or holds what is shipped.
    """
    if kind in tables.CSV:
        tables.read_csv(kind, path)
        return set()
    frame = tables._plain(tables._read_parquet(path, kind).to_pandas())
    tables._check(frame, kind, path)
    tables._check_classes(frame, path)
    if kind != "correct":
        pairs = set(frame[["dataset", "model"]].drop_duplicates().itertuples(index=False, name=None))
        if taken := sorted(pair for pair in pairs if _is_shipped(pair)):
            raise tables._fault(path, f"{some([' '.join(pair) for pair in taken], 2)}: among the shipped rows")
        return pairs
    models = frame.columns.difference(tables.CORRECT.names)
    return {
        (dataset, model) for dataset, rows in frame.groupby("dataset") for model in models if rows[model].notna().any()
    }


def _is_shipped(pair: tuple[str, str]) -> bool:
    from . import own

    try:
        return own.shipped(*pair)
    except IntegrityError:  # the shipped table is damaged, which `_shipped` reports
        return False


def _stale(fitting: dict[tuple[str, str], list[store.Entry]]) -> list[tuple[str, str]]:
    """The pairs whose own counts are those of none of their entries."""
    columns = ["class_id", "n", "correct"]
    have = tables._plain(tables._read_parquet(paths.own() / "class_counts.parquet", "class_counts").to_pandas())
    have = have[have["labels"] == "original"].groupby(["dataset", "model"])
    rows = {pair: group[columns].astype("int64").values.tolist() for pair, group in have}
    return [
        pair
        for pair, of in sorted(fitting.items())
        if rows.get(pair) not in [_counts(entry)[columns].astype("int64").values.tolist() for entry in of]
    ]


def _counts(entry):
    from . import own, rows

    found = rows.Rows(lambda: None)
    found.add(own.from_store(entry))
    frame = found.counts_frame()
    return frame[frame["labels"] == "original"].sort_values("class_id").reset_index(drop=True)


def _of_pairs(pairs, entries: list[store.Entry]) -> dict[tuple[str, str], list[store.Entry]]:
    """Entries by data set and model, newest last, for the pairs asked for; none of shipped ones."""
    from . import own

    found: dict[tuple[str, str], list[store.Entry]] = {}
    for entry in entries:
        if (pair := own.identity(entry)) in pairs and not _is_shipped(pair):
            found.setdefault(pair, []).append(entry)
    return found


def _own_again(damaged: list[Finding], others: list[Finding], pairs, entries) -> tuple[list[Finding], list[Finding]]:
    """Set damaged own tables aside and write again, from the store, every pair that any own table knows."""
    from . import models as known_models
    from . import own

    by_name = {paths.shown(path): path for path in _files(paths.own())}
    facts = {name: _readable(name) for name in ("models", "datasets")}
    if not any(path.name == "class_counts.parquet" for path in by_name.values()) or any(
        finding.where.endswith("class_counts.parquet") for finding in damaged
    ):
        pairs = pairs | _implied(facts, entries)
    kept = {finding.where: files.set_aside(by_name[finding.where]).name for finding in damaged}
    for where in {finding.where for finding in others} & by_name.keys():  # a whole file: its other rows stay
        aside = files.set_aside(by_name[where])
        files.write_bytes(by_name[where], aside.read_bytes())
        kept[where] = aside.name
    known_models.forget()
    newest = {pair: of[-1] for pair, of in _of_pairs(pairs, entries).items()}
    if newest:
        parts = [own.from_store(entry) for entry in newest.values()]
        own.add(parts, models=facts["models"], datasets=facts["datasets"])
    lost = sorted(pairs - newest.keys())
    there = {paths.shown(path) for path in _files(paths.own())}

    def done(finding: Finding) -> Finding:
        without = lost if finding in damaged or finding.where not in by_name else []  # else its other rows stayed
        whole = finding.where in there and not without
        text = [f"kept as {kept[finding.where]}"] if finding.where in kept else []
        text += ["made again from the store" if finding.where in there else "nothing to make it from"]
        text += (
            [f"not in the store: {some([f'{model} on {dataset}' for dataset, model in without], 3)}"] if without else []
        )
        return replace(finding, done=", ".join(text), whole=whole)

    return [done(finding) for finding in damaged], [done(finding) for finding in others]


def _readable(name: str) -> list[dict]:
    """The rows of an own CSV table, for `own.add` to keep; none where it cannot be read."""
    path = paths.own() / f"{name}.csv"
    try:
        return tables.read_csv(name, path).to_dict("records") if path.exists() else []
    except AnalysisError:
        return []


def _implied(facts: dict[str, list[dict]], entries: list[store.Entry]) -> set[tuple[str, str]]:
    """Pairs of the store that the damaged class counts held, as far as names and sizes tell: a model of the own table
    on a data set with all of its items."""
    from . import own

    models = {row["model"] for row in facts["models"]}
    items = {row["dataset"]: row["items"] for row in facts["datasets"]}
    shipped = paths.data() / "datasets.csv"
    if shipped.exists():
        items |= tables.read_csv("datasets").set_index("dataset")["items"].to_dict()
    found = set()
    for entry in entries:
        dataset, model = own.identity(entry)
        if model in models and entry.n_items + len(entry.about.get("bad", ())) == items.get(dataset):
            found.add((dataset, model))
    return found


def _figures(repair: bool) -> tuple[int, list[Finding]]:
    checked, found = 0, []
    for receipt in receipts.kept():
        try:
            outputs = receipts.read(receipt)
        except receipts.UNREADABLE:
            found.append(Finding(paths.shown(receipt), "not readable", f"delete it, then {REPRODUCE}", own=True))
            continue
        checked += len(outputs)
        wrong = {path: _wrong(path, digest) for path, digest in outputs.items()}
        for path, what in wrong.items():
            if what:
                finding = Finding(paths.shown(path), what, f"delete it, then {REPRODUCE}", own=True)
                drawn = path.suffix in IMAGES and wrong.get(path.with_suffix(".csv")) == ""
                found.append(_drawn_again(finding, path, outputs[path]) if repair and drawn else finding)
                if repair and not drawn and path.exists():
                    done = f"kept as {files.set_aside(path).name}; {REPRODUCE} makes it again"
                    found[-1] = replace(finding, done=done)
    found += _outdated()
    if repair and paths.figures().is_dir():
        files.sweep(paths.figures())
    return checked, found


def _wrong(path: Path, digest: str) -> str:
    if not path.is_file():
        return "missing"
    return "" if files.sha256(path) == digest else receipts.CHANGED


def _drawn_again(finding: Finding, path: Path, digest: str) -> Finding:
    """Draw an image again from the points beside it."""
    from .figures import redraw

    kept = f"kept as {files.set_aside(path).name}, " if path.exists() else ""
    redraw(path.stem, into=path.parent)
    whole = not _wrong(path, digest)
    done = f"{kept}drawn again" if whole else f"{kept}drawn again, but not to the same bytes; {REPRODUCE}"
    return replace(finding, done=done, whole=whole)


def _outdated() -> Iterator[Finding]:
    """Figures whose tables have changed since they were drawn."""
    from .sources import check

    digests: dict[Path, str] = {}
    for path in sorted(paths.figures().glob(files.NAMED + ".json")):
        try:
            inputs = check.read_json(path, where=paths.shown(path))["inputs"]
            known = {str(each["path"]): each["sha256"] for each in inputs}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IntegrityError):
            yield Finding(paths.shown(path), "not readable", f"delete it, then {REPRODUCE}", own=True)
            continue
        other = []
        for name, digest in known.items():
            table = paths.data() / name.removeprefix("data/") if name.startswith("data/") else paths.ROOT / name
            if table not in digests:
                digests[table] = files.sha256(table) if table.is_file() else ""
            other += [name] if digests[table] != digest else []
        if other:
            yield Finding(paths.shown(path), f"drawn from another {some(other, 2)}", REPRODUCE, own=True)


def _files(folder: Path, besides: Iterable[str] = ()) -> list[Path]:
    """Files of a folder that somebody may read: neither hidden nor temporary nor set aside."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or ".bad-" in path.name or path.name in besides:
            continue
        found += _files(path) if path.is_dir() else [path]
    return found
