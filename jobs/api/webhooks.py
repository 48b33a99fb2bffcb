"""Webhooks: made, changed, switched, and what they were sent. Each is its owner's alone."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.api import shapes_account as of
from jobs.api.account import account
from jobs.api.body import PARSERS, Sent
from jobs.api.errors import BadRequest
from jobs.api.operations import limit, operation, query
from jobs.api.parameters import LARGEST, check_known, integer, next_page, text
from jobs.domain.definition.reading import one_of
from jobs.hooks import commands, queries
from jobs.hooks.models import Hook
from lab.kernel.errors import NotPermitted
from lab.tokens.models import ApiToken

PAGE, MAX_PAGE = queries.PAGE, 500


class Hooks(APIView):
    """One's own webhooks, by name, and the way to make one."""

    parser_classes = PARSERS
    scope = "account"

    @operation("list_webhooks", "One's webhooks", gives=of.Hooks)
    def get(self, request: Request) -> Response:
        check_known(request, ())
        return Response({"webhooks": queries.hooks(account(request))})

    @operation(
        "make_webhook",
        "Make a webhook",
        gives=of.MadeHook,
        status=201,
        sends=of.NewHook,
        headers={"Location": "The webhook's address."},
    )
    def post(self, request: Request) -> Response:
        """Make a webhook of a `name` and a `url`; the answer shows its secret, this once."""
        user = _reader(request)
        sent = Sent(request, (*commands.SETTINGS, "after"))
        hook, secret = commands.make_hook(user, after=sent.number("after"), **_settings(sent))
        return _with_secret(request, hook, secret, 201)


class OneHook(APIView):
    """One of one's own webhooks."""

    parser_classes = PARSERS
    scope = "account"

    @operation("show_webhook", "A webhook", gives=of.Hook)
    def get(self, request: Request, hook: int) -> Response:
        check_known(request, ())
        return Response(queries.hook(commands.hook_of(account(request), hook)))

    @operation("change_webhook", "Change a webhook", gives=of.Hook, sends=of.HookSettings)
    def patch(self, request: Request, hook: int) -> Response:
        """Change what is sent. What has become a message already is sent all the same."""
        user, sent = _reader(request), Sent(request, commands.SETTINGS)
        return Response(queries.hook(commands.change_hook(user, hook, **_settings(sent))))

    @operation("remove_webhook", "Remove a webhook", status=204)
    def delete(self, request: Request, hook: int) -> Response:
        """Forget a webhook, what it was sent, and what it was to be sent."""
        commands.remove_hook(account(request), hook)
        return Response(status=204)


class On(APIView):
    """Lets a webhook be told again: from where it stopped, or with `skip` what comes from now on."""

    parser_classes = PARSERS
    scope = "account"

    @operation("switch_webhook_on", "Switch a webhook on", gives=of.Hook, sends=of.HookOn, needs_body=False)
    def post(self, request: Request, hook: int) -> Response:
        user, skip = _reader(request), Sent(request, ("skip",)).flag("skip")
        return Response(queries.hook(commands.switch_on(user, hook, skip=bool(skip))))


class Off(APIView):
    """Keeps a webhook from being told anything, until it is switched on again."""

    scope = "account"

    @operation("switch_webhook_off", "Switch a webhook off", gives=of.Hook)
    def post(self, request: Request, hook: int) -> Response:
        return Response(queries.hook(commands.switch_off(account(request), hook)))


class Secret(APIView):
    """Makes another secret. For a day messages are signed with the one before, too."""

    scope = "account"

    @operation("renew_webhook_secret", "Make a new secret", gives=of.MadeHook)
    def post(self, request: Request, hook: int) -> Response:
        row, secret = commands.new_secret(_reader(request), hook)
        return _with_secret(request, row, secret, 200)


class Test(APIView):
    """Sends a message that says that it is a test: one attempt, also where the webhook is off."""

    scope = "account"

    @operation("test_webhook", "Send a test", gives=of.HookMessage, status=202)
    def post(self, request: Request, hook: int) -> Response:
        return Response(queries.message(commands.send_test(_reader(request), hook)), 202)


class Messages(APIView):
    """What a webhook was sent, and what waits to be sent, the newest first."""

    @operation(
        "list_webhook_messages",
        "What a webhook was sent",
        gives=of.HookMessages,
        asks=[
            query("state", one_of=queries.STATES),
            query("before", int, "Only messages whose `number` is lower."),
            limit(MAX_PAGE, PAGE),
        ],
    )
    def get(self, request: Request, hook: int) -> Response:
        check_known(request, ("state", "before", "limit"))
        if (state := text(request, "state")) and state not in queries.STATES:
            raise BadRequest(f"state must be {one_of(queries.STATES)}, not {state[:60]!r}.")
        size = integer(request, "limit", PAGE, low=1, high=MAX_PAGE)
        row = commands.hook_of(account(request), hook)
        before = integer(request, "before", LARGEST)
        found = queries.messages(row, before=before, state=state, limit=size + 1)
        more = next_page(request, before=found[size - 1]["number"]) if len(found) > size else None
        return Response({"messages": found[:size], "next": more})


class OneMessage(APIView):
    """A message with what was sent, as far as one may see that today."""

    @operation("show_webhook_message", "A message of a webhook", gives=of.WholeHookMessage)
    def get(self, request: Request, hook: int, message: str) -> Response:
        check_known(request, ())
        return Response(queries.whole_message(commands.message_of(account(request), hook, message)))


class Again(APIView):
    """Sends a message once more, under its own id: one attempt; one that waits is sent now."""

    scope = "account"

    @operation("resend_webhook_message", "Send a message again", gives=of.HookMessage, status=202)
    def post(self, request: Request, hook: int, message: str) -> Response:
        return Response(queries.message(commands.send_again(_reader(request), hook, message)), 202)


def _reader(request: Request) -> User:
    """Return who has something sent to him: whatever he may read. Raises `NotPermitted`."""
    if isinstance(request.auth, ApiToken) and "read" not in request.auth.scopes:
        raise NotPermitted(
            "A webhook sends what its user may read: besides account this needs a token with the scope read."
        )
    return account(request)


def _settings(sent: Sent) -> dict[str, Any]:
    texts = ("name", "url", "job_name", "board", "host_type")
    found: dict[str, Any] = {name: sent.string(name) for name in texts if name in sent}
    if "types" in sent:
        found["types"] = sent.strings("types")
    if "mine" in sent:
        found["mine"] = sent.flag("mine")
    if "job" in sent:
        found["job"] = sent.number("job")
    return found


def _with_secret(request: Request, hook: Hook, secret: str, status: int) -> Response:
    answer = Response({**queries.hook(hook), "secret": secret}, status)
    answer.headers["Location"] = request.build_absolute_uri(reverse("api:webhook", args=[hook.pk]))
    answer.headers["Cache-Control"] = "no-store"
    return answer
