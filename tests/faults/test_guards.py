"""Each guard matters: without it a test fails. `guards.py` takes them away one by one and keeps the list."""

import ast
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "guards.py"
GUARDS = runpy.run_path(str(SCRIPT))

# Code with one guard or more, and with its switches.
FORMS = {
    "raise": ("if a:\n    raise E(1)", "if a:\n    if _on(0): raise E(1)"),
    "after others": (
        "if a:\n    b = 1\n    raise E(b) from None",
        "if a:\n    b = 1\n    if _on(0): raise E(b) from None",
    ),
    "at the end": ("b = 1\nraise E", "b = 1\nif _on(0): raise E"),
    "else": ("if a or b:\n    c()\nelse:\n    raise E", "if a or b:\n    c()\nelse:\n    if _on(0): raise E"),
    "or": (
        "if a or (b and c) or (d := 1) > 1:\n    raise E",
        "if _hit(0, (a)) or (_hit(1, (b and c))) or _hit(2, ((d := 1) > 1)):\n    raise E",
    ),
    "after a comment and an é": (
        "x = 'é'  # raise\nif x:\n    raise E",
        "x = 'é'  # raise\nif x:\n    if _on(0): raise E",
    ),
    "lines": ("if a:\n    raise E(\n        1\n    )", "if a:\n    if _on(0): raise E(\n        1\n    )"),
    "handler": (
        "try:\n    a()\nexcept V:\n    raise E(1) from None",
        "try:\n    a()\nexcept V:\n    if _on(0): raise E(1) from None\n    raise",
    ),
    "raised again": ("try:\n    a()\nexcept V:\n    b()\n    raise", "try:\n    a()\nexcept V:\n    b()\n    raise"),
    "match": ("match a:\n    case 1:\n        raise E", "match a:\n    case 1:\n        if _on(0): raise E"),
    "need": ("need(a and b == 1, 'why')", "need(_need(0, (a)) and _need(1, (b == 1)), 'why')"),
    "need of one": ("need(a == 1, 'why')", "need(_need(0, (a == 1)), 'why')"),
    "shared check": ("check.check_ids(a, b)", "if _on(0): check.check_ids(a, b)"),
    "a check that gives something": ("at = check.check_ids(a, b)", "at = check.check_ids(a, b)"),
    "noted": ("if a:\n    found.append(Finding(a))", "if a:\n    if _on(0): found.append(Finding(a))"),
    "yielded": ("if a:\n    yield Finding(a)", "if a:\n    if _on(0): yield Finding(a)"),
    "of a survey": ("survey.wrong.append((a, 'b'))", "if _on(0): survey.wrong.append((a, 'b'))"),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_finder_sees_every_form(form, tmp_path):
    code, expected = FORMS[form]
    code = f"import os\n{code}\n"
    text = GUARDS["switched"](code, GUARDS["find"](code), 0, tmp_path)
    ast.parse(text)
    assert text.endswith(f"import os\n{expected}\n")


def test_a_name_holds_no_line_and_is_unique():
    code = "def f(a):\n    if a:\n        raise E\n    if a:\n        raise F\n"
    code += "class C:\n    def f(a):\n        if a: raise E\n"
    names = [guard.name for guard in GUARDS["find"](code, "m.py")]
    assert names == [("m.py", "f", "if a"), ("m.py", "f", "if a #2"), ("m.py", "C.f", "if a")]
    assert [guard.name for guard in GUARDS["find"]("import os\n\n\n" + code, "m.py")] == names


def test_a_switch_takes_one_guard_away_and_notes_which_refuse(tmp_path):
    code = '"""Doc."""\n\nimport os\n\n\ndef f(a, b=0):\n    if a > 1 or b:\n        raise ValueError("é")\n'
    code += '    need(a and not b, "c")\n    try:\n        return 1 / a\n'
    code += "    except ZeroDivisionError:\n        raise KeyError\n"
    text = GUARDS["switched"](code, GUARDS["find"](code), 7, tmp_path)
    assert ast.get_docstring(ast.parse(text)) == "Doc."
    state, refused = tmp_path / "state", tmp_path / "refused"
    refused.mkdir()

    def ended(*arguments, off=None):
        state.write_text(f"off {off}" if off else "in 3", encoding="utf-8")
        space = {"need": lambda condition, why: condition or {}["need"]}
        exec(text, space)
        try:
            return space["f"](*arguments)
        except (ValueError, KeyError, ZeroDivisionError) as fault:
            return str(fault)

    assert ended(2) == "é" and ended(2, off=8) == "é" and ended(2, off=7) == 0.5
    assert ended(1, 1) == "é" and ended(1, 1, off=8) == "'need'"
    assert ended(0) == "'need'" and ended(0, off=9) == "" and ended(0, off=10) == "'need'"
    assert sorted(path.name for path in refused.iterdir()) == ["7 3", "8 3", "9 3"]
    code = code.replace("a and not b", "a or not b")
    text = GUARDS["switched"](code, GUARDS["find"](code), 7, tmp_path)
    assert ended(0) == "" and ended(0, off=10) == "division by zero"


def test_every_guard_is_on_the_list():
    entries, guards = GUARDS["listed"](), GUARDS["everything"]()
    assert len({guard.name for guard in guards}) == len(guards) > 500
    unknown = [str(guard) for guard in guards if not GUARDS["closed"](entries, guard)]
    assert not unknown, "python tests/faults/guards.py --new, and a test or a reason for what survives"
    gone = entries.keys() - {guard.name for guard in guards}
    assert not gone, "python tests/faults/guards.py --new"


def test_without_a_guard_its_test_fails(times, record_property):
    """A sample of the list: the tests that it names still need the guards."""
    quick = ["12", "--within", "tests/test_tables.py", "tests/test_pickle_child.py", "tests/test_files.py"]
    how = {0.25: quick, 1: ["40"]}.get(times, ["0"])
    done = subprocess.run([sys.executable, SCRIPT, "--sample", *how], capture_output=True, text=True, encoding="utf-8")
    record_property("done", done.stdout.strip().rpartition("\n")[2])
    assert done.returncode == 0, done.stdout + done.stderr
