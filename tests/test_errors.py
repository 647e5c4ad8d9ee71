"""One line and one exit code for every kind of fault."""

import errno

import click
import pytest

from analysis import errors


@pytest.mark.parametrize(
    ("fault", "code", "line"),
    [
        (errors.UsageError("usage", "x"), 2, "error[usage] x"),
        (errors.InputError("index", "a.csv row 7", "see b"), 3, "error[index] a.csv row 7; see b"),
        (errors.IntegrityError("hash", "a"), 4, "error[hash] a"),
        (errors.NetworkError("network", "a"), 5, "error[network] a"),
        (errors.NotebookError("notebook", "two\nlines"), 7, "error[notebook] two lines"),
        (MemoryError(), 6, "error[memory] "),
        (OSError(errno.ENOSPC, "No space left on device", "a"), 6, "error[system] a: No space left"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.UsageError("no such option"), 2, "error[usage] no such option"),
        (KeyError("secret"), 1, "error[bug] KeyError; "),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_a_fault_becomes_its_code_and_one_line(capsys, monkeypatch, fault, code, line):
    monkeypatch.delenv("ANALYSIS_DEBUG", raising=False)

    def command():
        raise fault

    assert errors.guarded(command) == code
    said = capsys.readouterr().err
    assert said.startswith(line) and said.count("\n") == 1
    assert "secret" not in said


def test_debug_shows_the_traceback_and_notes_follow_the_line(capsys, monkeypatch):
    fault = errors.InputError("index", "x")
    fault.add_note("the note")

    def command():
        raise fault from ValueError("the cause")

    errors.guarded(command)
    assert capsys.readouterr().err == "error[index] x; correct it and run again\nthe note\n"
    monkeypatch.setenv("ANALYSIS_DEBUG", "1")
    errors.guarded(command)
    assert "ValueError: the cause" in capsys.readouterr().err


def test_exit_statuses_pass():
    assert errors.guarded(lambda: None) == 0
    with pytest.raises(SystemExit):
        errors.guarded(lambda: exec("raise SystemExit(143)"))
