"""The machine under the engine: device, precision, memory, threads; and how models share the memory there is."""

import ctypes
import gc
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import ResourceError, UsageError
from .deferred import defer_compiler

PRECISIONS = ("fp32", "bf16", "fp16")
PROCESS_BYTES = 700 << 20  # Python, torch and buffers of a process before its first model
BATCH_BYTES = 300 << 20  # what a batch needs while it passes through one network
SHARE = 0.7  # of the free memory that the models may take


def resolve(device: str, precision: str) -> str:
    """The device that a name stands for ("auto": the GPUs if there are any), checked against the precision.

    Raises
    ------
    UsageError : no such device here, or a precision that it does not compute.
    """
    if precision not in PRECISIONS:
        raise UsageError("precision", f"{precision}: no such precision", f"there are: {', '.join(PRECISIONS)}")
    if device not in ("auto", "cpu") and not device.startswith("cuda"):
        raise UsageError("device", f"{device}: no such device", "there are: auto, cpu, cuda, cuda:0, ...")
    if device == "auto" and precision != "fp16" and not _cuda_seen():
        device = "cpu"
    if device == "auto" or device.startswith("cuda"):
        import torch

        have = torch.cuda.is_available()
        if device == "auto":
            device = "cuda" if have else "cpu"
        elif not have or int(device.partition(":")[2] or 0) >= torch.cuda.device_count():
            raise UsageError("device", f"{device}: torch finds no such GPU", "use --device cpu")
    if device == "cpu" and precision == "fp16":
        raise UsageError("precision", "fp16 is for GPUs", "use --precision bf16 or fp32")
    return device


def computes_bf16() -> bool:
    """Whether this processor has arithmetic for bfloat16; else it is imitated, many times slower than float32."""
    import torch

    if sys.platform == "darwin" or not hasattr(torch.cpu, "get_capabilities"):
        return True  # not known
    have = torch.cpu.get_capabilities()
    return have.get("architecture") != "x86_64" or any(have.get(name) for name in ("avx512_bf16", "amx_bf16"))


def gpus(device: str) -> list[str]:
    """The GPUs that a resolved device stands for: "cuda" is all of them."""
    import torch

    return [f"cuda:{index}" for index in range(torch.cuda.device_count())] if device == "cuda" else [device]


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_bytes() -> int:
    """Main memory that is free for us: what the system says, less if a container allows less."""
    free = [_meminfo()]
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        try:
            free.append(int(Path(limit).read_text("ascii")) - int(Path(used).read_text("ascii")))
        except (OSError, ValueError):  # not Linux, or "max"
            continue
    return max(min(free), 0)


def gpu_budget(names: Sequence[str]) -> int:
    """Bytes that models may take on the fullest of some GPUs; the rest is for batches."""
    import torch

    return int(min(torch.cuda.mem_get_info(name)[0] for name in names) * SHARE)


def groups(sizes: Sequence[int], budget: int) -> list[list[int]]:
    """Models that are held at once, in their order; every group is one more pass over the images.

    Parameters
    ----------
    sizes : bytes that each model takes
    budget : bytes that there are; a model larger than this stands alone

    >>> groups([4, 4, 4, 9, 1], budget=10)
    [[0, 1], [2], [3, 4]]
    >>> groups([40], budget=10)
    [[0]]
    """
    found: list[list[int]] = []
    used = budget + 1
    for index, size in enumerate(sizes):
        if found and used + size <= budget:
            found[-1].append(index)
            used += size
        else:
            found.append([index])
            used = size
    return found


def shards(sizes: Sequence[int], *, jobs: int, free: int) -> tuple[int, int, list[list[int]]]:
    """Processes, threads of each, and groups of models on a CPU.

    One process a job with one thread is fastest, if memory holds all models that often; otherwise one process takes
    all threads, and models that do not fit even so run in groups.

    >>> shards([1 << 20] * 3, jobs=4, free=16 << 30)
    (4, 1, [[0, 1, 2]])
    >>> shards([3 << 30, 3 << 30], jobs=2, free=8 << 30)
    (1, 2, [[0], [1]])
    """
    budget = int(free * SHARE)
    fixed = PROCESS_BYTES + BATCH_BYTES
    if jobs * (fixed + sum(sizes)) <= budget:
        return jobs, 1, groups(sizes, budget)
    return 1, jobs, groups(sizes, budget - fixed)


def peak_mb() -> int:
    """The most memory that this process has held so far, in MB; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # not a Unix
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (20 if sys.platform == "darwin" else 10)


def keep_memory() -> bool:
    """Let glibc keep freed memory for the next batch in place of giving it back: half the time of small networks.

    To be called before torch allocates. Says whether it worked; elsewhere than on glibc it does nothing.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    threshold, trim, pad = -3, -1, -2  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD of malloc.h
    return all([mallopt(threshold, 1 << 30), mallopt(trim, 2**31 - 1), mallopt(pad, 1 << 26)])


def single_threaded(threads: int) -> None:
    """Threads of torch; one for OpenCV, whose own would fight with them."""
    import torch

    torch.set_num_threads(threads)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)


@contextmanager
def one_thread(device: str) -> Iterator[None]:
    """One thread on a CPU: sums come in one order, so a run gives the same numbers on any number of cores."""
    import torch

    before = torch.get_num_threads()
    try:
        if device == "cpu":
            single_threaded(1)
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def light_imports() -> Iterator[None]:
    """Import torch and timm without their compiler, and without garbage collection: of a million objects that they
    make none is garbage."""
    defer_compiler()
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def leave_with_parent() -> None:
    """End this process when its parent is gone (kill -9), in place of waiting for work for ever."""
    from multiprocessing import connection, parent_process

    parent = parent_process()
    if parent is None:
        return

    def watch():
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def exact(device: str) -> None:
    """On a GPU: fp32 means fp32 (no TF32), and the same kernels every time."""
    if device.startswith("cuda"):
        import torch

        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True


def out_of_memory(fault: BaseException) -> bool:
    """Whether torch or Python says that memory is short; torch's CPU allocator says so in a RuntimeError."""
    import torch

    if isinstance(fault, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(fault, RuntimeError) and "not enough memory" in str(fault)


def memory_fault(step: str) -> ResourceError:
    return ResourceError("memory", f"not enough memory: {step}", "use a smaller --batch, fewer --jobs or fewer models")


def _cuda_seen() -> bool:
    """Whether a driver is there at all: asking torch costs a second and half a gigabyte."""
    return sys.platform == "win32" or any(Path(path).exists() for path in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg"))


def _meminfo() -> int:
    with suppress(OSError):
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 8 << 30
