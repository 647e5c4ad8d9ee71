"""Progress that is a bar on a terminal and a few plain lines in a log file; always on stderr."""

import sys
import time


class Progress:
    """Count work done: `with Progress("fetch", total=10, unit="files") as progress: progress.advance()`."""

    def __init__(self, what: str, *, total: float, unit: str = "", stream=None):
        self.what, self.total, self.unit = what, total, unit
        self.stream = stream or sys.stderr
        self.done, self.started, self._shown, self._bar = 0.0, time.monotonic(), 0.0, None

    def __enter__(self) -> "Progress":
        if self.stream.isatty():
            from rich.console import Console
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(file=self.stream), transient=True)
            self._task = self._bar.add_task(self.what, total=self.total)
            self._bar.start()
        return self

    def advance(self, amount: float = 1, *, note: str = "") -> None:
        """Add to the work done; in a log file a line appears each time a tenth of the whole is passed."""
        self.done += amount
        if self._bar:
            self._bar.update(self._task, completed=self.done, description=f"{self.what} {note}".strip())
        elif self.total and int(10 * self.done / self.total) > int(10 * self._shown / self.total):
            self._shown = self.done
            self._line()

    def __exit__(self, kind, *_) -> None:
        if self._bar:
            self._bar.stop()
        if kind is None and (self._bar or self._shown < self.done):
            self._line()

    def _line(self) -> None:
        seconds = time.monotonic() - self.started
        text = f"{self.what}: {self.done:.0f} of {self.total:.0f} {self.unit}".rstrip()
        print(f"{text}, {seconds:.0f} s", file=self.stream, flush=True)
