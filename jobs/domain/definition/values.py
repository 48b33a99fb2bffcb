"""Checks of single values. Each returns an objection, ``what\\nhint``, or nothing."""

from __future__ import annotations

import posixpath
import re
import warnings
from urllib.parse import SplitResult, unquote, urlsplit

from jobs.domain.definition.document import shown
from jobs.domain.definition.lab_view import LabView
from jobs.domain.definition.reading import did_you_mean

_ROLE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}\Z")
_EMAIL = re.compile(
    r"[^@\s\"<>(),;:\\\[\]]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z"
)
_SHA256 = re.compile(r"[0-9a-fA-F]{64}\Z")
_IMAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}\Z")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+@~^-]{0,199}\Z")
_FOLDER = re.compile(r"/[A-Za-z0-9._/-]{0,200}\Z")
_HOST_FILE = re.compile(r"/?[A-Za-z0-9._][A-Za-z0-9._+@%,:=~/-]{0,999}(?<!/)\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
_IMAGE_SCHEMES = ("file", "http", "https", "lab")
_GIT_SCHEMES = ("file", "http", "https", "git")


def role_name(text: str) -> str:
    if text.lower() == "localhost":
        return "no node can have the name localhost\nevery machine calls itself that"
    if not _ROLE.match(text):
        return f"{shown(text)} is not a role name\na letter, then up to 31 letters, digits, - and _"
    return ""


def email(text: str) -> str:
    return (
        ""
        if _EMAIL.match(text)
        else f"{shown(text)} is not an e-mail address\nfor example someone@example.org"
    )


def sha256(text: str) -> str:
    return (
        "" if _SHA256.match(text) else "is not a SHA-256 checksum\n64 hexadecimal digits, as sha256sum prints"
    )


def revision(text: str) -> str:
    return (
        "" if _REVISION.match(text) else f"{shown(text)} is not a git revision\na branch, a tag or a commit"
    )


def folder(text: str) -> str:
    if _FOLDER.match(text) and ".." not in text.split("/"):
        return ""
    return f"{shown(text)} is not a folder\nan absolute path of letters, digits and . _ - /"


def path_inside(text: str) -> str:
    if text.startswith("/") or ".." in text.split("/"):
        return f"{shown(text)} leaves the repository\na path inside of it"
    return ""


def variable(text: str) -> str:
    if _VARIABLE.match(text):
        return ""
    return f"{shown(text)} is not a parameter name\nit becomes a shell variable: letters, digits and _"


def pattern(text: str) -> str:
    """A regular expression that a prompt can be waited for with; consoles are bytes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expression = re.compile(text.encode())
    except (re.error, OverflowError, RecursionError) as error:
        return f"{shown(text)} is not a regular expression: {error}"
    if expression.search(b""):
        return f"{shown(text)} matches an empty string\nit would be seen everywhere"
    return ""


def image_url(text: str, lab: LabView | None) -> str:
    """Where an image, a kernel or a test definition is loaded from."""
    if text.startswith("lab:"):
        return _library_image(text[4:], lab)
    if text.startswith("host:"):
        return "host: names a file on the host, for what VMs boot; this is loaded by the lab"
    return _url(text, lab, _IMAGE_SCHEMES, "file:///path, http://…, https://… or lab:NAME")


def vm_file(text: str, lab: LabView | None, *, packed: bool = False) -> str:
    """Where something that a VM boots comes from. `packed`: it may be a packed file even on the host."""
    if not text.startswith("host:"):
        return image_url(text, lab)
    path = text.removeprefix("host:")
    if not _HOST_FILE.match(path) or ".." in path.split("/"):
        return f"{shown(text)} does not name a file on the host\nhost:/path, or host:NAME in the job's folder"
    if not packed and path.lower().endswith((".gz", ".xz", ".bz2", ".zst")):
        return f"{shown(text)} is packed, and files on the host are used as they are\nunpack it there"
    return ""


def in_folder_of_job(text: str) -> bool:
    """Whether it names a file that the host's own test has to make first."""
    return text.startswith("host:") and not text.startswith("host:/")


def git_url(text: str, lab: LabView | None) -> str:
    return _url(text, lab, _GIT_SCHEMES, "https://…, http://…, git://… or file:///path")


def http_url(text: str) -> str:
    return _url(text, None, ("http", "https"), "http://… or https://…")


def is_http(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def _library_image(name: str, lab: LabView | None) -> str:
    if not _IMAGE_NAME.match(name):
        return f"{shown('lab:' + name)} does not name an image of the lab\nlab:NAME"
    if lab and lab.images is not None and name not in lab.images:
        return f"the lab has no image {shown(name)}\n" + did_you_mean(
            name, lab.images, "see the list of images"
        )
    return ""


def _url(text: str, lab: LabView | None, schemes: tuple[str, ...], allowed: str) -> str:
    if re.search(r"\s", text):
        return f"{shown(text)} is not a URL: it has a space in it\nwrite %20"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        return f"{shown(text)} is not a URL: {error}\n{allowed}"
    if parts.scheme not in schemes:
        what = (
            f"the scheme {parts.scheme}: is not supported" if parts.scheme else f"{shown(text)} is not a URL"
        )
        return f"{what}\n{allowed}"
    if "@" in parts.netloc:
        return "a URL must not hold a user name or password\neverybody who may see the job would see them"
    if parts.scheme == "file":
        return _file_url(parts, lab)
    if not parts.hostname or port == 0:
        return f"{shown(text)} names no host\n{allowed}"
    return ""


def _file_url(parts: SplitResult, lab: LabView | None) -> str:
    if parts.netloc not in ("", "localhost"):
        return f"a file URL names a file on the worker, not on {shown(parts.netloc)}\nfile:///path"
    if parts.query or parts.fragment:
        return "? and # end the path of a URL\nwrite %3F and %23 where a file's name has them"
    path = unquote(parts.path, errors="surrogateescape")
    if not path.startswith("/") or "\0" in path:
        return "a file URL needs an absolute path\nfile:///path"
    if lab and lab.file_roots is not None and not _below(path, lab.file_roots):
        roots = ", ".join(lab.file_roots) or "none"
        return f"{shown(path)} is outside the folders that jobs may read\nallowed below: {roots}"
    return ""


def _below(path: str, roots: tuple[str, ...]) -> bool:
    real = posixpath.normpath("/" + path.lstrip("/"))
    return any(real.startswith(posixpath.normpath(root).rstrip("/") + "/") for root in roots)
