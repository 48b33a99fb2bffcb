"""What the API answers about what is a user's own: webhooks, saved views, tokens. See `jobs.api.shapes`."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from jobs.domain.webhooks import MessageState
from jobs.domain.webhooks import State as HookState

Scope = Literal["read", "submit", "admin", "account"]


class Me(TypedDict):
    """Who one is here. `scopes`: what the token is for; null: there is none, one is logged in by a page."""

    username: str
    name: str
    email: str
    groups: list[str]
    staff: bool
    scopes: list[str] | None


class Token(TypedDict):
    """What is kept of a token. `id` revokes it."""

    id: int
    name: str
    scopes: list[str]
    created_at: str
    expires_at: str | None
    last_used_at: str | None


class Tokens(TypedDict):
    tokens: list[Token]


class NewToken(TypedDict):
    """`days`: how long it is good; null or left out: until it is revoked."""

    name: str
    scopes: list[Scope]
    days: NotRequired[int | None]


class MadeToken(Token):
    """`token` can be seen this once."""

    token: str


class ViewFilters(TypedDict):
    """As in the address of the list of jobs."""

    state: NotRequired[str]
    submitter: NotRequired[str]
    board: NotRequired[str]
    type: NotRequired[str]
    q: NotRequired[str]
    sort: NotRequired[str]


class View(TypedDict):
    """A list of jobs that is kept under a name; `page` shows it."""

    name: str
    filters: dict[str, str]
    page: str


class Views(TypedDict):
    views: list[View]


class NewView(TypedDict):
    filters: ViewFilters


class HookSettings(TypedDict):
    """What a webhook is told; all that is said must hold. docs/webhooks.md explains it."""

    name: NotRequired[str]
    url: NotRequired[str]
    types: NotRequired[list[str]]
    mine: NotRequired[bool]
    job: NotRequired[int | None]
    job_name: NotRequired[str]
    board: NotRequired[str]
    host_type: NotRequired[str]


class NewHook(HookSettings):
    """`after`: the position of the log from which on it is told; left out: what comes from now on."""

    after: NotRequired[int | None]


class Hook(TypedDict):
    """A webhook. `waiting`: messages that are not settled. `position`: how far in the log it is."""

    id: int
    name: str
    url: str
    types: list[str]
    mine: bool
    job: int | None
    job_name: str
    board: str
    host_type: str
    state: HookState
    reason: str
    position: int
    waiting: int
    failing_since: str | None
    last_ok: str | None
    created_at: str


class Hooks(TypedDict):
    webhooks: list[Hook]


class MadeHook(Hook):
    """`secret` can be seen this once."""

    secret: str


class HookOn(TypedDict):
    """`skip`: what it has missed is not sent any more."""

    skip: NotRequired[bool]


class HookTry(TypedDict):
    """An attempt. `status`: what the receiver answered; null: nothing. `text`: how the answer begins."""

    at: str
    seconds: float
    status: int | None
    words: str
    text: str


class HookMessage(TypedDict):
    """A message. `id` is its ``webhook-id``; `due`: when it is sent, or sent again; null: it is settled."""

    id: str
    number: int
    type: str
    position: int | None
    job: int | None
    state: MessageState
    put_aside: bool
    attempts: int
    due: str | None
    created_at: str
    tries: list[HookTry]


class HookMessages(TypedDict):
    """A page of messages, the newest first."""

    messages: list[HookMessage]
    next: str | None


class WholeHookMessage(HookMessage):
    """`body`: what was sent last; empty where nothing was, or it may not be seen any more."""

    body: str
