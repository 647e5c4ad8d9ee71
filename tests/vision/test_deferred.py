"""Importing timm leaves torch's compiler out, and whoever wants the compiler still gets it."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.inference, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]

# What uses the compiler, each in a fork of one process that has imported timm.
USES = """
import inspect, os, sys
from analysis.vision.deferred import _Deferred, defer_compiler
defer_compiler()
import timm, torch
from torchvision.ops import roi_align

def deferred():
    return isinstance(sys.modules["torch._dynamo"], _Deferred)

marked = torch.compiler.disable(lambda x: x + 1)
inspect.getmodule(timm.create_model)
[hasattr(part, "__file__") for part in list(sys.modules.values())]
assert deferred() and marked(1) == 2, "neither timm nor a walk over all modules takes anything from the compiler"
assert "torch._dynamo.config" not in sys.modules
standing = sys.modules["torch._dynamo"]
defer_compiler()
assert sys.modules["torch._dynamo"] is standing

def compiled():
    return torch.compile(lambda x: marked(x) * 2, backend="eager")(torch.ones(1)) == 4 and marked(1) == 2

def part():
    import torch._dynamo.config
    return torch._dynamo.config.cache_size_limit > 0

USES = {
    "compile": compiled,
    "attribute": lambda: torch._dynamo.is_compiling() is False,
    "part": part,
    "function": lambda: roi_align.__globals__["is_compile_supported"]("cpu") in (True, False),
}
children = {}
for name, use in USES.items():
    if not (pid := os.fork()):
        os._exit(0 if use() and not deferred() else 1)
    children[pid] = name
print(*sorted(name for pid, name in children.items() if os.waitpid(pid, 0)[1]))
"""


def test_the_compiler_is_imported_at_its_first_use():
    done = subprocess.run([sys.executable, "-c", USES], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
