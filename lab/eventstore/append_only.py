"""Tables whose rows the database itself refuses to change, delete or replace.

Good manners are not enough for a log: the triggers made here refuse UPDATE, DELETE, TRUNCATE and, on
SQLite, ``INSERT OR REPLACE`` (which would go round a DELETE trigger). They are put in place after every
``migrate``, because SQLite drops a table's triggers whenever a migration remakes it, and a system check
counts them. Who owns the database can still drop them: then `verify_log` is what tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.db import connections, models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

FUNCTION = "labbook_refuse_change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Protected:
    """A table, and the sets of columns that identify a row in it."""

    model: type[models.Model]
    keys: Sequence[Sequence[str]]

    @property
    def table(self) -> str:
        return self.model._meta.db_table


_protected: dict[str, Protected] = {}


def protect(model: type[models.Model], *keys: Sequence[str]) -> None:
    """Make the table of `model` append-only from the next migrate on. Called from `AppConfig.ready`.

    `keys` are the unique column sets besides the primary key.
    """
    pk = model._meta.pk
    assert pk is not None
    assert pk.column is not None
    _protected[model._meta.db_table] = Protected(model=model, keys=[[pk.column], *keys])


def protected() -> list[Protected]:
    return list(_protected.values())


def install(connection: BaseDatabaseWrapper, one: Protected) -> None:
    """Put the triggers of a table in place, whatever was there before; there is no moment without them."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for sql in _remove_sql(connection.vendor, one) + _install_sql(connection.vendor, one):
            cursor.execute(sql)


def remove(connection: BaseDatabaseWrapper, one: Protected) -> None:
    """Take the triggers away. For tests that empty a throw-away database; nothing else has a reason to."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for sql in _remove_sql(connection.vendor, one):
            cursor.execute(sql)


def missing(connection: BaseDatabaseWrapper) -> dict[str, list[str]]:
    """Return the triggers that should be there and are not (or are switched off), by table."""
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        found = {
            one.table: _present(connection.vendor, cursor, one)
            for one in protected()
            if one.table in tables and router.allow_migrate_model(connection.alias, one.model)
        }
    absent = {
        one.table: [t for t in trigger_names(connection.vendor, one) if t not in found[one.table]]
        for one in protected()
        if one.table in found
    }
    return {table: names for table, names in absent.items() if names}


def trigger_names(vendor: str, one: Protected) -> list[str]:
    """The names of the triggers that a table must have on this kind of database."""
    kinds = (
        ["no_change", "no_truncate"] if vendor == "postgresql" else ["no_update", "no_delete", "no_replace"]
    )
    return [f"{one.table}_{kind}" for kind in kinds]


def install_after_migrate(app_config: AppConfig, using: str, **_: Any) -> None:
    """Handler of `post_migrate`."""
    connection = connections[using]
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
    for one in protected():
        if one.model._meta.app_label == app_config.label and one.table in tables:
            install(connection, one)


def check_triggers(databases: Sequence[str] | None = None, **_: Any) -> list[checks.CheckMessage]:
    """System check of ``manage.py check --database default``: every protected table has its triggers.

    Warnings, not errors: an error would stop ``migrate``, which is what repairs it.
    """
    return [
        checks.Warning(
            f"Table {table} of database {alias} is not append-only: it lacks {', '.join(names)}.",
            hint="Run ./manage.py migrate, which puts the triggers back, then ./manage.py verify_log.",
            id="eventstore.W001",
        )
        for alias in databases or ()
        for table, names in missing(connections[alias]).items()
    ]


def _install_sql(vendor: str, one: Protected) -> list[str]:
    table = one.table
    if vendor == "postgresql":
        return [
            # The function is shared by all protected tables; TG_* name what was tried on which.
            f"CREATE OR REPLACE FUNCTION {FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', "
            "MESSAGE = TG_TABLE_NAME || ' is append-only: ' || TG_OP || ' refused'; END $$",
            f'CREATE TRIGGER "{table}_no_change" BEFORE UPDATE OR DELETE ON "{table}" '
            f"FOR EACH ROW EXECUTE FUNCTION {FUNCTION}()",
            f'CREATE TRIGGER "{table}_no_truncate" BEFORE TRUNCATE ON "{table}" '
            f"FOR EACH STATEMENT EXECUTE FUNCTION {FUNCTION}()",
            # ALWAYS: else session_replication_role = replica would switch them off.
            f'ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER "{table}_no_change"',
            f'ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER "{table}_no_truncate"',
        ]
    same = " OR ".join(
        "(" + " AND ".join(f'"{column}" = NEW."{column}"' for column in key) + ")" for key in one.keys
    )
    return [
        *(
            f'CREATE TRIGGER "{table}_no_{word.lower()}" BEFORE {word} ON "{table}" '
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: {word} refused'); END"
            for word in ("UPDATE", "DELETE")
        ),
        f'CREATE TRIGGER "{table}_no_replace" BEFORE INSERT ON "{table}" '
        f'WHEN EXISTS (SELECT 1 FROM "{table}" WHERE {same}) '
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: the row is already there'); END",
    ]


def _remove_sql(vendor: str, one: Protected) -> list[str]:
    on = f' ON "{one.table}"' if vendor == "postgresql" else ""
    return [f'DROP TRIGGER IF EXISTS "{name}"{on}' for name in trigger_names(vendor, one)]


def _present(vendor: str, cursor: Any, one: Protected) -> set[str]:
    if vendor == "postgresql":
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgenabled = 'A'",
            [f'"{one.table}"'],
        )
    else:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s", [one.table])
    return {name for (name,) in cursor.fetchall()}
