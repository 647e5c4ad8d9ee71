"""Figures: one function a figure, each drawing one tidy table; the look is in `analysis.mplstyle`."""

from . import class_view, fig01, fig02, fig02_causes, fig03, fig04, fig05, fig06, fig07, fig08, fig09, fig10, fig10_tiny
from .registry import FIGURES, caption, redraw, save, show, write_figure
from .style import Figure

__all__ = ["FIGURES", "Figure", "caption", "redraw", "save", "show", "write_figure"]

# Importing a module registers its figures.
_REGISTERED = (
    class_view,
    fig01,
    fig02,
    fig02_causes,
    fig03,
    fig04,
    fig05,
    fig06,
    fig07,
    fig08,
    fig09,
    fig10,
    fig10_tiny,
)
