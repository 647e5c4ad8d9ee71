"""From tables to findings: one module a finding, whose functions give the tidy tables that a notebook shows.

`hidden` F1, weak classes behind an average; `shared` F2, whether networks share them; `shifted` F3, what becomes of
them under shift; `text` F4, the same of text; `runs` how far classes move between training runs; `crs` the class
robustness scores; `corruptions` CIFAR-10-C; `trials` the sixteen-class trials.
"""

from . import corruptions, crs, hidden, runs, shared, shifted, text, trials

__all__ = ["corruptions", "crs", "hidden", "runs", "shared", "shifted", "text", "trials"]
