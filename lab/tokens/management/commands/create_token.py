"""``manage.py create_token USER``: a key for the REST API, printed once."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from lab.tokens.models import MOST_DAYS, SCOPES, make_token


class Command(BaseCommand):
    help = (
        "Make a token with which a program can use the REST API as USER, and print it. It is kept as a hash "
        "only, so it cannot be shown again; revoke it in the admin."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="login name of the account")
        parser.add_argument(
            "--scope",
            action="append",
            choices=list(SCOPES),
            help="what it may be used for, more than once for several; default: everything its user may do",
        )
        parser.add_argument("--days", type=int, help="how long it is good for; default: until it is revoked")
        parser.add_argument("--name", default="", help="what it is for (default: made by manage.py)")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(
                f"There is no account {options['user']!r}. manage.py createsuperuser makes one."
            )
        if not user.is_active:
            raise CommandError(
                f"The account {user.username} is not active: a token for it would open nothing."
            )
        days = options["days"]
        if days is not None and not 1 <= days <= MOST_DAYS:
            raise CommandError(f"A token is good for 1 to {MOST_DAYS} days, not {days}.")
        name = options["name"][:100] or "made by manage.py"
        self.stdout.write(make_token(user, name, scopes=options["scope"] or tuple(SCOPES), days=days))
