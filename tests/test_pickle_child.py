"""Each check of the stand-ins for pickled objects, by itself: one malformed argument, the others as they should be."""

import collections
import io
import pickle
import struct
import types

import numpy as np
import pytest

from analysis.sources import pickle_child as child
from analysis.sources.pickle_child import Array, Block, DType, Frame, Index, Manager, RangeIndex, Refused, Slice


def array(*shape, values=None, code="i8"):
    """An array of numbers, 0 and up."""
    size = int(np.prod(shape))
    dtype, made = DType(code), Array()
    content = struct.pack(f"<{size}{dtype.code}", *(range(size) if values is None else values))
    made.__setstate__((1, shape, dtype, False, content))
    return made


def index(*names):
    made = Index()
    made.values, made.size = names, len(names)
    return made


def rows(size):
    return child.new_index(RangeIndex, {"name": None, "start": 0, "stop": size, "step": 1})


def frame(names, size, *blocks):
    """A frame of columns with these names, of blocks given as (array, places of its columns)."""
    made = Frame()
    made.__setstate__({"_mgr": Manager(tuple(child.new_block(*block, 2) for block in blocks), [names, size])})
    return made


def filled(kind, state):
    made = kind.__new__(kind)
    if kind is DType:
        made = DType("i8")
    made.__setstate__(state)


NUMBERS = (1, (2,), DType("i8"), False, bytes(16))
TEXT = (1, (2,), DType("O8"), False, ["a", "b"])
TYPE = (3, "<", None, None, None, -1, -1, 0)
BLOCK = child.new_block(array(1, 2), Slice(0, 1, 1), 2)
LIKE_AN_ARRAY = types.SimpleNamespace(shape=(1,), values=(0,))


def but(state, at, value):
    return (*state[:at], value, *state[at + 1 :])


def framed(content, length=None):
    return b"\x95" + struct.pack("<Q", len(content) if length is None else length) + content


P = b"\x80\x04"
CASES = {
    "slice from text": (lambda: Slice("0", 1, 1), "a slice is malformed"),
    "slice to below 0": (lambda: Slice(0, -1, 1), "a slice is malformed"),
    "slice by a truth value": (lambda: Slice(0, 1, True), "a slice is malformed"),
    "slice by 0": (lambda: Slice(0, 1, 0), "a slice is malformed"),
    "type by a list": (lambda: DType([]), "a type is none of bool"),
    "type of another name": (lambda: DType("c16"), "a type is none of bool"),
    "type filled with nothing": (lambda: filled(DType, None), "a type is malformed"),
    "type filled with more": (lambda: filled(DType, (*TYPE, None)), "a type is malformed"),
    "type of another version": (lambda: filled(DType, but(TYPE, 0, 4)), "a type is malformed"),
    "type of another order": (lambda: filled(DType, but(TYPE, 1, "=")), "a type is malformed"),
    "type of fields": (lambda: filled(DType, but(TYPE, 3, ("a",))), "a type is malformed"),
    "array by a list": (lambda: filled(Array, list(NUMBERS)), "an array is malformed"),
    "array filled with more": (lambda: filled(Array, (*NUMBERS, 0)), "an array is malformed"),
    "array of a true version": (lambda: filled(Array, but(NUMBERS, 0, True)), "an array of an unknown version"),
    "array of another version": (lambda: filled(Array, but(NUMBERS, 0, 2)), "an array of an unknown version"),
    "array of what is like a type": (
        lambda: filled(Array, but(NUMBERS, 2, types.SimpleNamespace(code="q", size=8, order="<"))),
        "an array is malformed",
    ),
    "array of an order by number": (lambda: filled(Array, but(NUMBERS, 3, 0)), "an array is malformed"),
    "shape by a list": (lambda: filled(Array, but(NUMBERS, 1, [2])), "a shape is malformed"),
    "three axes": (lambda: filled(Array, but(NUMBERS, 1, (1, 1, 2))), "a shape is malformed"),
    "an axis that is a truth value": (lambda: filled(Array, but(NUMBERS, 1, (True, 2))), "a shape is malformed"),
    "text by a tuple": (lambda: filled(Array, but(TEXT, 4, ("a", "b"))), "an array of text has another shape"),
    "text cut short": (lambda: filled(Array, but(TEXT, 4, ["a"])), "an array of text has another shape"),
    "text with a fraction": (lambda: filled(Array, but(TEXT, 4, ["a", 0.5])), "an array holds other objects"),
    "bytes by a list": (lambda: filled(Array, but(NUMBERS, 4, [0] * 16)), "an array is malformed"),
    "bytes cut short": (lambda: filled(Array, but(NUMBERS, 4, bytes(8))), "an array has another shape than bytes"),
    "array made of an index": (lambda: child.reconstruct(Index, (0,), b"b"), "an array is malformed"),
    "array made with a shape": (lambda: child.reconstruct(Array, (1,), b"b"), "an array is malformed"),
    "array made of another code": (lambda: child.reconstruct(Array, (0,), b"c"), "an array is malformed"),
    "buffer of another order": (lambda: child.frombuffer(bytes(16), DType("i8"), (2,), "A"), "an array is malformed"),
    "bytes of bytes": (lambda: child.encode(b"a", "latin1"), "bytes are malformed"),
    "bytes of another encoding": (lambda: child.encode("a", "utf-8"), "bytes are malformed"),
    "index by a list": (lambda: child.new_index(Index, [array(2)]), "an index is malformed"),
    "index with a name": (lambda: child.new_index(Index, {"name": "a", "data": array(2)}), "an index is malformed"),
    "index of a range and more": (
        lambda: child.new_index(RangeIndex, {"name": None, "start": 0, "stop": 2, "step": 1, "more": 0}),
        "an index is malformed",
    ),
    "index of another kind": (lambda: child.new_index(Frame, {"name": None, "data": array(2)}), "an index is malf"),
    "index and more": (lambda: child.new_index(Index, {"name": None, "data": array(2), "more": 0}), "an index is malf"),
    "index of what is like an array": (
        lambda: child.new_index(Index, {"name": None, "data": LIKE_AN_ARRAY}),
        "an index is malformed",
    ),
    "index of two axes": (lambda: child.new_index(Index, {"name": None, "data": array(2, 1)}), "an index is malformed"),
    "block of what is like an array": (
        lambda: child.new_block(types.SimpleNamespace(shape=(1, 2)), Slice(0, 1, 1), 2),
        "a block is malformed",
    ),
    "block of one axis": (lambda: child.new_block(array(1), Slice(0, 1, 1), 2), "a block is malformed"),
    "block that says one axis": (lambda: child.new_block(array(1, 2), Slice(0, 1, 1), 1), "a block is malformed"),
    "block with what is like places": (lambda: child.new_block(array(1, 2), LIKE_AN_ARRAY, 2), "a block is malformed"),
    "block with a place too many": (lambda: child.new_block(array(1, 2), Slice(0, 2, 1), 2), "a block has another num"),
    "blocks by a list": (lambda: Manager([BLOCK], [index("a"), rows(2)]), "blocks are malformed"),
    "blocks of another kind": (lambda: Manager((array(1, 2),), [index("a"), index("b")]), "blocks are malformed"),
    "axes by a tuple": (lambda: Manager((BLOCK,), (index("a"), index("b"))), "axes are malformed"),
    "axes, three": (lambda: Manager((BLOCK,), [index("a"), index("b"), index("c")]), "axes are malformed"),
    "axes of another kind": (lambda: Manager((BLOCK,), [index("a"), Slice(0, 2, 1)]), "axes are malformed"),
    "frame by another dict": (
        lambda: filled(Frame, collections.OrderedDict(_mgr=Manager((BLOCK,), [index("a"), rows(2)]))),
        "the frame is malformed",
    ),
    "frame of a block": (lambda: filled(Frame, {"_mgr": BLOCK}), "the frame is malformed"),
    "names by number": (
        lambda: frame(rows(1), rows(2), (array(1, 2), Slice(0, 1, 1))).columns(),
        "a column has no name",
    ),
    "a name that is a number": (
        lambda: frame(index(1), rows(2), (array(1, 2), Slice(0, 1, 1))).columns(),
        "a column has no name",
    ),
    "a name with a line end": (
        lambda: frame(index("a\n"), rows(2), (array(1, 2), Slice(0, 1, 1))).columns(),
        "a column name is not printable",
    ),
    "a name twice": (
        lambda: frame(index("a", "a"), rows(2), (array(2, 2), Slice(0, 2, 1))).columns(),
        "two columns have one name",
    ),
    "too many cells": (lambda: frame(index("a", "b", "c"), rows(10**7)).columns(), "a frame is too large"),
    "a column too short": (
        lambda: frame(index("a"), rows(3), (array(1, 2), Slice(0, 1, 1))).columns(),
        "a column has another length",
    ),
    "a place that is a truth value": (
        lambda: frame(index("a", "b"), rows(2), (array(1, 2), array(1, values=[True], code="b1"))).columns(),
        "a column has no place",
    ),
    "a place outside": (
        lambda: frame(index("a"), rows(2), (array(1, 2), array(1, values=[5]))).columns(),
        "a column has no place",
    ),
    "a place twice": (
        lambda: frame(index("a", "b"), rows(2), (array(2, 2), array(2, values=[0, 0]))).columns(),
        "two columns have one place",
    ),
    "a column of nothing": (
        lambda: frame(index("a", "b"), rows(2), (array(1, 2), Slice(0, 1, 1))).columns(),
        "a column has no values",
    ),
    "a frame that ends early": (lambda: child.scan(P + framed(b"J\0\0\0\0.", 2)), "a frame that ends inside"),
    "a frame that ends late": (lambda: child.scan(P + framed(b"N.", 3)), "a frame that ends inside"),
    "a frame in a frame": (lambda: child.scan(P + framed(framed(b"N."))), "a frame in a frame"),
    "protocol twice": (lambda: child.scan(P + P + b"N."), "an unknown protocol"),
    "protocol 1": (lambda: child.scan(b"\x80\x01N."), "an unknown protocol"),
    "another name": (lambda: child.scan(P + b"cos\nsystem\n."), "a name outside the list"),
    "an object from outside": (lambda: child.Reader(io.BytesIO()).persistent_load(0), "an instruction that no"),
    "an array alone": (lambda: child.load(pickle.dumps(np.arange(3), protocol=4)), "no data frame"),
    "a frame of nothing": (lambda: child.load(b"\x80\x02cpandas\nDataFrame\n)\x81."), "no data frame"),
    "values of two types": (lambda: child.described((1, "a")), "a column is empty or of several types"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_malformed_is_refused_for_its_own_reason(case):
    call, reason = CASES[case]
    with pytest.raises(Refused, match=f"^{reason}"):
        call()


def test_what_is_well_formed_is_not():
    for kind, state in ((DType, TYPE), (Array, NUMBERS), (Array, TEXT)):
        filled(kind, state)
    made = frame(index("a", "b"), rows(2), (array(2, 2), Slice(0, 2, 1)))
    assert made.columns() == {"a": (0, 1), "b": (2, 3)} and type(BLOCK) is Block
    child.scan(P + framed(b"N."))


def test_long_texts_and_unexpected_faults_are_refused(monkeypatch):
    monkeypatch.setattr(child, "MOST_LETTERS", 3)
    with pytest.raises(Refused, match="its texts are too long"):
        child.described(("aa", "bb"))
    monkeypatch.setattr(child, "Reader", lambda _: 1 // 0)
    with pytest.raises(Refused, match="unexpected ZeroDivisionError"):
        child.load(P + b"N.")
