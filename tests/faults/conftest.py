"""Which tests of this run ended how: what the rows of the fault list are judged by."""

import os
import runpy
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from analysis import errors

fits = runpy.run_path(str(Path(__file__).with_name("rows.py")))["fits"]
SHARE = 10 if os.environ.get("LONG") == "1" else 1 if "FAULTS_RUN" in os.environ else 0.25


def examples(name: str, most: int, few: int, **options) -> None:
    """The settings of a kind of property: `most` examples in `make test-faults`, else few.

    The examples are the same in every run, but for LONG=1, which looks for others each time. Nothing is written.
    """
    count = few if SHARE < 1 else most
    calm = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]  # a fixture here is only a folder or a patch
    how = {"derandomize": SHARE <= 1, "database": None, "deadline": None, "suppress_health_check": calm}
    settings.register_profile(name, max_examples=count, **how, **options)


examples("property", 2000, 30)
examples("store", 200, 15, stateful_step_count=50)


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


class Messages:
    """Every fault that was made in the run: where in the code, and what it says.

    `met` : (file, line) -> the faults made there, each as (class, what, remedy, text), some for each place; a helper
        that gives a fault back counts for the line that calls it too
    `all_ran` : no test was left out
    """

    PACKAGE = str(Path(errors.__file__).parent) + os.sep
    MOST = 100

    def __init__(self):
        self.met, self.all_ran, self.line = defaultdict(set), True, ""

    def start(self):
        plain = errors.AnalysisError.__init__

        def noted(fault, *args, **words):
            plain(fault, *args, **words)
            self._note(fault, sys._getframe(1))

        errors.AnalysisError.__init__ = noted
        return lambda: setattr(errors.AnalysisError, "__init__", plain)

    def _note(self, fault, frame):
        for _ in range(3):  # a class of its own, a helper, the caller of a helper
            if frame is None or not frame.f_code.co_filename.startswith(self.PACKAGE):
                return
            found = self.met[frame.f_code.co_filename, frame.f_lineno]
            if len(found) < self.MOST:
                found.add((type(fault).__name__, str(fault.what), str(fault.remedy), str(fault)))
            frame = frame.f_back

    def pytest_deselected(self, items):
        self.all_ran = self.all_ran and not items

    def pytest_terminal_summary(self, terminalreporter):
        if self.line:
            terminalreporter.write_line(self.line)


def pytest_configure(config):
    config.stash[OUTCOMES] = outcomes = Outcomes()
    config.pluginmanager.register(outcomes, "fault-outcomes")
    config.stash[MESSAGES] = messages = Messages()
    config.pluginmanager.register(messages, "fault-messages")
    config.add_cleanup(messages.start())


OUTCOMES, MESSAGES = pytest.StashKey[Outcomes](), pytest.StashKey[Messages]()
LAST = ("test_fault", "test_every_message_that_was_met_reads_well", "test_every_message_was_met")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """What is judged by the other tests comes after them."""
    items.sort(key=lambda item: getattr(item, "originalname", None) in LAST)


@pytest.fixture
def outcomes(request) -> Outcomes:
    return request.config.stash[OUTCOMES]


@pytest.fixture
def messages(request) -> Messages:
    return request.config.stash[MESSAGES]


@pytest.fixture
def times():
    """Share of the kills and flips: all in `make test-faults`, ten times as many with LONG=1, else a quarter."""
    return SHARE


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Folders of its own. Nothing is flushed to disk, which other tests show and which would take most of the time."""
    for name in ("DATA", "CACHE", "BUILD"):
        monkeypatch.setenv(f"ANALYSIS_{name}_DIR", str(tmp_path / name.lower()))
    monkeypatch.delenv("ANALYSIS_MIRROR", raising=False)
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    return tmp_path


@pytest.fixture
def shipped(here, monkeypatch):
    """The shipped tables in place of the empty folder; what says which data sets there are is read once."""
    from analysis import tables

    monkeypatch.delenv("ANALYSIS_DATA_DIR")
    monkeypatch.setattr(tables, "rows_of", cache(tables.rows_of))
    return here
