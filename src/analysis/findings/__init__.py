"""From tables to findings: one module a finding, whose functions give the tidy tables that a notebook shows.

`hidden` F1, weak classes behind an average; `shared` F2, whether networks share them; `causes` C-ii, whether the
training data make them weak; `shifted` F3, what becomes of them under shift; `text` F4, the same of text; `noisy` and
`unknown` text under noise, with real users and with queries of no class; `runs` how far classes move between training
runs; `crs` the class robustness scores; `corruptions` CIFAR-10-C; `tiny` Tiny-ImageNet under corruption; `trials` the
sixteen-class trials; `sure` what a naive reading says beside what holds.
"""

from . import causes, corruptions, crs, hidden, noisy, runs, shared, shifted, sure, text, tiny, trials, unknown

__all__ = [
    "causes",
    "corruptions",
    "crs",
    "hidden",
    "noisy",
    "runs",
    "shared",
    "shifted",
    "sure",
    "text",
    "tiny",
    "trials",
    "unknown",
]
