"""The child process of `pickles`: data frames pickled by pandas, read with the standard library alone.

Run as a script: it takes paths on standard input, limits itself, and writes a line of JSON a file. Neither numpy nor
pandas is here, because their constructors crash on made-up arguments (an object array whose shape byte was changed ends
numpy 2.4 with a segmentation fault, through a correct list of allowed names).

Three fences, each enough for the pickles that are known to do harm:
1. `scan` walks the opcodes before anything is loaded: only those that plain data frames use, memo entries one by one,
   global names from `NAMES` alone, nothing behind the end;
2. `Reader.find_class` gives stand-ins for exactly these names; a stand-in holds plain values and checks them;
3. the process has little memory and time and writes no files.
"""

import io
import json
import math
import pickle
import pickletools
import struct
import sys

LARGEST_FILE = 100 << 20  # no file of a repository on GitHub is larger
LARGEST_AXIS = 10**7
MOST_CELLS, MOST_LETTERS = 20_000_000, 50_000_000  # of a frame; of a column of texts: rows times the longest
MEMORY, SECONDS = 2 << 30, 60

OPCODES = {
    "PROTO", "FRAME", "STOP", "MARK", "MEMOIZE", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET", "GLOBAL",
    "STACK_GLOBAL", "REDUCE", "NEWOBJ", "BUILD", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1",
    "BINFLOAT", "SHORT_BINUNICODE", "BINUNICODE", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8",
    "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM",
    "SETITEMS",
}  # fmt: skip


class Refused(Exception):
    """Why a file is not read; the text is ours and holds nothing of the file."""


def need(condition, reason: str) -> None:
    if not condition:
        raise Refused(reason)


def is_size(value) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_AXIS


class Standin:
    """What a name of a pickle stands for. Values come in by the constructor, or once by `fill` where pickles do so."""

    __slots__ = ("ready",)

    def __setstate__(self, state):
        need(not getattr(self, "ready", False), "an object is filled twice")
        self.fill(state)
        self.ready = True

    def fill(self, state):
        raise Refused("an object is filled that cannot be")


class Function(Standin):
    """A function that pickles call: no plain one, whose attributes an instruction could set."""

    __slots__ = ("call",)

    def __init__(self, call):
        self.call = call

    def __call__(self, *arguments):
        return self.call(*arguments)


class Slice(Standin):
    """builtins.slice: which columns a block holds."""

    __slots__ = ("range",)

    def __init__(self, start, stop, step):
        step = 1 if step is None else step
        need(is_size(start) and is_size(stop) and is_size(step) and step > 0, "a slice is malformed")
        self.range = range(start, stop, step)


class DType(Standin):
    """numpy.dtype: integers, floats, booleans, or object for text."""

    __slots__ = ("code", "order", "size")
    CODES: dict = {  # noqa: RUF012 (no field: __slots__)
        "b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q",
        "f2": "e", "f4": "f", "f8": "d", "O8": "O",
    }  # fmt: skip

    def __init__(self, name, align=False, copy=True):
        need(type(name) is str and name in self.CODES, "a type is none of bool, int, float, text")
        self.code, self.size, self.order = self.CODES[name], int(name[1:]), "<"

    def fill(self, state):
        need(type(state) is tuple and len(state) == 8 and state[0] == 3, "a type is malformed")
        need(state[1] in ("<", ">", "|") and state[2:5] == (None, None, None), "a type is malformed")
        self.order = ">" if state[1] == ">" else "<"


class Array(Standin):
    """numpy.ndarray: its shape and its values in a flat tuple, as they lie in memory."""

    __slots__ = ("fortran", "shape", "values")

    def fill(self, state):
        need(type(state) is tuple and len(state) == 5, "an array is malformed")
        version, shape, dtype, fortran, content = state
        need(type(version) is int and version == 1, "an array of an unknown version")
        need(type(dtype) is DType and type(fortran) is bool, "an array is malformed")
        need(type(shape) is tuple and len(shape) in (1, 2) and all(map(is_size, shape)), "a shape is malformed")
        size = math.prod(shape)
        if dtype.code == "O":
            need(type(content) is list and len(content) == size, "an array of text has another shape than values")
            need(all(type(value) in (str, int) for value in content), "an array holds other objects than text")
            self.values = tuple(map(str, content))
        else:
            need(type(content) in (bytes, bytearray), "an array is malformed")
            need(len(content) == size * dtype.size, "an array has another shape than bytes")
            self.values = struct.unpack(f"{dtype.order}{size}{dtype.code}", content)
        self.shape, self.fortran = shape, fortran

    def rows(self):
        """The rows of a two-dimensional array."""
        height, width = self.shape
        if self.fortran:
            return [self.values[row::height] for row in range(height)]
        return [self.values[row * width : (row + 1) * width] for row in range(height)]


@Function
def reconstruct(kind, shape, typecode):
    need(kind is Array and shape == (0,) and typecode == b"b", "an array is malformed")
    return Array()


@Function
def frombuffer(content, dtype, shape, order):
    need(order in ("C", "F"), "an array is malformed")
    array = Array()
    array.__setstate__((1, shape, dtype, order == "F", content))
    return array


@Function
def encode(text, encoding):
    need(type(text) is str and encoding == "latin1", "bytes are malformed")
    return text.encode("latin1")


class Index(Standin):
    """Labels of an axis: `values` where they are stored, `size` in any case."""

    __slots__ = ("size", "values")


class RangeIndex(Index):
    __slots__ = ()


@Function
def new_index(kind, facts):
    need(type(facts) is dict and facts.get("name") is None, "an index is malformed")
    index = Index()
    if kind is RangeIndex:
        need(set(facts) == {"name", "start", "stop", "step"}, "an index is malformed")
        index.values = None
        index.size = len(Slice(facts["start"], facts["stop"], facts["step"]).range)
    else:
        need(kind is Index and set(facts) == {"data", "name"}, "an index is malformed")
        data = facts["data"]
        need(type(data) is Array and len(data.shape) == 1, "an index is malformed")
        index.values, index.size = data.values, data.shape[0]
    return index


class Block(Standin):
    __slots__ = ("array", "columns")


@Function
def new_block(array, columns, ndim):
    block = Block()
    need(type(array) is Array and len(array.shape) == 2 and ndim == 2, "a block is malformed")
    need(type(columns) in (Slice, Array), "a block is malformed")
    places = columns.range if type(columns) is Slice else columns.values
    need(len(places) == array.shape[0], "a block has another number of columns than rows of values")
    block.array, block.columns = array, places
    return block


class Manager(Standin):
    __slots__ = ("axes", "blocks")

    def __init__(self, blocks, axes):
        need(type(blocks) is tuple and all(type(block) is Block for block in blocks), "blocks are malformed")
        need(type(axes) is list and len(axes) == 2 and all(type(axis) is Index for axis in axes), "axes are malformed")
        self.blocks, self.axes = blocks, tuple(axes)


class Frame(Standin):
    __slots__ = ("manager",)

    def fill(self, state):
        need(type(state) is dict and type(state.get("_mgr")) is Manager, "the frame is malformed")
        self.manager = state["_mgr"]

    def columns(self) -> dict[str, tuple]:
        """Column name -> values."""
        names, rows = self.manager.axes
        need(names.values is not None and all(type(name) is str for name in names.values), "a column has no name")
        need(all(len(name) <= 100 and name.isprintable() for name in names.values), "a column name is not printable")
        need(len(set(names.values)) == names.size, "two columns have one name")
        need(rows.size * names.size <= MOST_CELLS, "a frame is too large")
        found = {}
        for block in self.manager.blocks:
            need(block.array.shape[1] == rows.size, "a column has another length than the frame")
            for place, values in zip(block.columns, block.array.rows(), strict=True):
                need(type(place) is int and 0 <= place < names.size, "a column has no place")
                need(names.values[place] not in found, "two columns have one place")
                found[names.values[place]] = values
        need(len(found) == names.size, "a column has no values")
        return {name: found[name] for name in names.values}


NAMES = {
    ("builtins", "slice"): Slice,
    ("__builtin__", "slice"): Slice,  # protocol 2
    ("_codecs", "encode"): encode,  # bytes in protocol 2
    ("numpy", "dtype"): DType,
    ("numpy", "ndarray"): Array,
    ("numpy.core.multiarray", "_reconstruct"): reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): reconstruct,
    ("numpy.core.numeric", "_frombuffer"): frombuffer,
    ("numpy._core.numeric", "_frombuffer"): frombuffer,
    ("pandas", "DataFrame"): Frame,  # pandas 3
    ("pandas", "Index"): Index,
    ("pandas", "RangeIndex"): RangeIndex,
    ("pandas.core.frame", "DataFrame"): Frame,
    ("pandas.core.indexes.base", "Index"): Index,
    ("pandas.core.indexes.base", "_new_Index"): new_index,
    ("pandas.core.indexes.range", "RangeIndex"): RangeIndex,
    ("pandas.core.internals.managers", "BlockManager"): Manager,
    ("pandas._libs.internals", "_unpickle_block"): new_block,
}


def scan(content: bytes) -> None:
    """Refuse a pickle by its opcodes, before anything of it is loaded."""
    memo, end, last, edge = 0, 0, 0, None
    for opcode, argument, position in pickletools.genops(content):
        need(opcode.name in OPCODES, "an instruction that no data frame needs")
        # Where a frame ends inside an instruction the loader reads on elsewhere than this scan does.
        if edge is not None:
            need(not last < edge < position, "a frame that ends inside an instruction")
            edge = None if position >= edge else edge
        if opcode.name == "FRAME":
            need(edge is None, "a frame in a frame")
            edge = position + 9 + argument
        last = position
        if opcode.name == "PROTO":
            need(position == 0 and 2 <= argument <= 5, "an unknown protocol")
        elif opcode.name == "GLOBAL":
            need(tuple(argument.split(" ")) in NAMES, "a name outside the list of allowed names")
        elif opcode.name == "MEMOIZE":
            memo += 1
        elif opcode.name in ("BINPUT", "LONG_BINPUT"):
            need(argument == memo, "a memo entry out of turn")
            memo += 1
        end = position + 1
    need(end == len(content), "bytes behind its end")
    need(edge is None or edge == end, "a frame that ends inside an instruction")


class Reader(pickle.Unpickler):
    def find_class(self, module, name):
        need((module, name) in NAMES, "a name outside the list of allowed names")
        return NAMES[module, name]

    def persistent_load(self, pid):
        raise Refused("an instruction that no data frame needs")


# What made-up bytes make the standard library raise; anything else is reported by its type.
MALFORMED = (
    pickle.UnpicklingError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OverflowError,
    struct.error, RecursionError, MemoryError,
)  # fmt: skip


def load(content: bytes) -> dict:
    """The columns of a pickled data frame: name -> {kind, values}; kind is b, i, f or s.

    Raises
    ------
    Refused : the bytes are anything else.
    """
    try:
        scan(content)
        frame = Reader(io.BytesIO(content)).load()
        need(type(frame) is Frame and getattr(frame, "ready", False), "no data frame")
        return {name: described(values) for name, values in frame.columns().items()}
    except Refused:
        raise
    except MALFORMED:
        raise Refused("damaged, or no data frame") from None
    except Exception as fault:
        raise Refused(f"unexpected {type(fault).__name__}") from None


def described(values) -> dict:
    kinds = {type(value) for value in values}
    need(len(kinds) == 1, "a column is empty or of several types")
    kind = {bool: "b", int: "i", float: "f", str: "s"}[kinds.pop()]
    if kind == "f":
        need(all(map(math.isfinite, values)), "a number is not finite")
    if kind == "s":
        need(all(len(value) <= 1000 and value.isprintable() for value in values), "a text is not printable")
        # As an array every text takes the room of the longest.
        need(max(map(len, values)) * len(values) <= MOST_LETTERS, "its texts are too long")
    return {"kind": kind, "values": values}


def limit(seconds: int) -> None:
    """Little memory, little time, no files, no dump of memory; what a system does not know is left out (macOS)."""
    try:
        import resource
    except ImportError:
        return
    wanted = {"RLIMIT_AS": MEMORY, "RLIMIT_CPU": seconds, "RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0}
    for name, most in wanted.items():
        try:
            number = getattr(resource, name)
            hard = resource.getrlimit(number)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(number, (most, most))
        except (AttributeError, ValueError, OSError):
            continue


def answer(content: bytes) -> dict:
    """What the child says of a file of that content."""
    try:
        need(len(content) <= LARGEST_FILE, "too long")
        return {"columns": load(content)}
    except Refused as refused:
        return {"refused": str(refused)}


def main() -> None:
    job = json.load(sys.stdin)
    limit(job["seconds"])
    for path in job["paths"]:
        try:
            with open(path, "rb") as file:
                said = answer(file.read(LARGEST_FILE + 1))
        except OSError:
            said = {"refused": "not readable"}
        sys.stdout.write(json.dumps(said, allow_nan=False) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
