"""Seeds that follow from what they are for."""

import hashlib


def derive(*what: int | str) -> int:
    """A 63-bit seed for a purpose: ``derive(run.seed, "sample", epoch, index)``."""
    words = "\0".join(map(str, what)).encode()
    return int.from_bytes(hashlib.blake2b(words, digest_size=8).digest(), "big") >> 1
