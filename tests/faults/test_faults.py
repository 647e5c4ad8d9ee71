"""Every row of the fault list: its tests ran before it, and what they inject ended as the row says.

`make test-faults` runs exactly the tests that the rows name. In a run of all tests the rows cost nothing more.
"""

import ast
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIST = runpy.run_path(str(Path(__file__).with_name("rows.py")))
ROWS = LIST["APPLICABLE"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_fault(row, outcomes, request):
    absent = [test for test in row.tests if not outcomes.ran(test)]
    if absent:
        pytest.skip(f"{absent[0].partition('[')[0]} is not part of this run; make test-faults runs it")
    found = {test: outcomes.matching(test) for test in row.tests}
    if not all(found.values()) and request.config.getoption("keyword"):
        pytest.skip("-k left out a part of its tests; make test-faults runs them")
    assert all(found.values()), f"no such test: {[test for test, nodes in found.items() if not nodes]}"
    ended = {node: outcome for nodes in found.values() for node, outcome in nodes.items()}
    failed = [node for node, (outcome, _) in ended.items() if outcome == "failed"]
    assert not failed, f"{row.injected}: {len(failed)} of {len(ended)} tests failed"
    skipped = {node: reason for node, (outcome, reason) in ended.items() if outcome == "skipped"}
    if skipped:  # a fault that was not injected did not survive
        pytest.skip(next(iter(skipped.values())))


def test_every_row_names_tests_that_there_are_or_a_reason():
    known = {}
    for row in LIST["ROWS"]:
        assert row.injected and bool(row.tests) != bool(row.why) and (row.holds or row.why), row.id
        for test in row.tests:
            file, _, name = test.partition("::")
            if file not in known:
                tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
                known[file] = {part.name for part in tree.body if isinstance(part, ast.FunctionDef)}
            assert name.partition("[")[0] in known[file], f"{row.id}: {test}"


def test_no_row_is_missing_or_there_twice():
    most = dict(zip("ABCDEFGHIJKLMNOP", (13, 8, 7, 5, 14, 8, 11, 10, 16, 8, 13, 5, 9, 7, 12, 7), strict=True))
    expected = [f"{group}{number}" for group, last in most.items() for number in range(1, last + 1)]
    assert [row.id for row in LIST["ROWS"]] == expected


def test_the_page_is_the_list():
    assert (ROOT / "docs" / "faults.md").read_text(encoding="utf-8") == LIST["page"](), "python tests/faults/rows.py"


def test_the_runner_counts_the_rows_that_were_asked_for():
    command = [sys.executable, ROOT / "tests" / "faults" / "run.py", "P1", "P5"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0 and "faults: 2 survived, 0 failed, 0 skipped" in done.stdout, done.stdout + done.stderr
    done = subprocess.run([*command, "Q1"], capture_output=True, text=True, encoding="utf-8")
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith("error[usage] Q1: no such group or row")
