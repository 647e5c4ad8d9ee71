"""The store under whatever happens to it, in any order: 200 runs of 50 steps in `make test-faults`.

The model says of every entry and block what `get` may give: nothing, or exactly what was put. A kill leaves both open,
a look settles it. What was damaged must be found, set aside and kept; what was not must be there. A kill is a
BaseException at any call to the system, after which nothing is written or tidied up; a second process is an operation
in the middle of another's calls. Nothing is flushed to disk, which tests/test_files.py shows.
"""

import os
import random
import shutil
import tempfile
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from analysis import files, store

BLOCKS = ("aaaaaaaa", "bbbbbbbb")
VARIANTS = 3
RECIPES = st.integers(0, 2)
BLOCK = st.sampled_from(range(len(BLOCKS)))
VARIANT = st.integers(0, VARIANTS - 1)
KEYS = RECIPES | st.tuples(RECIPES, BLOCK)
CALLS = st.integers(1, 24)
HARM = st.sampled_from(["flip", "flip", "flip", "cut", "end", "gone"])


def recipe(number: int) -> dict:
    return {"dataset": "d", "model": {"id": "m"}, "seed": number, "items": "x"}


@lru_cache
def block_table(number: int, block: int, variant: int) -> store.Table:
    rng = np.random.default_rng([number, block, variant])
    ids = np.array([f"{block}-{place}" for place in range(6)], dtype=object)
    label = rng.integers(0, 5, 6).astype(np.int32)
    pred, confidence = rng.integers(0, 5, 6).astype(np.int32), rng.random(6).astype(np.float32)
    return store.Table(ids, label, pred, confidence, label * 0, rng.integers(0, 5, (6, 5)).astype(np.int32))


@lru_cache
def table(number: int, content: tuple) -> store.Table:
    """The table of a recipe whose blocks are these variants."""
    return store._concatenated([store.Part(block_table(number, *pair)) for pair in enumerate(content)]).table


def same(one: store.Table, other: store.Table) -> bool:
    names = ("item_id", "label", "pred", "confidence", "label_rank", "top5")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


class Killed(BaseException):
    """The process is gone."""


@contextmanager
def calls(number: int, act):
    """Before call `number` to the system that changes something, `act`; if that kills, nothing is done any more."""
    made, dead = [0], [False]

    def counted(function):
        def call(*args, **kwargs):
            if dead[0]:
                raise Killed
            made[0] += 1
            if made[0] == number:
                try:
                    act()
                except Killed:
                    dead[0] = True
                    if function is write:  # torn
                        args[0].write_text("torn", encoding="utf-8")
                    raise
            return function(*args, **kwargs)

        return call

    write = Path.write_bytes
    with pytest.MonkeyPatch.context() as patch:
        for name in ("open", "replace", "unlink"):
            patch.setattr(os, name, counted(getattr(os, name)))
        patch.setattr(os, "fsync", counted(lambda handle: None))
        patch.setattr(Path, "write_bytes", counted(write))
        yield


def die():
    raise Killed


class Store(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="store-"))
        self.entry = {number: {None} for number in range(3)}
        self.part = {(number, block): {None} for number in range(3) for block in range(len(BLOCKS))}
        self.harmed, self.unsure = set(), set()  # numbers of recipes and (number, block): damage not looked at yet
        self.quiet = pytest.MonkeyPatch()
        self.quiet.setattr(os, "fsync", lambda handle: None)

    def teardown(self):
        try:
            self.verify(True)
            for number in self.entry:
                self.get(number)
            for number, block in self.part:
                self.get_part(number, block)
        finally:
            self.quiet.undo()
            shutil.rmtree(self.folder)

    # What is seen

    def path(self, key) -> Path:
        if isinstance(key, tuple):
            return store._part_path(recipe(key[0]), BLOCKS[key[1]], self.folder)
        return store._record_path(store.key(recipe(key)), self.folder)

    def content_of(self, number: int, entry) -> tuple | None:
        if entry is None:
            return None
        right = int((entry.table().pred == entry.table().label).sum())
        assert (entry.recipe, entry.about, entry.n_right) == (recipe(number), {}, right)
        every = [(a, b) for a in range(VARIANTS) for b in range(VARIANTS)]
        return next(content for content in every if same(entry.table(), table(number, content)))

    def variant_of(self, number: int, block: int, part) -> int | None:
        if part is None:
            return None
        return next(one for one in range(VARIANTS) if same(part.table, block_table(number, block, one)))

    def settle(self, key, found, allowed: set):
        assert found in allowed, f"{key}: {found} where {allowed} may be"
        if key in self.harmed:
            path = self.path(key)
            assert not path.exists() and list(path.parent.glob(f"{path.name}.bad-*")), "evidence is kept"
        self.harmed.discard(key)
        self.unsure.discard(key)
        return found

    def get(self, number):
        found = self.content_of(number, store.get(recipe(number), folder=self.folder))
        self.entry[number] = {self.settle(number, found, self.entry[number])}
        return found

    def get_part(self, number, block):
        found = self.variant_of(number, block, store.get_part(recipe(number), BLOCKS[block], folder=self.folder))
        self.part[number, block] = {self.settle((number, block), found, self.part[number, block])}
        return found

    @rule(key=KEYS)
    def look(self, key):
        self.get_part(*key) if isinstance(key, tuple) else self.get(key)

    # What is written

    @rule(number=RECIPES, variant=VARIANT)
    def put(self, number, variant):
        content = (variant, variant)
        before = self.entry[number]
        allowed = (before - {None}) | ({content} if None in before else set())
        entry = store.put(recipe(number), table(number, content), folder=self.folder)
        self.harmed.discard(number)
        self.entry[number] = {self.settle(number, self.content_of(number, entry), allowed)}
        self.get(number)

    @rule(number=RECIPES, block=BLOCK, variant=VARIANT)
    def put_part(self, number, block, variant):
        store.put_part(recipe(number), BLOCKS[block], block_table(number, block, variant), folder=self.folder)
        self.harmed.discard((number, block))
        self.part[number, block] = {variant}

    @rule(number=RECIPES, kill=st.none() | CALLS)
    def join(self, number, kill):
        there = [self.get_part(number, block) for block in range(len(BLOCKS))]
        before, missing = self.get(number), [BLOCKS[block] for block, one in enumerate(there) if one is None]
        try:
            with calls(kill or 10**9, die):
                entry = store.join(recipe(number), BLOCKS, folder=self.folder)
        except store.MissingParts as fault:
            assert before is None and list(fault.blocks) == missing and missing
            return
        except Killed:
            self.entry[number] = {before or tuple(there), before}
            for block, one in enumerate(there):
                self.part[number, block] = {one, None}
            left = [self.get_part(number, block) for block in range(len(BLOCKS))]
            assert left == there or self.get(number) == (before or tuple(there)), "gone before it was published"
            return
        assert before is not None or not missing
        self.entry[number] = {self.settle(number, self.content_of(number, entry), {before or tuple(there)})}
        if not missing:
            self.part |= {(number, block): {None} for block in range(len(BLOCKS))}

    @rule(number=RECIPES, variant=VARIANT, at=CALLS)
    def put_killed(self, number, variant, at):
        content = (variant, variant)
        try:
            with calls(at, die):
                entry = store.put(recipe(number), table(number, content), folder=self.folder)
        except Killed:
            self.entry[number] = self.entry[number] | ({content} if None in self.entry[number] else set())
            if number in self.harmed:  # it may have been set aside, or a half of it
                self.harmed.discard(number)
                self.unsure.add(number)
            return
        self.harmed.discard(number)
        allowed = self.entry[number] - {None} | {content}
        self.entry[number] = {self.settle(number, self.content_of(number, entry), allowed)}

    @rule(number=RECIPES, block=BLOCK, variant=VARIANT, at=CALLS)
    def put_part_killed(self, number, block, variant, at):
        try:
            with calls(at, die):
                self.put_part(number, block, variant)
        except Killed:
            key = (number, block)
            self.part[key] = self.part[key] | {variant}
            if key in self.harmed:
                self.harmed.discard(key)
                self.unsure.add(key)

    @rule(number=RECIPES, variant=VARIANT, other=VARIANT, at=CALLS)
    def put_while_another_puts(self, number, variant, other, at):
        before, entries = self.get(number), []

        def put(one):
            entries.append(store.put(recipe(number), table(number, (one, one)), folder=self.folder))

        with calls(at, lambda: put(other)):
            put(variant)
        allowed = {before} if before else {(one, one) for one in (variant, other)[: len(entries)]}
        assert all(self.content_of(number, entry) in allowed for entry in entries)
        # Two that give different answers under one recipe may spoil each other's entry, but never exchange them.
        if len(allowed) > 1:
            allowed |= {None}
            self.unsure.add(number)
        self.entry[number] = allowed

    @rule(number=RECIPES, variant=VARIANT, at=CALLS, what=st.sampled_from(["get", "entries", "verify", "gc"]))
    def look_while_another_puts(self, number, variant, at, what):
        before = self.get(number)

        def look():
            if what == "get":
                found = self.content_of(number, store.get(recipe(number), folder=self.folder))
                assert found in {before, (variant, variant)} if before is None else found == before
            else:
                getattr(store, what)(folder=self.folder)

        with calls(at, look):
            store.put(recipe(number), table(number, (variant, variant)), folder=self.folder)
        self.entry[number] = {before or (variant, variant)}
        self.looked()
        self.get(number)

    # What happens to it

    def whole(self, key) -> bool:
        """Whether there is something to damage; what is open is looked at first."""
        found = self.get_part(*key) if isinstance(key, tuple) else self.get(key)
        return found is not None

    def harm(self, key) -> None:
        (self.part if isinstance(key, tuple) else self.entry)[key] = {None}
        self.harmed.add(key)

    @rule(key=KEYS, table=st.booleans(), how=HARM, seed=st.integers(0, 2**32 - 1))
    def damage(self, key, table, how, seed):
        if not self.whole(key):
            return
        path, rng = self.path(key).with_suffix(".parquet") if table else self.path(key), random.Random(seed)
        content = bytearray(path.read_bytes())
        at = rng.randrange(len(content))
        if how == "flip":
            content[at] ^= 1 << rng.randrange(8)
        elif how == "cut":
            del content[at:]
        elif how == "end":
            content += b"\0"
        path.write_bytes(content)
        self.harm(key)
        if how == "gone":
            path.unlink()
            if path == self.path(key):  # nothing is left that says there was something
                self.harmed.discard(key)

    @rule(one=RECIPES, other=RECIPES, both=st.booleans())
    def exchange(self, one, other, both):
        if one != other and self.whole(one) and self.whole(other):
            for suffix in (".parquet", ".json")[: 1 + both]:
                first, second = (self.path(key).with_suffix(suffix) for key in (one, other))
                content = first.read_bytes()
                first.write_bytes(second.read_bytes())
                second.write_bytes(content)
            self.harm(one)
            self.harm(other)

    @rule(one=st.tuples(RECIPES, BLOCK), other=st.tuples(RECIPES, BLOCK))
    def copy_part(self, one, other):
        if one != other and self.whole(one):
            self.path(other).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.path(one), self.path(other))
            self.harm(other)

    @rule(number=RECIPES)
    def leave_a_torn_file(self, number):
        folder = self.path(number).parent
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{files.TEMPORARY}{number}.parquet").write_bytes(b"torn")

    # Tidying

    def looked(self) -> None:
        """Records and tables that were found damaged are no more there."""
        for key in list(self.harmed | self.unsure):
            if not self.path(key).exists():
                self.harmed.discard(key)
                self.unsure.discard(key)

    @rule(set_aside=st.booleans())
    def verify(self, set_aside):
        found = {path for path, _ in store.verify(folder=self.folder, set_aside=set_aside)}
        certain, possible = ({self.path(key) for key in keys} for keys in (self.harmed, self.harmed | self.unsure))
        assert certain <= found <= possible, (certain - found, found - possible)
        if set_aside:
            assert not any(path.exists() for path in found)
            assert all(list(path.parent.glob(f"{path.name}.bad-*")) for path in found)
            self.harmed.clear()
            self.unsure.clear()
            assert store.verify(folder=self.folder) == []

    def age(self, changed: float | None) -> None:
        for path in self.folder.rglob("*"):
            if path.is_file():
                os.utime(path, None if changed is None else (changed, changed))

    @rule(old=st.booleans())
    def gc(self, old):
        self.age(0 if old else None)
        store.gc(folder=self.folder)
        self.age(None)
        self.looked()
        if not old:
            return
        for number, block in self.part:
            if self.path(number).exists():
                self.part[number, block] = {None}
                self.harmed.discard((number, block))
                self.unsure.discard((number, block))
        left = [path for path in self.folder.rglob("*") if path.is_file() and ".bad-" not in path.name]
        assert not [path for path in left if path.name.startswith(files.TEMPORARY)]
        tables = [path for path in left if path.suffix == ".parquet" and "parts" not in path.parts]
        assert all(path.with_suffix(".json").exists() for path in tables)

    @rule(number=RECIPES)
    def evict(self, number):
        gone = store.key(recipe(number))
        store.gc(folder=self.folder, older_than_days=-1, keep=lambda entry: entry.key != gone)
        self.looked()
        assert not self.path(number).exists()
        self.entry[number] = {None}


def test_no_order_of_events_makes_the_store_give_a_wrong_value():
    run_state_machine_as_test(Store, settings=settings.get_profile("store"))
