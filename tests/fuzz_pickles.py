"""Made-up pickles, each from its number alone, and the child process that reads them (test_pickles.py).

The child gets a job on standard input: seeds in hexadecimal, the folder of `pickle_child`, first number and end. It
limits itself as in use, and writes a line of JSON a batch: how many were read and refused, faults, some of the answers.
"""

import json
import pickletools
import random
import sys
from typing import NamedTuple

# Lengths of arguments by pickletools: a number of bytes, or a length in front of 1, 4, 4 or 8.
WIDTHS = {pickletools.TAKEN_FROM_ARGUMENT1: 1, pickletools.TAKEN_FROM_ARGUMENT4: 4}
WIDTHS |= {pickletools.TAKEN_FROM_ARGUMENT4U: 4, pickletools.TAKEN_FROM_ARGUMENT8U: 8, pickletools.UP_TO_NEWLINE: 0}
ODD = (0, 1, 2, 3, 4, 127, 128, 166, 254, 255)  # an object array whose shape was 166 instead of 1 ended numpy
OPERATIONS = [op.code.encode("latin1") for op in pickletools.opcodes if op.arg is None]
OPERATIONS += [
    b"K\x00",
    b"K\x01",
    b"K\xa6",
    b"M\xff\xff",
    b"J\xff\xff\xff\xff",
    b"\x8a\x05\0\0\0\0\x01",
    b"h\x00",
    b"h\x05",
]
OPERATIONS += [b"h\x10", b"q\x00", b"\x8c\x01b", b"C\x01b", b"C\x08\0\0\0\0\0\0\xf8\x7f", b"\x8c\x02O8", b"\x8c\x02f8"]


class Seed(NamedTuple):
    """A pickle, where its instructions begin, and where the bytes are that say a number or a length."""

    content: bytes
    starts: tuple[int, ...]
    sizes: tuple[int, ...]


def seed(content: bytes) -> Seed:
    found = [(code, at) for code, _, at in pickletools.genops(content)]
    widths = [(WIDTHS.get(code.arg.n, code.arg.n), at) for code, at in found if code.arg]
    sizes = tuple(at + 1 + place for width, at in widths for place in range(width))
    return Seed(content, tuple(at for _, at in found), sizes)


def flip(rng, content: bytearray, *_) -> None:
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def replace(rng, content: bytearray, *_) -> None:
    content[rng.randrange(len(content))] = rng.randrange(256)


def cut(rng, content: bytearray, *_) -> None:
    at = rng.randrange(len(content))
    del content[at : at + rng.randrange(1, 9)]


def splice(rng, content: bytearray, here: Seed, seeds: list[Seed]) -> None:
    """Some instructions of a seed: in between, or in the place of all that follows."""
    other = rng.choice(seeds)
    start = rng.randrange(len(other.starts))
    end = min(start + rng.randrange(1, 12), len(other.starts) - 1)
    at = rng.choice(here.starts)
    if rng.random() < 0.3:
        content[at:] = other.content[other.starts[start] :]
    else:
        content[at:at] = other.content[other.starts[start] : other.starts[end]]


def insert(rng, content: bytearray, here: Seed, _) -> None:
    at = rng.choice(here.starts)
    content[at:at] = rng.choice(OPERATIONS)


def resize(rng, content: bytearray, here: Seed, _) -> None:
    at = rng.choice(here.sizes)
    if at < len(content):
        content[at] = rng.choice(ODD) if rng.random() < 0.7 else rng.randrange(256)


MUTATORS = (flip, replace, cut, splice, insert, resize)


def made(seeds: list[Seed], number: int) -> bytes:
    """The made-up pickle of a number."""
    rng = random.Random(number)
    here = rng.choice(seeds)
    content = bytearray(here.content)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(MUTATORS)(rng, content, here, seeds)
        if not content:
            break
    # In half of them the frame has the right length again: else most would be refused for that alone.
    if content[2:3] == b"\x95" and len(content) > 11 and rng.random() < 0.5:
        content[3:11] = (len(content) - 11).to_bytes(8, "little")
    return bytes(content)


def main() -> None:
    job = json.load(sys.stdin)
    sys.path.insert(0, job["folder"])
    import pickle_child

    seeds = [seed(bytes.fromhex(content)) for content in job["seeds"]]
    pickle_child.limit(job["seconds"])
    for first in range(job["first"], job["end"], job["batch"]):
        end = min(first + job["batch"], job["end"])
        said = {"read": end - first, "refused": 0, "faults": [], "answers": []}
        for number in range(first, end):
            try:
                answer = pickle_child.answer(made(seeds, number))
                text = json.dumps(answer, allow_nan=False)
            except Exception as fault:
                said["faults"].append((number, type(fault).__name__))
                continue
            reason = answer.get("refused", "")
            said["refused"] += bool(reason)
            if reason.startswith("unexpected"):
                said["faults"].append((number, reason))
            elif not reason and number % 20 == 0:
                said["answers"].append(text)
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
