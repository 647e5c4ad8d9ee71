"""Which tests of this run ended how: what the rows of the fault list are judged by."""

import os
import re
from collections import defaultdict

import pytest


class Outcomes:
    """How every test of the run ended: node id -> passed, failed or skipped, with the reason of a skip."""

    def __init__(self):
        self.of = {}
        self._functions = defaultdict(list)

    def pytest_runtest_logreport(self, report):
        known, _ = self.of.get(report.nodeid, ("", ""))
        reason = report.longrepr[2].removeprefix("Skipped: ") if report.skipped and report.longrepr else ""
        if report.nodeid not in self.of:
            self._functions[report.nodeid.partition("[")[0]].append(report.nodeid)
        if known in ("", "passed"):
            self.of[report.nodeid] = report.outcome, reason

    def matching(self, test: str) -> dict:
        """The tests that an entry of a row means, by node id."""
        function, _, pattern = test.partition("[")
        chosen = self._functions.get(function, ())
        return {node: self.of[node] for node in chosen if not pattern or fits(node, pattern)}

    def ran(self, test: str) -> bool:
        return test.partition("[")[0] in self._functions


def fits(node: str, pattern: str) -> bool:
    """Whether the parameters of a node id match a pattern, in which `*` stands for anything.

    >>> fits("test_a.py::test_b[cut-1]", "cut*]"), fits("test_a.py::test_b[cut-1]", "flip*]")
    (True, False)
    """
    given = node.partition("[")[2].removesuffix("]")
    return bool(re.fullmatch(".*".join(map(re.escape, pattern.removesuffix("]").split("*"))), given, flags=re.DOTALL))


def pytest_configure(config):
    config.stash[OUTCOMES] = outcomes = Outcomes()
    config.pluginmanager.register(outcomes, "fault-outcomes")


OUTCOMES = pytest.StashKey[Outcomes]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """The rows come last: they are judged by the others."""
    items.sort(key=lambda item: item.originalname == "test_fault" if isinstance(item, pytest.Function) else False)


@pytest.fixture
def outcomes(request) -> Outcomes:
    return request.config.stash[OUTCOMES]


@pytest.fixture
def times():
    """Share of the kills and flips: all in `make test-faults`, ten times as many with LONG=1, else a quarter."""
    return 10 if os.environ.get("LONG") == "1" else 1 if "FAULTS_RUN" in os.environ else 0.25
