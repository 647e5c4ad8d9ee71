"""`make test-faults`: run the tests that the rows of the fault list name, then count the rows.

`python tests/faults/run.py E F2` takes some groups or rows, `quick` leaves out the heavy ones. The last lines say how
many survived, failed and were skipped, with reasons; more than 5 % skipped is a failure. With LONG=1 long.csv keeps
what was done how often, for docs/faults.md.
"""

import csv
import os
import runpy
import sys
from collections import defaultdict
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MOST_SKIPPED = 0.05
BESIDES = ("tests/faults/test_guards.py", "tests/faults/test_messages.py")  # no rows: they go through all doors


class Chosen:
    """Keeps the tests that the rows name, and notes how the rows end."""

    def __init__(self, rows, fits, besides):
        self.ids, self.fits, self.besides = [row.id for row in rows], fits, besides
        self.wanted = defaultdict(list)
        for row in rows:
            for test in row.tests:
                function, _, pattern = test.partition("[")
                self.wanted[function].append(pattern)
        self.rows, self.done = {}, {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config, items):
        kept = [item for item in items if self._wants(item.nodeid)]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept

    def _wants(self, node: str) -> bool:
        function, _, parameters = node.partition("[")
        if function.partition("::")[0] in self.besides:
            return True
        if function.endswith("test_faults.py::test_fault"):
            return parameters.removesuffix("]") in self.ids
        patterns = self.wanted.get(function, ())
        return any(not pattern or self.fits(node, pattern) for pattern in patterns)

    def pytest_runtest_logreport(self, report):
        function, _, parameters = report.nodeid.partition("[")
        said = dict(report.user_properties).get("done")
        if report.when == "call" and (said or report.failed):
            self.done[report.nodeid] = said or "", report.outcome, f"{report.duration / 60:.1f}"
        if function.endswith("test_faults.py::test_fault") and (report.when == "call" or not report.passed):
            reason = report.longrepr[2].removeprefix("Skipped: ") if report.skipped else ""
            self.rows[parameters.removesuffix("]")] = report.outcome, reason


def keep(done: dict, path: Path) -> None:
    """Write what a long run did into the list; what another run did, of other rows, stays."""
    if path.exists():
        with open(path, encoding="utf-8", newline="") as file:
            done = {test: tuple(rest) for test, *rest in list(csv.reader(file))[1:]} | done
    with open(path, "w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerows([("test", "done", "outcome", "minutes"), *((test, *done[test]) for test in sorted(done))])


def main(asked) -> int:
    known = runpy.run_path(str(HERE / "rows.py"))
    heavy = known["HEAVY"] if "quick" in asked else ()
    asked = [word for word in asked if word != "quick"]
    rows = [row for row in known["APPLICABLE"] if row.id not in heavy]
    if unknown := [word for word in asked if not any(word in (row.id, row.id[0]) for row in rows)]:
        print(f"error[usage] {unknown[0]}: no such group or row; see docs/faults.md", file=sys.stderr)
        return 2
    rows = [row for row in rows if not asked or row.id in asked or row.id[0] in asked]
    besides = () if asked or heavy else BESIDES
    chosen = Chosen(rows, known["fits"], besides)
    os.chdir(HERE.parents[1])
    os.environ["FAULTS_RUN"] = "1"
    nodes = sorted({test.partition("[")[0] for row in rows for test in row.tests})
    code = pytest.main(["-q", *nodes, *besides, str(HERE / "test_faults.py")], plugins=[chosen])
    if os.environ.get("LONG") == "1":
        keep(chosen.done, HERE / "long.csv")
    ended = {
        outcome: [one for one in chosen.rows if chosen.rows[one][0] == outcome]
        for outcome in ("passed", "failed", "skipped")
    }
    print()
    for one in ended["skipped"]:
        print(f"skipped {one}: {chosen.rows[one][1]}")
    lost = [row.id for row in rows if row.id not in chosen.rows]
    if ended["failed"] or lost:
        print(f"failed: {' '.join(ended['failed'] + lost)}")
    share = len(ended["skipped"]) / max(len(rows), 1)
    print(
        f"faults: {len(ended['passed'])} survived, {len(ended['failed'] + lost)} failed,"
        f" {len(ended['skipped'])} skipped ({100 * share:.1f} %, at most {100 * MOST_SKIPPED:.0f} %)"
    )
    return 1 if code or lost or share > MOST_SKIPPED else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
