"""Settings of the test run: those of the product, on a database and a data folder to throw away."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

# Short, because sockets lie in it. Not that of a developer's lab, whatever the environment says.
_var = tempfile.mkdtemp(prefix="labbook-test-")
_owner = os.getpid()
os.environ["LABBOOK_VAR"] = _var


@atexit.register
def _remove_data_folder() -> None:
    if os.getpid() == _owner:
        shutil.rmtree(_var, ignore_errors=True)


from lab.settings import *  # noqa: E402, F403 - the environment must be set first
from lab.settings import DATABASES, INSTALLED_APPS, VAR_DIR  # noqa: E402

# First, because it overrides a management command.
INSTALLED_APPS = ["tests.support.app", *INSTALLED_APPS]

# Cheap on purpose: tests create many users.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, so that threads and processes race on it as they do in a lab; nobody needs it after a power cut.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
    DATABASES["default"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
