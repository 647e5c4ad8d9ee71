"""From tables to findings: one module a finding, whose functions give the tidy tables that a notebook shows.

`hidden` F1, weak classes behind an average; `shared` F2, whether networks share them; `shifted` F3, what becomes of
them under shift; `trials` the sixteen-class trials.
"""

from . import hidden, shared, shifted, trials

__all__ = ["hidden", "shared", "shifted", "trials"]
