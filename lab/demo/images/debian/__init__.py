"""A Debian guest: a disk that boots by itself to a root shell, with the tools that tests expect to find.

It is made by mmdebstrap from the system's own package sources, as root or (in a user namespace) by an
ordinary user, and left as ``debian-amd64.<form>.qcow2`` beside the small guests, with a stamp ``.json``.

Forms: ``base`` is small; ``testing`` holds compilers, servers and measuring tools as well. What each holds is
listed in ``<form>.packages``. The guest asks no package source, so tests run without a network: what it has
not, ``apt-get install`` refuses at once; a test definition that names a source (``install.sources``) gets it.

``python -m lab.demo.images.debian --out FOLDER [--form FORM …]`` builds from the command line.
"""

from __future__ import annotations

from lab.demo.images.debian.build import FORMS, DebianGuest, build

__all__ = ["FORMS", "DebianGuest", "build"]
