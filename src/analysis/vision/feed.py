"""Decoded batches from worker processes, for a device that would wait for one process's decoding.

The workers are those of a torch DataLoader; each takes every n-th block, so the batches of a block come in order.
"""

from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ..errors import AnalysisError, ResourceError
from . import engine


class _Blocks(IterableDataset):
    def __init__(self, works: list, options):
        self.works, self.options = works, options

    def __iter__(self):
        info = get_worker_info()
        first, step = (info.id, info.num_workers) if info else (0, 1)
        for index in range(first, len(self.works), step):
            work = self.works[index]
            try:
                last = len(work.conditions)
                for batch in engine.batches(work, self.options):
                    last -= batch.last
                    pixels = {geometry: torch.from_numpy(values) for geometry, values in batch.pixels.items()}
                    yield index, batch._replace(pixels=pixels), last == 0
            except AnalysisError as fault:
                yield engine.as_fault(fault), None, False


def feed(works: list, options) -> Iterator[tuple[int, "engine.Batch", bool]]:
    """Batches of all blocks as (index of the block, batch, whether it is the block's last).

    Raises
    ------
    ResourceError : a decoding process was killed.
    """
    workers = min(options.decoders, len(works))
    loader = DataLoader(
        _Blocks(works, options),
        batch_size=None,
        num_workers=workers,
        pin_memory=options.device.startswith("cuda"),
        prefetch_factor=4,
        multiprocessing_context="spawn",  # a fork would copy what CUDA and threads hold
        worker_init_fn=_begin,
    )
    try:
        for index, batch, finished in loader:
            if batch is None:
                engine.raise_fault(index)
            yield index, batch, finished
    except RuntimeError as fault:
        if "DataLoader worker" not in str(fault):
            raise
        raise ResourceError(
            "worker", "a decoding process was killed (memory?)", "run again, finished blocks are kept"
        ) from fault


def _begin(_: int) -> None:
    import signal

    from . import devices

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to stop
    devices.single_threaded(1)
