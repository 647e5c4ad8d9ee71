"""Files are whole or as they were: after a kill, on a full disk, in a folder that cannot be written."""

import errno
import os
import random
import subprocess
import sys
import time

import numpy as np
import pytest

from analysis import files
from analysis.errors import InputError, ResourceError

WRITER = """
import sys
from analysis import files
for number in range(10**6):
    files.write_bytes(sys.argv[1], bytes([number % 256]) * 2_000_000)
    print(number, flush=True)
"""


def test_a_killed_writer_leaves_the_old_or_the_new_file_whole(tmp_path):
    """30 kills at random moments; the file is whole and not older than the last write reported as done."""
    target, rng = tmp_path / "table.bin", random.Random(0)
    for _ in range(30):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(target)], stdout=subprocess.PIPE)
        writer.stdout.readline()
        time.sleep(rng.uniform(0, 0.06))
        writer.kill()
        reported = int((b"0\n" + writer.communicate()[0]).split()[-1])
        content = target.read_bytes()
        assert len(content) == 2_000_000 and set(content) == {content[0]}
        assert content[0] in (reported % 256, (reported + 1) % 256)


def test_content_reaches_the_disk_before_the_name_and_the_name_before_the_return(tmp_path, monkeypatch):
    done = []
    for name in ("fsync", "replace"):
        plain = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, plain=plain, name=name: (done.append(name), plain(*args))[1])
    files.write_text(tmp_path / "a", "x")
    assert done == ["fsync", "replace", "fsync"]


def test_an_exception_in_the_block_leaves_the_old_file_and_no_temporary_one(tmp_path):
    files.write_text(tmp_path / "a", "old")
    with pytest.raises(InputError), files.atomic(tmp_path / "a") as temporary:
        temporary.write_text("half", encoding="utf-8")
        raise InputError("index", "x")
    assert (tmp_path / "a").read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


FULL = """
import resource, sys
from analysis import files
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
from analysis.errors import guarded
sys.exit(guarded(lambda: files.write_bytes(sys.argv[1], bytes(1_000_000))))
"""


def test_a_full_disk_is_code_6_and_the_old_file_stays(tmp_path):
    files.write_text(tmp_path / "a.bin", "old")
    result = subprocess.run([sys.executable, "-c", FULL, str(tmp_path / "a.bin")], capture_output=True, text=True)
    assert result.returncode == 6
    assert result.stderr.startswith("error[disk] ") and result.stderr.count("\n") == 1 and "a.bin" in result.stderr
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_folder_that_cannot_be_written_is_a_resource_fault(tmp_path, monkeypatch, number):
    def refuse(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.tempfile, "mkstemp", refuse)  # root may write anywhere, so the fault is made here
    with pytest.raises(ResourceError, match="not writable"):
        files.write_text(tmp_path / "a", "x")


@pytest.mark.parametrize("fault", [OSError(None, "np.save"), RuntimeError("torch.save")], ids=["oserror", "runtime"])
def test_a_full_disk_is_named_whatever_the_library_raises(tmp_path, monkeypatch, fault):
    free = files.shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda folder: free)
    with pytest.raises(ResourceError, match="no space left"), files.atomic(tmp_path / "a"):
        raise fault


def test_other_faults_pass_as_they_are(tmp_path):
    with pytest.raises(ZeroDivisionError), files.atomic(tmp_path / "a"):
        raise ZeroDivisionError


def test_a_new_file_has_the_rights_that_the_mask_gives(tmp_path):
    (tmp_path / "plain").write_text("x", encoding="utf-8")
    files.write_text(tmp_path / "ours", "x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_sweep_takes_old_temporary_files_of_ours_alone(tmp_path):
    old, new, other = (tmp_path / name for name in (f"{files.TEMPORARY}1", f"{files.TEMPORARY}2", "tmp"))
    for path in (old, new, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (0, 0))
    assert files.sweep(tmp_path) == 1
    assert not old.exists() and new.exists() and other.exists()


def test_a_bad_file_is_set_aside_as_it_was(tmp_path):
    bad = tmp_path / "table.parquet"
    bad.write_text("bad", encoding="utf-8")
    aside = files.set_aside(bad)
    assert not bad.exists() and aside.read_text(encoding="utf-8") == "bad"
    assert aside.name.startswith("table.parquet.bad-")


def test_sha256_is_the_known_one(tmp_path):
    files.write_bytes(tmp_path / "abc", b"abc")
    assert files.sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_csv_that_is_not_utf8_says_where(tmp_path):
    (tmp_path / "a.csv").write_bytes("a\né\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"^not UTF-8 text \(byte 2\)$"):
        files.csv_rows(tmp_path / "a.csv")


def test_an_archive_is_no_array(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.arange(3))
    with pytest.raises(ValueError, match=r"not a plain \.npy array"):
        files.npy(tmp_path / "a.npz", mapped=True)


def test_of_two_files_set_aside_in_one_second_both_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(files.time, "strftime", lambda form: "20260101T000000")
    for number in range(3):
        files.write_text(tmp_path / "a.csv", str(number))
        aside = files.set_aside(tmp_path / "a.csv")
        assert aside.read_text(encoding="utf-8") == str(number)
    assert sorted(path.name[6:] for path in tmp_path.iterdir()) == [
        "bad-20260101T000000", "bad-20260101T000000-2", "bad-20260101T000000-3",
    ]  # fmt: skip
    with pytest.raises(FileNotFoundError):
        files.set_aside(tmp_path / "a.csv")
    assert len(list(tmp_path.iterdir())) == 3
