"""The same blocks over several workers or machines, with Ray Data (tier `ray`): `analysis predict --engine ray`.

A block is one row; an actor holds the models and answers blocks exactly as a shard of `pool` does, into the same store,
which all machines must see under the same path. Only numbers of blocks come back, in any order, and each must come
once. A worker that dies is started again and its block is given out again; parts are written whole, so the tables are
those of a run in one process, byte for byte.

Without RAY_ADDRESS a cluster of this machine alone is started and ended; with it ("auto", or host:port) the workers
run on that cluster, where the same version of this package must be installed.
"""

import itertools
import logging
import os
import pickle
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from .. import paths
from ..errors import AnalysisError, ResourceError, UsageError
from ..progress import Progress
from . import devices, engine

TRIES = 3  # times that a block is given out again after its worker died; one that kills every worker ends the run
CPUS = 0.5  # of an actor: with a whole one each, nothing is left for Ray's own tasks and the run stands still (#44687)
OBJECTS = 100 << 20  # bytes of Ray's shared memory: blocks are lists of file names
SETTINGS = ("ANALYSIS_DATA_DIR", "ANALYSIS_CACHE_DIR", "ANALYSIS_MIRROR")
_LONGEST = 40  # characters of a folder under which the paths of Ray's sockets keep below the system's 104


def run(
    works: Iterable[engine.Work], options: list[engine.Options], *, jobs: int, threads: int, progress: Progress
) -> engine.Outcome:
    """Answer all blocks, as `pool.run` does; `jobs` is the number of workers, each with `threads` or one GPU.

    Raises
    ------
    UsageError : Ray is not installed
    ResourceError : the cluster is not reached, or a block's worker died again and again
    InputError and others : what a block's own fault is. Finished blocks are in the store in every case.
    """
    outcome, gpu = engine.Outcome(), options[0].device != "cpu"
    ours = replace(
        options[0],
        device="cuda:0" if gpu else "cpu",  # Ray shows each actor one GPU
        folder=Path(options[0].folder or paths.cache() / "predictions").absolute(),
    )
    jobs = max(jobs, 1)
    with _cluster(jobs) as ray:
        # One group of models after another: an actor holds the models of one.
        for _, group in itertools.groupby(works, key=lambda work: work.group):
            _answer(ray, list(group), ours, outcome, jobs=jobs, threads=threads, gpus=int(gpu), progress=progress)
    return outcome


def _answer(ray, works: list, options, outcome, *, jobs: int, threads: int, gpus: int, progress: Progress) -> None:
    rows = [{"index": index, "work": pickle.dumps(work)} for index, work in enumerate(works)]
    blocks = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        Shard,
        fn_constructor_kwargs={"options": options, "threads": threads},
        compute=ray.data.ActorPoolStrategy(size=min(jobs, len(rows)), max_tasks_in_flight_per_actor=1),
        batch_size=1,
        num_cpus=CPUS,
        num_gpus=gpus,
        max_restarts=-1,  # until Ray 2.64; without these two it tries for ever
        max_task_retries=TRIES,
    )
    finished = []
    try:
        for row in blocks.iter_rows():
            done = pickle.loads(row["outcome"])  # written by `Shard` in this very run
            if done.fault:
                engine.raise_fault(done.fault)
            if row["skipped"]:
                progress.skip(row["skipped"])
            if row["done"]:
                progress.advance(row["done"])
            outcome.add(done)
            finished.append(row["index"])
    except ray.exceptions.RayError as fault:
        raise ResourceError(
            "worker",
            f"a worker of Ray failed ({type(fault).__name__})",
            "finished blocks are kept; run again, with fewer --jobs if memory is short",
        ) from fault
    check_complete(finished, len(works))


def check_complete(finished: list[int], n_blocks: int) -> None:
    """Raise ResourceError unless every block came back once.

    >>> check_complete([2, 0, 1], 3)
    >>> check_complete([0, 0, 1], 3)
    Traceback (most recent call last):
    analysis.errors.ResourceError: error[worker] 1 of 3 blocks missing, 1 twice; finished blocks are kept; run again
    """
    missing, twice = n_blocks - len(set(finished)), len(finished) - len(set(finished))
    if missing or twice:
        what = f"{missing} of {n_blocks} blocks missing, {twice} twice"
        raise ResourceError("worker", what, "finished blocks are kept; run again")


class Shard:
    """An actor: answers blocks into the store, gives back their numbers and how they went."""

    def __init__(self, *, options: engine.Options, threads: int):
        devices.keep_memory()
        devices.single_threaded(threads)
        devices.exact(options.device)
        self.options, self.nets = options, engine.Nets(options)

    def __call__(self, batch: dict) -> dict:
        import numpy as np

        ticker = engine.Ticker()
        try:
            works = [pickle.loads(content) for content in batch["work"]]
            outcome = engine.run_blocks(works, self.nets, self.options, ticker)
        except AnalysisError as fault:  # as a value: Ray would give it back as another class, with a traceback
            outcome = engine.Outcome(fault=engine.as_fault(fault))
        except MemoryError:
            outcome = engine.Outcome(fault=engine.as_fault(devices.memory_fault("predicting a block")))
        return {
            "index": batch["index"],
            "outcome": np.array([pickle.dumps(outcome)], dtype=object),
            "done": np.array([ticker.done]),
            "skipped": np.array([ticker.skipped]),
        }


@contextmanager
def _cluster(jobs: int) -> Iterator:
    """Ray, connected; a cluster of our own is ended and its folder removed, whatever happens."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # else it warns of every actor that may be restarted
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray warns of its own old options and of files it leaves open
        try:
            import ray
            import ray.data  # noqa: F401 - makes ray.data known
        except ImportError:
            remedy = "install its tier (requirements/ray.txt) or leave out --engine ray"
            raise UsageError("tier", "Ray is not installed", remedy) from None
        warnings.simplefilter("ignore")  # again: Ray puts filters of its own before ours
        address, folder = os.environ.get("RAY_ADDRESS", "").strip(), None
        try:
            if address:
                given = {name: os.environ[name] for name in SETTINGS if os.environ.get(name)}
                where = {"address": address, "runtime_env": {"env_vars": given}}
            else:
                folder = tempfile.mkdtemp(prefix="ray-", dir=_short(tempfile.gettempdir()))
                where = {"num_cpus": jobs, "object_store_memory": OBJECTS, "include_dashboard": False}
                where["_temp_dir"] = folder
            _connect(ray, where)
            yield ray
        finally:
            ray.shutdown()
            if folder:
                shutil.rmtree(folder, ignore_errors=True)


def _connect(ray, where: dict) -> None:
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **where)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as fault:
        what = "no cluster at RAY_ADDRESS" if "address" in where else "no cluster could be started here"
        raise ResourceError("ray", f"{what} ({type(fault).__name__})", "see `ray status`") from fault
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # a fault comes as an exception, once
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False


def _short(folder: str) -> str | None:
    """A folder for Ray's sockets, whose paths must be short."""
    return folder if len(folder) <= _LONGEST or sys.platform == "win32" else "/tmp"
