"""Imported first by the process that shards are forked from: what is imported after it is walked through by no
garbage collection, neither while it is imported (a sixth of the time of torch and timm) nor in the shards, and brings
no compiler along."""

import gc

from .deferred import defer_compiler

gc.disable()
defer_compiler()
