"""Settings, read from the environment. A bare clone runs without any: SQLite, data in ``var/``."""

from __future__ import annotations

import os
import secrets
import warnings
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import dj_database_url

BASE_DIR = Path(__file__).resolve().parent.parent


def env_str(name: str, default: str = "") -> str:
    """Return the variable, or the content of the file that NAME_FILE points to, or `default`."""
    if file := os.environ.get(f"{name}_FILE"):
        return Path(file).read_text().strip()
    return os.environ.get(name, default)


def env_bool(name: str, *, default: bool) -> bool:
    value = env_str(name).lower()
    if value not in {"", "1", "0", "true", "false", "yes", "no", "on", "off"}:
        raise ValueError(f"{name}={value!r} is neither yes nor no")
    return default if not value else value in {"1", "true", "yes", "on"}


def env_int(name: str, default: int) -> int:
    return int(env_str(name) or default)


def env_list(name: str, default: list[str]) -> list[str]:
    value = env_str(name)
    return [part for part in value.replace(os.pathsep, ",").split(",") if part] if value else default


def env_entries(name: str) -> list[str]:
    """Texts between commas, colons and all."""
    return [part.strip() for part in env_str(name).split(",") if part.strip()]


VAR_DIR = Path(env_str("LABBOOK_VAR", str(BASE_DIR / "var"))).resolve()
"""Everything this lab keeps outside the database: caches, attachments, sockets, the demo lab."""


def _secret_key() -> str:
    if key := env_str("LABBOOK_SECRET_KEY"):
        return key
    path = VAR_DIR / "secret_key"
    if not path.exists():
        VAR_DIR.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.touch(mode=0o600)
        temporary.write_text(secrets.token_urlsafe(50))
        try:
            os.link(temporary, path)  # whoever comes second takes the first one's key
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return path.read_text().strip()


DEBUG = env_bool("LABBOOK_DEBUG", default=False)
SECRET_KEY = _secret_key()
ALLOWED_HOSTS = env_list("LABBOOK_HOSTS", ["127.0.0.1", "localhost", "[::1]"])
CSRF_FAILURE_VIEW = "lab.web.failing.csrf_failure"
CSRF_TRUSTED_ORIGINS = env_list("LABBOOK_ORIGINS", [])

INSTALLED_APPS = [
    "lab.web.apps.LabAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "channels",
    "django_q",
    "lab.eventstore",
    "lab.tokens",
    "devices",
    "devices.images",
    "jobs",
    "jobs.hooks",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "lab.web.middleware.content_security_policy",
    "lab.web.middleware.StaticFiles",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "lab.web.middleware.Refusals",
]

ROOT_URLCONF = "lab.urls"
ASGI_APPLICATION = "lab.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["lab.web.tags"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES: dict[str, Any] = {
    "default": dj_database_url.parse(
        env_str("DATABASE_URL", f"sqlite:///{VAR_DIR}/labbook.sqlite3"), conn_max_age=60
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # A read followed by an append must hold the write lock from its start, or it fails half-way.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # FULL: a committed event survives a power cut.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
REDIS_URL = env_str("REDIS_URL")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
FORMAT_MODULE_PATH = "lab.formats"
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Files are served from where they lie, nothing need be collected; set it to have another server serve them.
STATIC_ROOT = env_str("LABBOOK_STATIC_ROOT") or None
WHITENOISE_USE_FINDERS = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "lab.tokens.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["jobs.api.access.MayUseApi"],
    "EXCEPTION_HANDLER": "jobs.api.errors.answer",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "jobs.api.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Labbook",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": ["jobs.api.openapi.complete"],
    "SORT_OPERATION_PARAMETERS": False,
}

LABBOOK_URL = env_str("LABBOOK_URL").rstrip("/")
"""Where people reach this lab, such as https://lab.example.org: for links in mails and delivered results."""

# Without a server no mail is sent, and who asks for one is told so.
EMAIL_HOST = env_str("EMAIL_HOST")
EMAIL_PORT = env_int("EMAIL_PORT", 25)
EMAIL_HOST_USER = env_str("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env_str("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env_bool("EMAIL_USE_TLS", default=False)
EMAIL_USE_SSL = env_bool("EMAIL_USE_SSL", default=False)
EMAIL_TIMEOUT = env_int("EMAIL_TIMEOUT", 30)
DEFAULT_FROM_EMAIL = env_str("EMAIL_FROM", "labbook@localhost")

CHANNEL_LAYERS: dict[str, Any] = {}

SITE_NAME = env_str("LABBOOK_SITE", "default")
"""The site (place with boards) whose queue this machine's workers serve."""

# django-q2 thinks every task without a time limit is a mistake. Ours last as long as a job does: the lock
# of a running one is renewed, see "retry".
warnings.filterwarnings("ignore", "Retry and timeout are misconfigured", UserWarning)
WORKERS = env_int("LABBOOK_WORKERS", 4)
Q_CLUSTER: dict[str, Any] = {
    # The name is the salt of the signatures: the same on all machines. The cluster's name is its queue.
    "name": "labbook",
    "cluster_name": SITE_NAME,
    "orm": "default",
    "broker_class": "lab.task_broker.Broker",
    "workers": WORKERS,
    "queue_limit": 1,
    "bulk": 1,
    "timeout": None,
    "retry": 120,  # renewed by a heartbeat while a task runs
    "ack_failures": True,  # failed once is failed: a job's own events say what to do next
    "max_attempts": 1,
    "save_limit": -1,
    "poll": 0.05,
    "guard_cycle": 0.5,
    "scheduler": False,  # the supervisor has its own clock, which does not wait for a free worker
    "label": "Background tasks",
    "ALT_CLUSTERS": {},
}

LABBOOK: dict[str, Any] = {
    # file:// URLs of definitions may only name files below these folders, links resolved.
    "FILE_ROOTS": env_list(
        "LABBOOK_FILE_ROOTS", [str(VAR_DIR / "images"), str(BASE_DIR / "lab" / "demo" / "examples")]
    ),
    # Definitions that the page for submitting offers to start from, besides its own.
    "TEMPLATES": env_str("LABBOOK_TEMPLATES"),
    "MAX_TIMEOUT": env_int("LABBOOK_MAX_TIMEOUT", 24 * 3600),
    "MAX_VMS": env_int("LABBOOK_MAX_VMS", 16),
    # Types and boards that one text may add or change: while they go in, nobody else can write.
    "MAX_IMPORT": env_int("LABBOOK_MAX_IMPORT", 250),
    "MAX_DEFINITION_BYTES": env_int("LABBOOK_MAX_DEFINITION_BYTES", 1024 * 1024),
    # A file that is uploaded to the image library.
    "MAX_IMAGE_BYTES": env_int("LABBOOK_MAX_IMAGE_BYTES", 32 * 1024**3),
    # A node that prints more than this ends its job instead of filling the disk.
    "MAX_CONSOLE_BYTES": env_int("LABBOOK_MAX_CONSOLE_BYTES", 2 * 1024**3),
    # Seconds without a key after which the keyboard of a node is given back.
    "KEYBOARD_IDLE": env_int("LABBOOK_KEYBOARD_IDLE", 300),
    # Seconds for which a job may be held before its clean-up, extensions included.
    "MAX_HOLD": env_int("LABBOOK_MAX_HOLD", 2 * 3600),
    "ANONYMOUS_READ": env_bool("LABBOOK_ANONYMOUS_READ", default=True),
    # Who has which right on boards and device types that do not say so: see docs/permissions.md.
    "ACCESS": {
        right: env_entries(f"LABBOOK_ACCESS_{right.upper()}")
        for right in ("view", "use", "console", "handle", "administer")
    },
    "DEFAULT_VISIBILITY": env_str("LABBOOK_DEFAULT_VISIBILITY", "public"),
    # What runs a job; tests of the supervision put something simpler in its place.
    "EXECUTION": env_str("LABBOOK_EXECUTION", "jobs.real_execution"),
    # Seconds between attempts to deliver a mail, or results to a server; after the last one it is given up.
    "DELIVERY_DELAYS": [
        float(seconds)
        for seconds in env_list("LABBOOK_DELIVERY_DELAYS", ["10", "60", "300", "1800", "7200", "21600"])
    ],
    # Seconds between attempts to send a message of a webhook; after the last one it is given up.
    "WEBHOOK_DELAYS": [
        float(seconds)
        for seconds in env_list(
            "LABBOOK_WEBHOOK_DELAYS", ["5", "60", "300", "1800", "7200", "18000", "36000", "50400"]
        )
    ],
    # Networks (such as that of the boards and their power switches) that neither results nor webhooks reach.
    "NO_POST_TO": [str(ip_network(one, strict=False)) for one in env_list("LABBOOK_NO_POST_TO", [])],
    # Whether http(s) URLs of definitions may lead to this machine itself, where its own services listen.
    "ALLOW_LOCAL_HTTP": env_bool("LABBOOK_ALLOW_LOCAL_HTTP", default=False),
    # Downloads and clones of what definitions name.
    "DOWNLOAD_ATTEMPTS": env_int("LABBOOK_DOWNLOAD_ATTEMPTS", 6),
    "DOWNLOAD_PAUSE": float(env_str("LABBOOK_DOWNLOAD_PAUSE", "0.5")),
    "DOWNLOAD_SILENCE": env_int("LABBOOK_DOWNLOAD_SILENCE", 30),
    "CLONE_TIMEOUT": env_int("LABBOOK_CLONE_TIMEOUT", 600),
    # How often an open live stream asks again whether its user may still see it.
    "RECHECK_SECONDS": env_int("LABBOOK_RECHECK_SECONDS", 10),
    # How writers wake web processes: unix, postgres, redis, none; empty: as database and REDIS_URL suggest.
    "DOORBELL": env_str("LABBOOK_DOORBELL"),
}

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env_str("LABBOOK_LOG_LEVEL", "WARNING")},
}
