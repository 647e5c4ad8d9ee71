"""What every committed notebook keeps to, so that it reads as a text and runs as a program."""

import ast
import re

import nbformat
import pytest

from analysis.paths import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LONGEST_CELL = 25
ABSOLUTE = re.compile(r"""["'](/(?!/)\w|~/|[A-Za-z]:\\)|\b(file:///|/home/|/Users/)""")


def test_there_are_notebooks_and_their_names_order_them():
    assert NOTEBOOKS
    assert [path.name for path in NOTEBOOKS if not re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", path.name)] == []


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    book = nbformat.read(request.param, as_version=4)
    book.path = request.param
    return book


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def nodes(notebook):
    """Every node of the syntax trees; a line of shell or magic is no Python and fails here."""
    return [node for cell in code(notebook) for node in ast.walk(ast.parse(cell.source))]


def test_it_is_a_valid_notebook(notebook):
    nbformat.validate(nbformat.from_dict({key: value for key, value in notebook.items() if key != "path"}))


def test_it_holds_no_output(notebook):
    assert [cell.source for cell in code(notebook) if cell.outputs or cell.execution_count is not None] == []


def test_it_defines_nothing(notebook):
    """A function belongs into the package, where it is tested."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    assert [node.name for node in nodes(notebook) if isinstance(node, kinds)] == []
    given = [node.value for node in nodes(notebook) if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr)]
    assert [ast.unparse(value) for value in given if isinstance(value, ast.Lambda)] == []


def test_it_names_no_absolute_path(notebook):
    assert [cell.source for cell in notebook.cells if ABSOLUTE.search(cell.source)] == []


def test_it_hides_no_failure(notebook):
    """`!command` ignores the exit status, a broad `except` the error, and a tag lets the rest run on."""
    broad = [node for node in nodes(notebook) if isinstance(node, ast.ExceptHandler) and _is_broad(node.type)]
    assert [ast.unparse(node) for node in broad] == []
    tags = {tag for cell in code(notebook) for tag in cell.metadata.get("tags", ())}
    assert tags <= {"parameters"}


def _is_broad(kind):
    return kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException"))


def test_its_cells_are_short(notebook):
    lengths = [(cell.source.count("\n") + 1, cell.source) for cell in code(notebook)]
    assert [source for length, source in lengths if length > LONGEST_CELL] == []


def test_it_has_prose(notebook):
    prose = [cell for cell in notebook.cells if cell.cell_type == "markdown" and cell.source.strip()]
    assert notebook.cells[0].cell_type == "markdown"
    assert len(prose) >= len(code(notebook)) / 2


def test_its_last_code_cell_publishes_under_its_own_name(notebook):
    calls = [node for node in ast.walk(ast.parse(code(notebook)[-1].source)) if isinstance(node, ast.Call)]
    published = [call for call in calls if ast.unparse(call.func).split(".")[-1] == "publish"]
    assert len(published) == 1
    name = published[0].args[0]
    if isinstance(name, ast.Name):
        given = [node for node in nodes(notebook) if isinstance(node, ast.Assign)]
        (name,) = [node.value for node in given if ast.unparse(node.targets[0]) == name.id]
    assert ast.literal_eval(name) == notebook.path.stem
