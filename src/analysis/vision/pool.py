"""Blocks over several processes: shards of one thread on a CPU, one process a GPU.

Every process puts its own parts into the store; what comes back is small. concurrent.futures, since a killed worker
of multiprocessing.Pool is waited for for ever.
"""

import gc
import itertools
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from ..errors import AnalysisError, ResourceError
from ..progress import Progress
from . import devices, engine

_POLL = 0.3  # seconds between two looks at the counters
# Linux: shards are forked from one clean process that has imported torch and touched nothing else, so that it is
# imported once for all of them, while the models are looked at here. Elsewhere forking is not safe.
_METHOD = "forkserver" if sys.platform.startswith("linux") else "spawn"
_LIBRARIES = {"torchvision": "torchvision", "hf": "transformers"}  # by the first part of a model's id; others timm


def prepare(models: Iterable[str]) -> None:
    """Begin, beside this process, to import what its shards will need."""
    if _METHOD != "forkserver":
        return
    from multiprocessing import forkserver

    libraries = {_LIBRARIES.get(name.split("/")[0], "timm") for name in models}
    ours = [f"{__package__}.{name}" for name in ("fold", "fuse", "pool")]
    multiprocessing.set_forkserver_preload([f"{__package__}.preload", *sorted(libraries), *ours])
    with _no_interrupt():
        forkserver.ensure_running()


def run(
    works: Iterable[engine.Work], options: list[engine.Options], *, jobs: int, threads: int, progress: Progress
) -> engine.Outcome:
    """Answer all blocks; what is in the store is passed over.

    Parameters
    ----------
    works : blocks, those of one group of models after another
    options : one for each device; several only where they are GPUs
    jobs : shard processes on a CPU; 0 computes in this process
    threads : of each shard

    Raises
    ------
    ResourceError : a process was killed, no memory, no disk. InputError : outputs that are not finite or too many.
    Finished blocks are in the store in every case, Ctrl-C included.
    """
    if jobs == 0:
        with devices.one_thread(options[0].device):  # as each shard has
            return engine.run_blocks(works, engine.Nets(options[0]), options[0], _Here(progress))
    outcome = engine.Outcome()
    if options[0].device == "cpu":
        calls = (([work], options[0]) for work in works)
        return _shards([calls], jobs, threads, progress, outcome)
    # A GPU process takes all its blocks of a group at once, so that its decoders need not start again.
    rounds = (
        [(blocks[index :: len(options)], one) for index, one in enumerate(options)]
        for blocks in (list(group) for _, group in itertools.groupby(works, key=lambda work: work.group))
    )
    return _shards(rounds, len(options), threads, progress, outcome)


def _shards(
    rounds: Iterable[Iterable[tuple]],
    jobs: int,
    threads: int,
    progress: Progress,
    outcome: engine.Outcome,
) -> engine.Outcome:
    context = multiprocessing.get_context(_METHOD)
    counters = context.Array("q", 4)  # done, skipped, stop, processes that began
    given = (counters, threads, dict(os.environ))  # the fork server has the environment of when it began
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=given)
    try:
        with _no_interrupt():
            for _ in range(jobs):  # each starts a process, which inherits that Ctrl-C is not for it
                pool.submit(int)
        for calls in rounds:
            for done in _in_turn(pool, iter(calls), 2 * jobs, lambda: _show(progress, counters)):
                result = done.result()
                if result.fault:
                    engine.raise_fault(result.fault)
                outcome.add(result)
        return outcome
    except BrokenProcessPool as fault:
        if not _raw(counters)[3]:
            raise ResourceError(
                "worker",
                "no worker process could start",
                'a script must call predict under: if __name__ == "__main__":; else see the messages above',
            ) from fault
        raise ResourceError(
            "worker",
            "a worker process was killed, perhaps for want of memory",
            "run again, finished blocks are kept; fewer --jobs need less memory",
        ) from fault
    finally:
        _raw(counters)[2] = 1  # after a fault or Ctrl-C the others stop at their next batch
        pool.shutdown(wait=True, cancel_futures=True)
        _show(progress, counters)


def _in_turn(pool, calls: Iterator[tuple], window: int, look: Callable[[], None]) -> Iterator[Future]:
    """Hand out calls a few at a time: a call holds its block's items, and there may be millions."""
    open_: set[Future] = set()
    while True:
        for works, options in itertools.islice(calls, window - len(open_)):
            open_.add(pool.submit(_shard, works, options))
        if not open_:
            return
        done, open_ = wait(open_, timeout=_POLL, return_when=FIRST_COMPLETED)
        look()
        yield from done


class _Here(engine.Ticker):
    """Counts in this process."""

    def __init__(self, progress: Progress):
        super().__init__()
        self._progress = progress

    def tick(self, done: int = 0, skipped: int = 0) -> None:
        if skipped:
            self._progress.skip(skipped)
        if done:
            self._progress.advance(done)


def _raw(counters):
    # Without its lock: a process that was killed may hold it.
    return counters.get_obj()


def _show(progress: Progress, counters) -> None:
    done, skipped, *_ = _raw(counters)
    before = getattr(progress, "spared", 0)
    if skipped > before:
        progress.skip(skipped - before)
        progress.spared = skipped
    if done > progress.done:
        progress.advance(done - progress.done)


class _no_interrupt:
    """Ctrl-C is ignored meanwhile, and by processes that start meanwhile."""

    def __enter__(self):
        ours = threading.current_thread() is threading.main_thread()
        self._old = signal.signal(signal.SIGINT, signal.SIG_IGN) if ours else None

    def __exit__(self, *_):
        if self._old is not None:
            signal.signal(signal.SIGINT, self._old)


# ---- In a shard ------------------------------------------------------------------------------------------------------

_shared: dict = {}


class _Counted(engine.Ticker):
    """Counts over processes."""

    def __init__(self, counters):
        self._counters = counters

    def tick(self, done: int = 0, skipped: int = 0) -> None:
        if _raw(self._counters)[2]:
            raise engine.Stopped
        with self._counters.get_lock():
            self._counters[0] += done
            self._counters[1] += skipped


def _begin(counters, threads: int, environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    gc.freeze()
    gc.enable()
    devices.keep_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    devices.leave_with_parent()
    _shared.update(ticker=_Counted(counters), threads=threads, nets={})
    with counters.get_lock():
        counters[3] += 1


def _shard(works: list, options: engine.Options) -> engine.Outcome:
    """Answer some blocks in this process; a fault comes back as a value."""
    try:
        devices.single_threaded(_shared["threads"])
        devices.exact(options.device)
        nets = _shared["nets"].setdefault(options.device, engine.Nets(options))
        return engine.run_blocks(works, nets, options, _shared["ticker"])
    except engine.Stopped:
        return engine.Outcome()
    except AnalysisError as fault:
        return engine.Outcome(fault=engine.as_fault(fault))
    except MemoryError:
        return engine.Outcome(fault=engine.as_fault(devices.memory_fault("predicting a block")))
