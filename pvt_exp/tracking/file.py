"""Repairs W&B's file of records after its writer was killed.

The format is LevelDB's log: 7 bytes of head, then blocks of 32 KiB of chunks, each with a head of 4 bytes of checksum, 2 of
length and 1 of kind; a record is one chunk (kind 1), or begins with kind 2 and ends with kind 4.
"""

import struct
from pathlib import Path

HEAD_BYTES = 7
BLOCK_BYTES = 32 * 1024
CHUNK_HEAD = struct.Struct("<IHB")
LAST = (1, 4)
"""Kinds of chunks that end a record."""


def holds_records(path: Path) -> bool:
    """Whether more than the head was written."""
    return path.stat().st_size > HEAD_BYTES


def whole_bytes(content: bytes) -> int:
    """How many bytes from the start are whole records; what follows was torn, or is zeros that a power cut left."""
    at = whole = HEAD_BYTES
    while at + CHUNK_HEAD.size <= len(content):
        left = BLOCK_BYTES - at % BLOCK_BYTES
        if left < CHUNK_HEAD.size:
            at += left
            continue
        _, length, kind = CHUNK_HEAD.unpack_from(content, at)
        at += CHUNK_HEAD.size + length
        if kind == 0 or at > len(content):
            break
        if kind in LAST:
            whole = at
    return whole


def mend(path: Path) -> None:
    """Cut off an incomplete end, on which ``wandb sync`` fails. Not for a file that is still being written."""
    whole = whole_bytes(path.read_bytes())
    if whole < path.stat().st_size:
        with path.open("r+b") as file:
            file.truncate(whole)
