"""Is every guard needed? Take each away in a copy of the code and see that a test fails.

`python tests/faults/guards.py` does so for every guard of the doors, through which anything from outside comes in, and
writes `guards.csv` beside this file: which test fails without which guard, or the reason why none can. Names of modules
(`tables.py`, `vision/`) take some of them, `--new` only those without an entry, `--sample 20` some by chance, against
the tests that the list names. All of them take a quarter of an hour on one core.

A guard is a `raise`, one operand of `if a or b: raise`, a `need(...)`, a finding that is noted, or a call of a shared
check whose result is not used. A handler that translates a fault loses its translation: a bare `raise` takes its place.

In the copy every guard has a switch, so that nothing is imported anew. The tests run once, noting which guard refuses
in which test; then each guard is switched off for the tests in which it refused, in a process forked from one that has
collected them.
"""

import argparse
import ast
import contextlib
import csv
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PACKAGE = Path("src/analysis")
LIST = HERE / "guards.csv"

# A group of doors, and the tests that may fail without one; those of the messages go through many doors.
MESSAGES = "tests/faults/test_messages.py"
GROUPS = {
    "base": (
        ("tables.py", "prediction_file.py", "store.py", "seal.py", "own.py", "files.py", "verify.py", "run.py",
         "claims.py", "classes.py", "receipts.py"),
        ("tests/test_tables.py", "tests/test_store.py", "tests/test_files.py", "tests/test_classes.py",
         "tests/test_claims.py", "tests/test_own.py", "tests/test_verify.py", "tests/test_run.py",
         "tests/faults/test_arrays.py", "tests/faults/test_bytes.py", "src/analysis/tables.py", "src/analysis/files.py",
         "src/analysis/claims.py", "src/analysis/classes.py", "src/analysis/store.py"),
    ),
    "sources": (
        ("sources/*.py",),
        ("tests/test_sources.py", "tests/test_authors.py", "tests/test_fetch.py", "tests/test_pickles.py",
         "tests/test_pickle_child.py", "tests/test_derive.py", "tests/test_causes.py", "tests/faults/test_arrays.py",
         "src/analysis/sources"),
    ),
    "reporting": (
        ("reporting/forms.py", "reporting/reading.py", "reporting/diagnose.py"),
        ("tests/test_report.py", "src/analysis/reporting"),
    ),
    "vision": (
        tuple(f"vision/{name}.py" for name in (
            "layouts", "folders", "flat", "arrays", "itemsets", "prepare", "checking", "zoo", "zoo_files", "zoo_local",
            "reduce", "fold", "shards", "own", "places")),
        ("tests/vision/test_layouts.py", "tests/vision/test_prepare.py", "tests/vision/test_fold.py",
         "tests/vision/test_zoo.py", "tests/vision/test_engine.py", "tests/vision/test_predict.py",
         "src/analysis/vision"),
    ),
    "text": (
        ("text/corpora.py", "text/corpus_*.py"),
        ("tests/text/test_corpora.py", "tests/text/test_runs.py", "tests/text/test_noise.py", "src/analysis/text"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Guard:
    """One check of a door.

    `check` : what it refuses, as text; with module and function it names the guard, whatever its line
    `start`, `end` : its bytes; `form` : how it is switched off, see `switched`
    """

    module: str
    function: str
    check: str
    start: int
    end: int
    form: str

    @property
    def name(self) -> tuple[str, str, str]:
        return self.module, self.function, self.check

    def __str__(self) -> str:
        return f"{self.module} {self.function}: {self.check}"


# ---- Finding them --------------------------------------------------------------------------------------------------


def find(source: str, module: str = "") -> list[Guard]:
    """The guards of a module, in the order of its text; of two that read alike in one function the later is `#2`."""
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found, twins = [], Counter()
    for node, inside, function in _statements(ast.parse(source)):
        for part, check, form in _checks(node, inside):
            check = " ".join(check.split())[:120]
            twins[function, check] += 1
            if twins[function, check] > 1:
                check += f" #{twins[function, check]}"
            start = starts[part.lineno - 1] + part.col_offset
            end = starts[part.end_lineno - 1] + part.end_col_offset
            found.append(Guard(module, function, check, start, end, form))
    return sorted(found, key=lambda guard: guard.start)


def _statements(tree, function=""):
    """(statement, what it lies in directly and where there, dotted name of the function) of every simple statement."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for node in getattr(tree, name, ()):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield from _statements(node, f"{function}.{node.name}".strip("."))
            elif hasattr(node, "body") or hasattr(node, "cases"):
                yield from _statements(node, function)
            else:
                yield node, (tree, name), function


def _checks(node, inside):
    """(the part that is a check, as text, how it is switched off) of a statement."""
    parent, part = inside
    tested = isinstance(parent, ast.If) and part == "body"
    if isinstance(node, ast.Raise) and node.exc is not None:
        operands = _operands(parent.test, ast.Or) if tested else []
        if len(operands) > 1:
            yield from ((each, f"if {ast.unparse(each)}", "or") for each in operands)
        elif tested:
            yield node, f"if {ast.unparse(parent.test)}", "statement"
        elif isinstance(parent, ast.ExceptHandler):
            yield node, f"except {ast.unparse(parent.type)}" if parent.type else "except", "handler"
        else:
            yield node, ast.unparse(node), "statement"
    elif isinstance(node, ast.Expr):
        called = _called(node.value)
        if called == "need":
            yield from ((each, f"need {ast.unparse(each)}", "need") for each in _operands(node.value.args[0], ast.And))
        elif called.lstrip("_").partition("_")[0] == "check" or _notes(node.value):
            yield node, f"if {ast.unparse(parent.test)}" if tested else ast.unparse(node), "statement"


def _operands(test, kind) -> list:
    return test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, kind) else [test]


def _called(node) -> str:
    return ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""


def _notes(node) -> bool:
    """A finding is noted: `found.append(Finding(...))`, `yield Finding(...)`, `survey.wrong.append(...)`."""
    given = [node.value] if isinstance(node, ast.Yield) else node.args if isinstance(node, ast.Call) else []
    if given and _called(given[0]) in ("Finding", "_own_finding"):
        return True
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith((".wrong.append", ".missing.append"))


def of_group(group: str, root: Path = ROOT) -> list[Guard]:
    """The guards of all doors of a group."""
    found = []
    for pattern in GROUPS[group][0]:
        for path in sorted((root / PACKAGE).glob(pattern)):
            found += find(path.read_text(encoding="utf-8"), path.relative_to(root / PACKAGE).as_posix())
    return found


def everything(root: Path = ROOT) -> list[Guard]:
    """The guards of all doors."""
    return [guard for group in GROUPS for guard in of_group(group, root)]


# ---- Switching them off --------------------------------------------------------------------------------------------

# A switch asks a file, so that it also works in processes that the tests start, whatever their environment: "off 17",
# or "in " and the number of the test that runs. A refusal is noted by an empty folder, as some may not write files.
SWITCH = """
from io import open as _open  # now, as tests put others in their place
from os import mkdir as _mkdir


def _on(guard, seen=set()):
    try:
        with _open({state!r}, encoding="utf-8") as file:
            what, _, value = file.read().partition(" ")
        if what == "off":
            return guard != int(value)
        if (guard, value) not in seen:
            seen.add((guard, value))
            _mkdir(f"{refused}/{{guard}} {{value}}")
    except Exception:
        pass
    return True


def _hit(guard, bad):
    return bad and _on(guard) and bad


def _need(guard, good):
    return good or not _on(guard)


"""


def switched(source: str, guards: list[Guard], first: int, folder: Path) -> str:
    """The module with a switch at each guard, numbered from `first`; its files are in `folder`."""
    content = source.encode()
    for number, guard in reversed(list(enumerate(guards, first))):
        before, part, after = content[: guard.start], content[guard.start : guard.end], content[guard.end :]
        if guard.form in ("or", "need"):
            name = "_hit" if guard.form == "or" else "_need"
            part = f"{name}({number}, (".encode() + part + b"))"
        else:
            part = f"if _on({number}): ".encode() + part
        if guard.form == "handler":
            part += b"\n" + before[before.rindex(b"\n") + 1 :] + b"raise"
        content = before + part + after
    body = ast.parse(source).body
    told = isinstance(body[0], ast.Expr)  # its docstring
    at = body[told].lineno - 1
    lines = content.decode().splitlines(keepends=True)
    switch = SWITCH.format(state=str(folder / "state"), refused=folder / "refused")
    return "".join([*lines[:at], switch, *lines[at:]])


class Copy:
    """A copy of the repository with switches at all guards; a context manager."""

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="guards-"))
        self.root = self.folder / "copy"
        self.root.mkdir()
        besides = {".git", ".venv", "build"}
        for path in sorted(ROOT.iterdir()):
            if path.is_dir() and path.name not in besides:
                made = ("raw", "cache", "own") if path.name == "data" else ()
                ignored = shutil.ignore_patterns(*made, "*.egg-info", ".hypothesis", "*.bad-*")
                shutil.copytree(path, self.root / path.name, ignore=ignored)
            elif path.is_file():
                shutil.copy2(path, self.root)
        (self.root / ".venv").symlink_to(ROOT / ".venv")
        # Of the copy, not of the repository: somebody may be at work there.
        self.guards = everything(self.root)
        for module in {guard.module for guard in self.guards}:
            path = self.root / PACKAGE / module
            numbers = [number for number, guard in enumerate(self.guards) if guard.module == module]
            text = switched(
                path.read_text(encoding="utf-8"), [self.guards[n] for n in numbers], numbers[0], self.folder
            )
            path.write_text(text, encoding="utf-8", newline="\n")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def state(self, text: str) -> None:
        (self.folder / "state").write_text(text, encoding="utf-8")


class Inside:
    """What happens in the pytest of the copy once the tests are collected: `job(items)` in place of a run.

    What it yields, JSON, is kept line by line.
    """

    def __init__(self, copy: Copy, job):
        self.copy, self.job = copy, job

    def pytest_runtestloop(self, session):
        with (self.copy.folder / "answers").open("w", encoding="utf-8") as file:
            for answer in self.job({item.nodeid: item for item in session.items}):
                file.write(json.dumps(answer) + "\n")
                file.flush()
        return True


def in_pytest(copy: Copy, tests: list[str], job) -> list:
    """What a job says that runs where the tests of some files are collected, in a process of its own."""
    (copy.folder / "answers").unlink(missing_ok=True)
    child = os.fork()
    if not child:
        code = 99
        try:
            code = _pytest(copy, tests, job)
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    answers = copy.folder / "answers"
    if code or not answers.exists():
        print((copy.folder / "log").read_text(encoding="utf-8", errors="replace")[-5000:], file=sys.stderr)
        raise SystemExit(f"the tests could not be run (pytest ended with {code})")
    return [json.loads(line) for line in answers.read_text(encoding="utf-8").splitlines()]


def _pytest(copy: Copy, tests: list[str], job) -> int:
    _log(copy)
    os.chdir(copy.root)
    source = str(copy.root / "src")
    os.environ["PYTHONPATH"] = source
    os.environ.pop("FAULTS_RUN", None)
    ours = (ROOT, ROOT / "src", HERE)
    sys.path[:] = [source, *(each for each in sys.path if Path(each or ".").resolve() not in ours)]
    import pytest

    import analysis

    if Path(analysis.__file__).parent != copy.root / PACKAGE:
        raise RuntimeError(f"the tests would run against {analysis.__file__}")
    options = ["-q", "-p", "no:cacheprovider", f"--rootdir={copy.root}", "-c", str(copy.root / "pyproject.toml")]
    present = [test for test in tests if (copy.root / test).exists()]
    return int(pytest.main([*options, *present], plugins=[Inside(copy, job)]))


def _log(copy: Copy) -> None:
    log = os.open(copy.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)


class Outcomes:
    """How long each test took, and which failed."""

    def __init__(self):
        self.seconds, self.bad = Counter(), []

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.bad.append(report.nodeid)


def run(copy: Copy, items: list, *, seconds: float, off: int | None = None) -> tuple[dict[str, float], list[str]]:
    """Run collected tests in a fork: durations, and those that failed.

    With a guard switched `off` the first that fails ends the run. A test that takes too long, or ends its process,
    fails.
    """
    answer, running = copy.folder / "answer", copy.folder / "running"
    answer.unlink(missing_ok=True)
    running.write_text("", encoding="utf-8")
    copy.state("" if off is None else f"off {off}")
    child = os.fork()
    if not child:
        try:
            _run(copy, items, off, answer, running)
        finally:
            os._exit(0)
    waited, last = 0.0, time.monotonic()
    while not os.waitpid(child, os.WNOHANG)[0]:
        now = time.monotonic()
        waited, last = waited + min(now - last, 1), now  # a machine that was halted does not count as slow
        if waited > seconds:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            break
        time.sleep(0.005)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what a test left behind that failed
    if answer.exists():
        told = json.loads(answer.read_text(encoding="utf-8"))
        return told["seconds"], told["bad"]
    return {}, [running.read_text(encoding="utf-8")]


def _run(copy: Copy, items: list, off: int | None, answer: Path, running: Path) -> None:
    os.setsid()
    _log(copy)
    outcomes = Outcomes()
    items[0].config.pluginmanager.register(outcomes)
    for number, item in enumerate(items):
        running.write_text(item.nodeid, encoding="utf-8")
        if off is None:
            copy.state(f"in {number}")
        following = items[number + 1 : number + 2]
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following[0] if following else None)
        if outcomes.bad and off is not None:
            break
    part = answer.with_name("answer-part")
    part.write_text(json.dumps({"seconds": outcomes.seconds, "bad": outcomes.bad}), encoding="utf-8")
    part.replace(answer)


def examine(copy: Copy, numbers: list[int], items: dict):
    """For each guard its number and the test that fails without it, "survived", or "never refused anything"."""
    refused = copy.folder / "refused"
    refused.mkdir()
    seconds, bad = run(copy, list(items.values()), seconds=7200)
    yield "bad", bad
    tests, names = defaultdict(set), list(items)
    for note in refused.iterdir():
        number, _, test = note.name.partition(" ")
        if (name := names[int(test)]) in seconds and name not in bad:
            tests[int(number)].add(name)
    for number in numbers:
        mirror = Path(copy.guards[number].module).stem
        fitting = sorted(tests[number], key=lambda test: (mirror not in test.partition("::")[0], seconds[test], test))
        verdict = "survived" if fitting else "never refused anything"
        for part in batches(fitting, seconds):
            limit = 60 + 10 * sum(seconds[test] for test in part)
            if failed := run(copy, [items[test] for test in part], seconds=limit, off=number)[1]:
                verdict = failed[0]
                break
        yield number, verdict


def batches(tests: list[str], seconds, most: float = 40) -> list[list[str]]:
    """The first few tests, then the rest as far as they take no longer than `most` seconds together."""
    rest, total = [], 0.0
    for test in tests[5:]:
        total += seconds[test]
        rest += [test] if total <= most else []
    return [part for part in (tests[:5], rest) if part]


def again(copy: Copy, chosen: dict[int, str], items: dict):
    """For each guard its number and whether its test of the list fails without it."""
    for number, test in chosen.items():
        # Where its parameters have other names by now, all of them.
        fitting = (
            [items[test]] if test in items else [items[name] for name in items if name.startswith(_function(test))]
        )
        yield number, bool(fitting and run(copy, fitting, seconds=300, off=number)[1])


def _function(test: str) -> str:
    return test.partition("[")[0] + "["


# ---- The list ------------------------------------------------------------------------------------------------------

COLUMNS = ("module", "function", "check", "test", "reason")


def listed(path: Path = LIST) -> dict[tuple[str, str, str], dict[str, str]]:
    """The entries of the list, by name of the guard."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {(row["module"], row["function"], row["check"]): row for row in csv.DictReader(file)}


def closed(entries: dict, guard: Guard) -> bool:
    """Whether the list has a test that fails without the guard, or a reason why none does."""
    entry = entries.get(guard.name, {"test": "", "reason": ""})
    return bool(entry["test"] or entry["reason"])


def write(entries: dict, guards: list[Guard], path: Path = LIST) -> None:
    """Write the list in the order of the guards; entries of guards that are gone go too."""
    order = {guard.name: place for place, guard in enumerate(guards)}
    rows = [entries[name] for name in sorted(entries.keys() & order.keys(), key=order.get)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def table(entries: dict) -> str:
    """How many guards each module has, how many of them a test needs, how many are listed with a reason."""
    counts = defaultdict(Counter)
    for guard in everything():
        entry = entries.get(guard.name, {"test": "", "reason": ""})
        kind = "killed" if entry["test"] else "listed" if entry["reason"] else "open"
        for module in (guard.module, "all"):
            counts[module].update({"guards": 1, kind: 1})
    lines = [f"{'module':28} guards killed listed open"]
    for module, of in sorted(counts.items(), key=lambda each: (each[0] == "all", each[0])):
        lines.append(f"{module:28} {of['guards']:6} {of['killed']:6} {of['listed']:6} {of['open']:4}")
    return "\n".join(lines)


def sample(count: int | None, seed: int, within: tuple[str, ...]) -> int:
    """Take guards away by chance (all for None); 1 if the test of the list passes without one of them."""
    entries = listed()
    with Copy() as copy:
        tests = {n: entries.get(guard.name, {}).get("test", "") for n, guard in enumerate(copy.guards)}
        known = [number for number, test in tests.items() if test and test.startswith(within)]
        chosen = known if count is None else random.Random(seed).sample(known, min(count, len(known)))
        files = sorted({tests[number].partition("::")[0] for number in chosen})
        answers = in_pytest(copy, files, lambda items: again(copy, {n: tests[n] for n in chosen}, items))
        for number, failed in answers:
            if not failed:
                print(
                    f"not killed: {copy.guards[number]}; run python tests/faults/guards.py {copy.guards[number].module}"
                )
    killed = sum(failed for _, failed in answers)
    print(f"{len(answers)} guards taken away, {killed} killed")
    return int(killed < len(chosen) or not chosen)


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", help="as tables.py or vision/; all without")
    parser.add_argument("--new", action="store_true", help="only guards without an entry")
    parser.add_argument("--table", action="store_true", help="run nothing, print the table of the list")
    parser.add_argument("--tests", nargs="*", help="these files of tests alone")
    parser.add_argument("--sample", type=int, metavar="N", help="N by chance, against the tests of the list; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--within", nargs="*", default=[""], help="only those whose test lies there, as tests/vision/")
    asked = parser.parse_args(arguments)
    if asked.sample is not None:
        return sample(asked.sample or None, asked.seed, tuple(asked.within))
    entries = listed()
    for group in () if asked.table else GROUPS:
        with Copy() as copy:
            names = {guard.name for guard in of_group(group)}
            wanted = [
                number
                for number, guard in enumerate(copy.guards)
                if guard.name in names and guard.module.startswith(tuple(asked.modules or [""]))
                if not (asked.new and closed(entries, guard))
            ]
            if wanted:
                tests = asked.tests or [*GROUPS[group][1], MESSAGES]
                keep(entries, copy, in_pytest(copy, tests, lambda items, w=wanted, c=copy: examine(c, w, items)))
    print(table(entries))
    return int(not all(closed(entries, guard) for guard in everything()))


def keep(entries: dict, copy: Copy, answers: list) -> None:
    """Write what was found into the list; a reason stays where no test fails."""
    for number, verdict in answers:
        if number == "bad":
            print(*(f"fails as it is: {test}" for test in verdict), sep="\n", file=sys.stderr)
            continue
        guard = copy.guards[number]
        reason = entries.get(guard.name, {"reason": ""})["reason"]
        killed = "::" in verdict
        row = (*guard.name, verdict if killed else "", "" if killed else reason)
        entries[guard.name] = dict(zip(COLUMNS, row, strict=True))
        if not killed and not reason:
            print(f"{verdict}: {guard}", file=sys.stderr)
    write(entries, copy.guards)


if __name__ == "__main__":
    sys.exit(main())
