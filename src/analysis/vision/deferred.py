"""torch's compiler, imported only if something asks for it: without it, importing timm takes a third of the time.

Nothing here is compiled. But torchvision takes one function from the compiler while it is imported, and timm marks one
method with its decorator `disable`; for these, two seconds of other modules would be imported by every process.
"""

import functools
import importlib
import sys
import types

_PACKAGE, _UTILS = _NAMES = ("torch._dynamo", "torch._dynamo.utils")


class _Deferred(types.ModuleType):
    """Stands in the place of a module until somebody takes from it what it does not have."""

    def __getattr__(self, name: str):
        # Who walks over all modules asks each for its `__file__` and the like: that is no use of it. The path of the
        # package is asked for by who imports another part of it.
        if name.startswith("__") and (self.__name__, name) != (_PACKAGE, "__path__"):
            raise AttributeError(name)
        return getattr(_real(self.__name__), name)


def defer_compiler() -> None:
    """From now on `torch._dynamo` is imported at its first use, not by torchvision and timm."""
    if _PACKAGE in sys.modules:
        return
    sys.modules.update({name: _Deferred(name) for name in _NAMES})
    sys.modules[_PACKAGE].disable = _disable
    sys.modules[_UTILS].is_compile_supported = _is_compile_supported


def _real(name: str):
    for one in _NAMES:
        if isinstance(sys.modules.get(one), _Deferred):
            del sys.modules[one]
    return importlib.import_module(name)


def _disable(function=None, recursive: bool = True, **options):
    """As torch's own: the compiler, once there is one, leaves the function alone."""
    if function is None:
        return functools.partial(_disable, recursive=recursive, **options)

    @functools.wraps(function)
    def later(*args, **kwargs):
        compiler = sys.modules.get(_PACKAGE)
        if compiler is None or isinstance(compiler, _Deferred):
            return function(*args, **kwargs)
        return compiler.disable(function, recursive, **options)(*args, **kwargs)

    return later


def _is_compile_supported(device_type: str) -> bool:
    return _real(_UTILS).is_compile_supported(device_type)
