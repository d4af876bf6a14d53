"""Random numbers that follow from what they are for, so that none depends on workers, order or a resume."""

import hashlib


def derive(*what: int | str) -> int:
    """A 63-bit seed for a purpose: ``derive(run.seed, "sample", epoch, index)``."""
    words = "\0".join(map(str, what)).encode()
    return int.from_bytes(hashlib.blake2b(words, digest_size=8).digest(), "big") >> 1
