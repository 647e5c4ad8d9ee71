"""The last cell of a notebook: write its figures and claim rows, then a receipt that says what was written.

The runner believes a notebook only with a receipt of its own run: a kernel that died, or a cell that left early,
writes none.
"""

import json
import os

from . import claims as claim_table
from . import figures as drawing
from . import files, paths, receipts, tables


def publish(notebook: str, *, figures: dict, claims=()) -> None:
    """Write every figure (PDF, PNG, CSV, JSON), the claim rows and the receipt of one notebook.

    Parameters
    ----------
    notebook : its file name without `.ipynb`
    figures : figure name -> tidy table of what is drawn
    claims : rows made by `analysis.claims.row`, or none
    """
    inputs = tables.files_read()
    written = []
    for name, table in figures.items():
        written += drawing.save(name, table, notebook=notebook, inputs=inputs)
    written.append(claim_table.write(notebook, list(claims), paths.figures() / "tables" / "claims"))
    receipt = {
        "notebook": notebook,
        "run": os.environ.get("ANALYSIS_RUN_ID", ""),
        "outputs": {paths.shown(path): files.sha256(path) for path in written},
    }
    files.write_text(receipts.path_of(notebook), json.dumps(receipt, indent=1) + "\n")
    print(f"{notebook}: {len(figures)} figures and {len(claims)} claim rows written to {paths.shown(paths.figures())}")
