"""Progress that is a bar on a terminal and a few plain lines in a log file; always on stderr."""

import sys
import time


class Progress:
    """Count work done: `with Progress("fetch", total=10, unit="files") as progress: progress.advance()`.

    Work that turns out to be done already is taken away by `skip`: it counts neither for the rate nor for the total.
    """

    def __init__(self, what: str, *, total: float, unit: str = "", stream=None):
        self.what, self.total, self.unit = what, total, unit
        self.stream = stream or sys.stderr
        self.done, self.started, self._shown, self._bar = 0.0, time.monotonic(), 0.0, None
        self._first: tuple[float, float] | None = None  # work and time when the first was done: starting up is no work

    def __enter__(self) -> "Progress":
        if self.stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[pace]}"))
            self._bar = Bar(*columns, console=Console(file=self.stream), transient=True)
            self._task = self._bar.add_task(self.what, total=self.total, pace="")
            self._bar.start()
        return self

    def advance(self, amount: float = 1, *, note: str = "") -> None:
        """Add to the work done; in a log file a line appears each time a tenth of the whole is passed."""
        self.done += amount
        self._first = self._first or (self.done, time.monotonic())
        if self._bar:
            text = f"{self.what} {note}".strip()
            self._bar.update(self._task, completed=self.done, total=self.total, description=text, pace=self._pace())
        elif self.total and int(10 * self.done / self.total) > int(10 * self._shown / self.total):
            self._shown = self.done
            self._line()

    def skip(self, amount: float) -> None:
        """Take away work that need not be done."""
        self.total = max(self.total - amount, 0)

    def __exit__(self, kind, *_) -> None:
        if self._bar:
            self._bar.stop()
        if kind is None and (self._bar or self._shown < self.done):
            self._line()

    def _line(self) -> None:
        print(f"{self.what}: {self._pace()}", file=self.stream, flush=True)

    def _pace(self) -> str:
        now = time.monotonic()
        text = f"{self.done:.0f} of {self.total:.0f} {self.unit}".rstrip() + f", {spell(now - self.started)}"
        before, since = self._first or (0.0, now)
        return text + pace(self.done - before, self.total - self.done, now - since, self.unit)


def pace(done: float, left: float, seconds: float, unit: str = "") -> str:
    """Rate and time left, where there is something to tell them from.

    >>> pace(50, 150, 25.0, "items"), pace(200, 0, 100.0), pace(0, 200, 3.0)
    (', 2.0 items/s, 75 s left', ', 2.0/s', '')
    >>> pace(100, 100_000, 10.0, "images")
    ', 10 images/s, 2 h 46 min left'
    """
    if not done or seconds <= 0:
        return ""
    rate = done / seconds
    text = f", {rate:.1f}" if rate < 10 else f", {rate:.0f}"
    text += f" {unit}/s" if unit else "/s"
    return f"{text}, {spell(left / rate)} left" if left > 0 else text


def spell(seconds: float) -> str:
    """A time in the words of people.

    >>> spell(7.4), spell(601), spell(36_000)
    ('7 s', '10 min', '10 h 0 min')
    """
    if seconds < 600:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(int(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
