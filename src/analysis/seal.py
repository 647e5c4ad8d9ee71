"""A file that carries the sha256 of its own bytes: damage is seen before anything of it is believed.

Page checksums cover the pages of a Parquet file but not its footer, where one flipped bit can rename a column, hide
rows from a filter or make the reader hang. So the digest of all other bytes stands in the file's own metadata.
In a CSV table a changed digit is another number: there the digest of all other lines is the first line.
"""

import hashlib

NAME = "analysis.sha256"
BLANK = b"0" * 64
# How the footer of a Parquet file (Thrift, compact) holds this entry of its metadata: name, type, length 64, value.
# The other entries are ASCII JSON or base64, in which the control character cannot stand.
_MARK = f"{NAME}\x18@".encode()
CSV_MARK = "#sha256 "


def stamped(content: bytes) -> bytes:
    """The same file with its digest in the place of `BLANK`, which its metadata hold under `NAME`.

    >>> whole = stamped(b"rows" + _MARK + BLANK + b"PAR1")
    >>> holds(whole), holds(whole.replace(b"rows", b"rowt")), holds(b"no mark")
    (True, False, None)
    """
    head, tail = _around(content)
    return head + _digest(head, tail) + tail


def holds(content: bytes) -> bool | None:
    """Whether the digest inside a file is that of its other bytes; None where there is none."""
    if _MARK not in content:
        return None
    head, tail = _around(content)
    return _digest(head, tail) == content[len(head) : len(head) + len(BLANK)]


def stamped_csv(text: str) -> str:
    """A CSV table, whose header quotes nothing, behind a line with its digest, as wide as the header.

    >>> whole = stamped_csv("a,b\\n1,2\\n").encode()
    >>> holds_csv(whole), holds_csv(whole.replace(b"1,2", b"1,3")), whole.index(b"\\n") == len(CSV_MARK) + 64 + len(",")
    (True, False, True)
    """
    digest, header = hashlib.sha256(text.encode()).hexdigest(), text.partition("\n")[0]
    return f"{CSV_MARK}{digest}{',' * header.count(',')}\n{text}"


def holds_csv(content: bytes) -> bool:
    """Whether the first line is the one that `stamped_csv` gives to the others."""
    return content == stamped_csv(content.partition(b"\n")[2].decode("utf-8", errors="replace")).encode()


def _around(content: bytes) -> tuple[bytes, bytes]:
    where = content.rfind(_MARK) + len(_MARK)
    return content[:where], content[where + len(BLANK) :]


def _digest(head: bytes, tail: bytes) -> bytes:
    return hashlib.sha256(head + BLANK + tail).hexdigest().encode()
