"""Pickles of others: plain data frames are read, everything else is refused in one line and never run (FAULTS G1-G5).

Every file goes through the child process with its limits, as in use; nothing here is unpickled in the test's process.
"""

import io
import itertools
import json
import os
import pickle
import pickletools
import runpy
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.errors import InputError, IntegrityError
from analysis.sources import pickle_child, pickles

# Made-up inputs: some here, more in `make test-faults`, most with LONG=1.
N_FUZZ = 20_000_000 if os.environ.get("LONG") == "1" else 100_000 if "FAULTS_RUN" in os.environ else 3_000
FUZZ = Path(__file__).with_name("fuzz_pickles.py")
PROTOCOLS = (2, 3, 4, 5)


def made_frame() -> pd.DataFrame:
    """Columns of the published schema, text as objects (pandas 3 would store it as Arrow arrays)."""
    frame = pd.DataFrame({"accuracy": [0.5, 0.25, 1.0], "original_label": [0, 1, 2]})
    frame["model"] = pd.Series(["a", "b c", "ä"], dtype=object)
    frame["mixed"] = pd.Series(["0", 1, 2], dtype=object)
    frame["flag"] = [True, False, True]
    frame["small"] = np.array([1, 2, 3], dtype=">u2")
    return frame.set_axis(pd.Index(list(frame), dtype=object), axis=1)


def of_numpy_1(protocol: int) -> bytes:
    """The same pickle as pandas 2 on numpy 1 writes it: other module names."""
    renamed = {
        ("pandas", "DataFrame"): "pandas.core.frame",
        ("pandas", "Index"): "pandas.core.indexes.base",
        ("pandas", "RangeIndex"): "pandas.core.indexes.range",
        ("numpy._core.multiarray", "_reconstruct"): "numpy.core.multiarray",
        ("numpy._core.numeric", "_frombuffer"): "numpy.core.numeric",
    }

    class Pickler(pickle._Pickler):
        """Globals under their old names: as text and STACK_GLOBAL, or as GLOBAL before protocol 4."""

        def save_global(self, obj, name=None):
            known = {("pandas", cls.__name__): cls for cls in (pd.DataFrame, pd.Index, pd.RangeIndex)}
            key = next((key for key, cls in known.items() if cls is obj), (obj.__module__, obj.__name__))
            if key not in renamed:
                return super().save_global(obj, name)
            module = renamed[key]
            if self.proto >= 4:
                self.save(module)
                self.save(key[1])
                self.write(pickle.STACK_GLOBAL)
            else:
                self.write(pickle.GLOBAL + f"{module}\n{key[1]}\n".encode())
            self.memoize(obj)

    Pickler.dispatch = {**pickle._Pickler.dispatch, type: Pickler.save_global, type(made_frame): Pickler.save_global}
    stream = io.BytesIO()
    Pickler(stream, protocol=protocol).dump(made_frame())
    return stream.getvalue()


def answer(tmp_path, *contents: bytes, **options) -> list:
    """What the child answers on each of the contents."""
    files = []
    for number, content in enumerate(contents):
        files.append(tmp_path / str(number))
        files[-1].write_bytes(content)
    return list(pickles.answers(files, **options))


def assert_equal(found, expected: pd.DataFrame):
    assert isinstance(found, dict), found
    assert list(found) == list(expected)
    for name, column in expected.items():
        wanted = column.astype(str) if column.dtype == object else column
        assert found[name].tolist() == wanted.tolist(), name


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_data_frame_is_read_as_pandas_wrote_it(tmp_path, protocol):
    frame = made_frame()
    (found,) = answer(tmp_path, pickle.dumps(frame, protocol=protocol))
    assert_equal(found, frame)
    assert [found[name].dtype.kind for name in frame] == ["f", "i", "U", "U", "b", "i"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_names_of_numpy_1_and_pandas_2_are_read(tmp_path, protocol):
    content = of_numpy_1(protocol)
    names = b" ".join(str(argument).encode() for _, argument, _ in pickletools.genops(content))
    assert b"numpy.core.multiarray" in names and b"numpy._core" not in names and b"pandas.core.frame" in names
    (found,) = answer(tmp_path, content)
    assert_equal(found, made_frame())


def test_other_layouts_of_the_same_frame(tmp_path):
    frame = made_frame()
    columns = pd.Index(["a", "b"], dtype=object)
    wide = pd.DataFrame(np.arange(6.0).reshape(3, 2), columns=columns)  # one block, Fortran order
    numbered = pd.DataFrame({"a": [1, 2]}, index=pd.Index([7, 3])).set_axis(columns[:1], axis=1)
    found = answer(tmp_path, *map(pickle.dumps, (frame[["model", "accuracy"]], wide, wide[::2], numbered)))
    for part, expected in zip(found, (frame[["model", "accuracy"]], wide, wide[::2], numbered), strict=True):
        assert_equal(part, expected)


class Call:
    """Pickles as a call of `function` when it is loaded."""

    def __init__(self, function, *arguments, state=None):
        self.made = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.made


def in_frame(value) -> pd.DataFrame:
    """The value inside an object column of a data frame that is valid otherwise."""
    frame = made_frame()
    column = pd.Series([None] * 3, dtype=object)
    column.iloc[1] = value
    return frame.assign(model=column)


TOUCH = "touch CANARY"
VALID = pickle.dumps(made_frame(), protocol=5)
LOADED = b"\x80\x04"
# A frame that ends inside a text: the loader drops the rest of it and reads on where the scan saw another text.
SMUGGLED = (
    b"\x80\x04\x95" + struct.pack("<Q", 7) + b"X\x04\0\0\0ab" + b"cd" + b"C\x06r" + struct.pack("<I", 1 << 26) + b".."
)
HOSTILE = {
    "instructions behind a lying frame": SMUGGLED,
    "texts that grow as an array": pickle.dumps(
        pd.DataFrame({"model": pd.Series(["x" * 1000] + ["y"] * 60_000, dtype=object)})
    ),
    "os.system": pickle.dumps(Call(os.system, TOUCH)),
    "eval": pickle.dumps(Call(eval, "open('CANARY', 'w')")),
    "os.system in protocol 2": pickle.dumps(Call(os.system, TOUCH), protocol=2),
    "eval inside an object array": pickle.dumps(in_frame(Call(eval, "open('CANARY', 'w')"))),
    "a numpy function": pickle.dumps(Call(np.load, "CANARY")),
    "a numpy scalar": pickle.dumps(in_frame(np.float64(1))),
    "protocol 0": pickle.dumps(made_frame(), protocol=0),
    "INST": b"(S'touch CANARY'\nios\nsystem\n.",
    "OBJ": b"\x80\x02(cos\nsystem\nX\x0c\x00\x00\x00touch CANARYo.",
    "GLOBAL outside the list": b"\x80\x02cos\nsystem\nX\x0c\x00\x00\x00touch CANARY\x85R.",
    "GLOBAL with a prefix of the list": b"\x80\x02cnumpy.core.multiarray\nset_string_function\n.",
    "dotted name": LOADED + b"\x8c\x05numpy\x8c\x0bdtype.__mro\x93.",
    "dotted name of a stand-in": LOADED + b"\x8c\x08builtins\x8c\x11slice.__class__.x\x93.",
    "module of a stand-in": LOADED + b"\x8c\x0cpickle_child\x8c\x03sys\x93.",
    "STACK_GLOBAL of no text": LOADED + b"]]\x93.",
    "EXT1": b"\x80\x02\x82\x01.",
    "EXT2": b"\x80\x02\x83\x01\x00.",
    "EXT4": b"\x80\x02\x84\x01\x00\x00\x00.",
    "PERSID": b"Pcanary\n.",
    "BINPERSID": b"\x80\x02K\x01Q.",
    "NEXT_BUFFER": b"\x80\x05\x97.",
    "NEWOBJ_EX": LOADED + b"\x8c\x08builtins\x8c\x05slice\x93)}\x92.",
    "BUILD on a class": LOADED + b"\x8c\x05numpy\x8c\x05dtype\x93}\x8c\x01a\x8c\x01bsb.",
    "BUILD on a function": LOADED + b"\x8c\x07_codecs\x8c\x06encode\x93}\x8c\x08__dict__}sb.",
    "BUILD with slots on a function": LOADED + b"\x8c\x07_codecs\x8c\x06encode\x93N}\x8c\x04callNs\x86b.",
    "BUILD on a list": LOADED + b"]}\x8c\x01a\x8c\x01bsb.",
    "BUILD on a slice": LOADED + b"\x8c\x08builtins\x8c\x05slice\x93K\x00K\x01K\x01\x87R}b.",
    "BUILD twice": LOADED
    + b"\x8c\x05numpy\x8c\x05dtype\x93\x8c\x02i8\x85R\x94"
    + 2
    * b"(K\x03\x8c\x01<NNNJ\xff\xff\xff\xff"
    b"J\xff\xff\xff\xffK\x00tb" + b".",
    "memo bomb": b"\x80\x02Nr\x00\x00\x00\x10.",
    "memo bomb in text": b"Np268435456\n.",
    "memo entry out of turn": b"\x80\x02Nq\x01.",
    "announced text that is not there": LOADED + b"\x8d" + struct.pack("<Q", 1 << 40) + b".",
    "announced bytes that are not there": b"\x80\x05\x96" + struct.pack("<Q", 1 << 62) + b".",
    "announced frame that is not there": LOADED + b"\x95" + struct.pack("<Q", 1 << 40) + b".",
    "protocol 6": b"\x80\x06N.",
    "no data frame": pickle.dumps([1, 2]),
    "a data frame without content": LOADED + b"\x8c\x06pandas\x8c\x09DataFrame\x93)\x81.",
    "empty": b"",
    "no pickle": b"version https://git-lfs.github.com/spec/v1\n",
    "cut short": VALID[:-1],
    "bytes behind its end": VALID + b"N.",
    "deep nesting": LOADED + b"]" * 100_000 + b"a" * 99_999 + b".",
    "complex numbers": pickle.dumps(made_frame().assign(accuracy=1j)),
    "times": pickle.dumps(made_frame().assign(accuracy=pd.Timestamp("2024-01-01"))),
    "categories": pickle.dumps(made_frame().assign(model=pd.Categorical(["a", "b", "c"]))),
    "Arrow text": pickle.dumps(made_frame().astype({"model": "str"})),
    "not finite": pickle.dumps(made_frame().assign(accuracy=np.nan)),
    "no rows": pickle.dumps(made_frame()[:0]),
    "a column twice": pickle.dumps(made_frame().set_axis(pd.Index(["a"] * 6, dtype=object), axis=1)),
    "escape codes": pickle.dumps(made_frame().assign(model=pd.Series(["\x1b[2J"] * 3, dtype=object))),
}


REASONS = {
    "os.system": "outside the list",
    "eval inside an object array": "outside the list",
    "dotted name": "outside the list",
    "INST": "an instruction",
    "EXT1": "an instruction",
    "BINPERSID": "an instruction",
    "memo bomb": "a memo entry",
    "BUILD on a function": "filled that cannot be",
    "BUILD with slots on a function": "filled that cannot be",
    "BUILD twice": "filled twice",
    "bytes behind its end": "behind its end",
    "escape codes": "not printable",
}


def test_hostile_and_damaged_files_are_refused_and_nothing_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = dict(zip(HOSTILE, answer(tmp_path, *HOSTILE.values()), strict=True))
    read = [name for name, reason in found.items() if not isinstance(reason, str)]
    assert not read
    unknown = {name: reason for name, reason in found.items() if "unexpected" in reason or "ended" in reason}
    assert not unknown
    for name, words in REASONS.items():
        assert words in found[name], name
    assert not list(tmp_path.rglob("*CANARY*"))
    assert all("CANARY" not in reason and len(reason) < 80 for reason in found.values())


def test_a_shape_that_does_not_fit_its_content_is_refused(tmp_path):
    """The shape byte of an object array changed from 1 to 166 ends numpy with a segmentation fault (FAULTS G5)."""
    of_text = pickle.dumps(made_frame()[["model"]], protocol=4)
    operations = [(code.name, argument, at) for code, argument, at in pickletools.genops(of_text)]
    shapes = [
        at
        for (name, number, at), after in itertools.pairwise(operations)
        if name == "BININT1" and number in (1, 3) and after[0] in ("BININT1", "TUPLE1", "TUPLE2")
    ]
    assert shapes
    changed = [of_text[: at + 1] + bytes([166]) + of_text[at + 2 :] for at in shapes]
    huge = LOADED + (  # 2 * 10^9 numbers of 8 bytes
        b"\x8c\x16numpy._core.multiarray\x8c\x0c_reconstruct\x93\x8c\x05numpy\x8c\x07ndarray\x93K\x00\x85C\x01b\x87R"
        b"(K\x01\x8a\x05\x00\x94\x35\x77\x00\x85\x8c\x05numpy\x8c\x05dtype\x93\x8c\x02f8\x85R\x89C\x00tb."
    )
    found = answer(tmp_path, *changed, huge)
    assert all(isinstance(reason, str) for reason in found), found
    assert "a shape is malformed" in found[-1] and not any("ended" in reason for reason in found)


def small_frames() -> list[pd.DataFrame]:
    """One kind of column each: the shortest pickles in which every instruction of a frame occurs."""
    names = pd.Index(["a"], dtype=object)
    texts = pd.Series(["x", "yz"], dtype=object)
    columns = [texts, [0.5, 1.5], np.array([1, 2], dtype=">u2"), [True, False]]
    frames = [pd.DataFrame({"a": column}).set_axis(names, axis=1) for column in columns]
    return [*frames, pd.DataFrame({"a": [1, 2]}, index=pd.Index([7, 3])).set_axis(names, axis=1)]


def fuzz_seeds() -> list[str]:
    """Pickles in the shapes that the loader expects, in hexadecimal."""
    found = [pickle.dumps(made_frame(), protocol=p) for p in PROTOCOLS] + [of_numpy_1(p) for p in PROTOCOLS]
    found += [pickle.dumps(frame, protocol=p) for frame in small_frames() for p in PROTOCOLS]
    return [content.hex() for content in found]


def fuzzed(folder, seeds: list[str], first: int, end: int, batch: int = 500) -> list[dict]:
    """What children of `fuzz_pickles` said of the inputs of these numbers; one that ended a child is a fault, too."""
    said = []
    while first < end:
        job = {"folder": str(folder), "seeds": seeds, "first": first, "end": end, "batch": batch, "seconds": 600}
        command = [sys.executable, "-I", "-S", str(FUZZ)]
        done = subprocess.run(command, input=json.dumps(job).encode(), capture_output=True, env={})
        lines = [json.loads(line) for line in done.stdout.split(b"\n")[:-1]]
        said += lines
        first += sum(line["read"] for line in lines)
        if done.returncode == 0:
            break
        ended = f"it ended the child ({done.returncode})"
        if batch > 1:  # again, one by one
            last = min(first + batch, end)
            alone = fuzzed(folder, seeds, first, last, batch=1)
            if not any("ended" in fault for line in alone for _, fault in line["faults"]):
                alone[0]["faults"].append((first, f"{ended}, with those behind it"))
            said, first = said + alone, last
        else:
            said.append({"read": 1, "refused": 0, "faults": [(first, ended)], "answers": []})
            first += 1
    return said


def test_made_up_pickles_neither_end_the_child_nor_surprise_it(tmp_path, capsys, record_property):
    """Every input is refused, in one line of ours, or read; the number of one that is not makes it again."""
    seeds, chunk, started = fuzz_seeds(), min(N_FUZZ, 20_000), time.monotonic()
    read, refused, faults, answers = 0, 0, {}, []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(fuzzed, pickles.CHILD.parent, seeds, n, n + chunk) for n in range(0, N_FUZZ, chunk)]
        for job in as_completed(jobs):
            for line in job.result():
                read, refused = read + line["read"], refused + line["refused"]
                faults |= dict(line["faults"])
                answers += line["answers"] if len(answers) < 5000 else []
            if N_FUZZ > 10**6 and read % 10**6 == 0:
                with capsys.disabled():
                    rate = read / (time.monotonic() - started)
                    print(f"pickles: {read:,} of {N_FUZZ:,}, {rate:,.0f} a second", file=sys.stderr)
    record_property("done", f"{read:,} inputs: {len(faults)} neither read nor refused in one line")
    for number, content in made_up(seeds, sorted(faults)[:9]).items():
        (tmp_path / f"{number}.pkl").write_bytes(content)
    assert not faults, f"number: fault; the inputs are in {tmp_path}"
    assert read == N_FUZZ and N_FUZZ / 2 < refused < 0.97 * N_FUZZ  # a flipped bit inside a number is another number
    found = [pickles._arrays(answer.encode()) for answer in answers]
    assert found and all(isinstance(each, dict | str) for each in found)


def made_up(seeds: list[str], numbers) -> dict[int, bytes]:
    """The inputs of some numbers, as the child makes them."""
    known = runpy.run_path(str(FUZZ))
    seeds = [known["seed"](bytes.fromhex(content)) for content in seeds]
    return {number: known["made"](seeds, number) for number in numbers}


BRITTLE = """
import os, signal
def limit(seconds):
    pass
def answer(content):
    if sum(content) % 61 == 0:
        os.kill(os.getpid(), signal.SIGSEGV)
    if sum(content) % 31 == 0:
        raise SystemError
    return {"refused": "unexpected OSError" if sum(content) % 37 == 0 else "no data frame"}
"""


def test_the_fuzz_finds_what_ends_a_reader_or_surprises_it(tmp_path):
    """A reader with three faults, in the place of ours: all inputs that meet one are named, by their numbers alone."""
    (tmp_path / "pickle_child.py").write_text(BRITTLE, encoding="utf-8")
    seeds, count = fuzz_seeds(), 400
    said = fuzzed(tmp_path, seeds, 0, count, batch=50)
    found = {number: fault for line in said for number, fault in line["faults"]}
    kinds, wanted = {61: "it ended the child (-11)", 31: "SystemError", 37: "unexpected OSError"}, {}
    for number, content in made_up(seeds, range(count)).items():
        fault = next((text for divisor, text in kinds.items() if sum(content) % divisor == 0), None)
        wanted |= {number: fault} if fault else {}
    assert found == wanted and len(set(wanted.values())) == 3
    assert sum(line["read"] for line in said) == count


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no limits on processor time here")
def test_a_file_that_ends_the_child_is_named_and_the_next_is_read(tmp_path):
    """Nested tuples whose hash takes 2^60 steps: the limit on processor time ends the child."""
    twice = b"".join(b"h%ch%c\x86\x94" % (level, level) for level in range(60))
    slow, valid = tmp_path / "slow", tmp_path / "valid"
    slow.write_bytes(LOADED + b"K\x01\x85\x94" + twice + b"}h\x3cNs.")
    valid.write_bytes(VALID)
    found = list(pickles.answers([valid, slow, valid], seconds=1))
    assert "ended the process" in found[1]
    assert_equal(found[0], made_frame())
    assert_equal(found[2], made_frame())


def test_a_refused_file_is_one_line_with_its_name(tmp_path):
    (tmp_path / "a").write_bytes(HOSTILE["os.system"])
    with pytest.raises(IntegrityError, match=r"^error\[pickle\] b/a.pkl: a name outside the list of allowed names; "):
        pickles.read({"b/a.pkl": tmp_path / "a"})
    with pytest.raises(InputError, match="not readable"):
        pickles.read({"gone.pkl": tmp_path / "gone"}, fault=InputError)


def test_a_file_longer_than_any_of_a_repository_is_not_loaded(tmp_path):
    with open(tmp_path / "long", "wb") as file:
        file.truncate(pickle_child.LARGEST_FILE + 1)
    assert list(pickles.answers([tmp_path / "long"])) == ["too long"]


def test_the_child_is_limited(tmp_path):
    """Memory, processor time and files, as far as the system knows them."""
    resource = pytest.importorskip("resource")
    (tmp_path / "probe.py").write_text(
        "import resource, sys\n"
        f"sys.path.insert(0, {str(pickles.CHILD.parent)!r})\n"
        "import pickle_child\npickle_child.limit(5)\n"
        "print([resource.getrlimit(n)[0] for n in (resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_AS)])\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(tmp_path / "probe.py")], capture_output=True, text=True, check=True)
    cpu, size, memory = json.loads(done.stdout)
    assert (cpu, size) == (5, 0)
    assert memory == pickle_child.MEMORY or sys.platform == "darwin"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 0
