"""What a machine says when it gives up: the words by which boot loaders and kernels are known to have failed.

A console is searched line by line; the first sign that a line matches tells what it means, so the more
particular ones come first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One thing that can be said, and what it means."""

    means: str
    """Follows the name of the machine: ``found no root file system``."""
    pattern: re.Pattern[bytes]


def _sign(means: str, *patterns: bytes) -> Sign:
    return Sign(means=means, pattern=re.compile(b"|".join(patterns)))


KERNEL: tuple[Sign, ...] = (
    _sign(
        "found no root file system",
        rb"VFS: (?:Unable to mount root fs|Cannot open root device)",
        rb"^Gave up waiting for root (?:file system )?device",
        rb"ALERT! +\S+ does not exist\.",
        rb"dracut(?:-initqueue\[\d+\])?: (?:FATAL|Warning: Could not boot)",
    ),
    _sign("found no init", rb"No (?:working )?init found"),
    _sign("lost its first process", rb"Attempted to kill init"),
    _sign("panicked", rb"Kernel panic - not syncing"),
    _sign("had an oops", rb"(?:Internal error: )?Oops(?: - [^:\r\n]{1,40})?: [0-9a-f]+"),
)
"""Linux gives up, or may have to."""

LOADER: tuple[Sign, ...] = (
    _sign(
        "was given no kernel that it can start",
        rb"Bad Linux \w* ?Image magic",
        rb"zimage: Bad magic",
        rb"Wrong Image (?:Format|Type)",
        rb"ERROR: can't get kernel image",
        rb"Error: unrecognized/unsupported machine ID",
    ),
    _sign(
        "was given something damaged",
        rb"Bad (?:Header|Data) (?:Checksum|CRC)",
        rb"Ramdisk image is corrupt or invalid",
        rb"Wrong Ramdisk Image Format",
        rb"ERROR: (?:image is not a fdt|Did not find a cmdline Flattened Device Tree)",
    ),
    _sign(
        "could not fetch a file over the network",
        rb"TFTP error",
        rb"(?:ARP |TFTP )?Retry (?:count|time) exceeded",
        rb"^Not retrying\.\.\.",
        rb"^No ethernet found",
        rb"'serverip' not set",
    ),
    _sign(
        "could not read a file from its storage",
        rb"\*\* (?:File not found|Unable to read file|Bad device|Invalid partition|No partition table)",
        rb"^Failed to load '",
    ),
    _sign("does not know a command that it was given", rb"^Unknown command '"),
    _sign(
        "crashed",
        rb"### ERROR ### Please RESET the board ###",
        rb'^"Synchronous Abort" handler',
        rb"^(?:data|prefetch) abort$",
        rb"^undefined instruction$",
    ),
)
"""A boot loader (U-Boot's words) cannot do what it was told."""


def first_of(signs: Sequence[Sign], line: bytes) -> Sign | None:
    """Return the sign that a line, without its end and control sequences, is."""
    return next((sign for sign in signs if sign.pattern.search(line)), None)
