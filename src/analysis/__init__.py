"""Look at classifiers class by class: tables of published predictions, measures per class, claims and figures.

Names are imported when first used, so that `analysis --help` need not wait for matplotlib.
"""

import importlib

_WHERE = {
    "claims": None,
    "class_table": "findings.hidden",
    "classes": None,
    "figures": None,
    "findings": None,
    "models": None,
    "paper": None,
    "tables": None,
    "predict": "vision.predict",
    "publish": "publish",
    "report": "reporting",
    "show_class": "explore",
    "train_text": "text.runs",
}
__all__ = sorted(_WHERE)


def __getattr__(name: str):
    if name not in _WHERE:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    module = importlib.import_module(f"analysis.{_WHERE[name] or name}")
    value = getattr(module, name) if _WHERE[name] else module
    globals()[name] = value
    return value


def __dir__():
    return __all__
