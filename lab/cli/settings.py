"""Which lab, and as whom: from the environment, else from a file that only its owner may read."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.cli.failing import Failed

DEFAULT_URL = "http://127.0.0.1:8000"
KEYS = ("url", "token")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the lab is, and the token to show; an empty one: none."""

    url: str
    token: str = field(repr=False)


def access(environment: Mapping[str, str], url: str = "") -> Access:
    """Return the lab to talk to; `url` is what the command line says. Raises `Failed`.

    The token of the file is for the lab of the file: no other one is shown it.
    """
    kept = _kept(config_file(environment))
    chosen = (url or environment.get("LABBOOK_URL", "") or kept.get("url", "") or DEFAULT_URL).rstrip("/")
    if not chosen.startswith(("http://", "https://")):
        raise Failed(f"{chosen!r} is no address of a lab: it begins with http:// or https:// (LABBOOK_URL).")
    token = environment.get("LABBOOK_TOKEN", "")
    if not token and chosen == (kept.get("url", "") or DEFAULT_URL).rstrip("/"):
        token = kept.get("token", "")
    if not (token.isascii() and token.isprintable()):
        raise Failed("The token holds characters that no token has: copy it again (LABBOOK_TOKEN).")
    return Access(url=chosen, token=token.strip())


def config_file(environment: Mapping[str, str]) -> Path:
    """Return where the file is, whether it is there or not."""
    if named := environment.get("LABBOOK_CONFIG"):
        return Path(named)
    base = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "~")).expanduser() / ".config"
    return Path(base) / "labbook.toml"


def _kept(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            found = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Failed(f"{path} cannot be read: {error}.") from error
    for key, value in found.items():
        if key not in KEYS or not isinstance(value, str):
            raise Failed(f'{path}: {key} is nothing it may hold: write url = "…" and token = "…".')
    if found.get("token") and (
        status.st_mode & (stat.S_IRWXG | stat.S_IRWXO) or status.st_uid != os.getuid()
    ):
        raise Failed(f"{path} holds a token, and others may read it: make it yours alone, chmod 600 {path}.")
    return found
