"""What imports torch when it is imported is not collected where there is none: `make test-quick`."""

from importlib.util import find_spec

NEED_TORCH = ("feed", "fold", "fuse", "watch")
collect_ignore = [] if find_spec("torch") else [f"src/analysis/vision/{name}.py" for name in NEED_TORCH]
