"""Forms of the inventory: they check their fields by the domain's rules and then call ONE command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from devices import board_commands, seen, type_commands
from devices.config_tables import key_table
from devices.deciding import EditedMeanwhile
from devices.domain import names
from devices.domain.config import BoardConfig, VmTypeConfig
from devices.domain.config_text import ConfigText, read_config, write_config
from devices.domain.inventory_text import LARGEST
from devices.domain.parse_config import BadConfig
from devices.loading import load_board
from devices.models import Board, DeviceType
from lab.actors import Actor
from lab.kernel.errors import NotPermitted, Rejected

T = TypeVar("T")
CONFIGS = {"board": BoardConfig, "vm": VmTypeConfig}

BOARD_HELP = format_html(
    "YAML or JSON, laid over the configuration of the type key by key; null takes a value of the type away. "
    "For example:<pre>{}</pre>",
    "ssh:\n  host: 10.0.0.7\n  user: lab\n  key_file: /etc/labbook/keys/board",
)
TYPE_HELP = format_html(
    "YAML or JSON, laid over the configuration of the type it is based on; null takes a value of that away. "
    "For boards, what all of the type have in common, such as<pre>{}</pre>"
    "For virtual machines, together with what it is based on, at least one of<pre>{}</pre>",
    "runs: [kvm, kvm-arm]\nssh:\n  user: lab",
    "qemu: qemu-system-arm               launch: [./start-vm.sh, ./console.sh]\n"
    "machine: virt                       stop: [./stop-vm.sh]\n"
    "cpu: cortex-a15                     requires: [socat]",
)
KINDS = {"board": "boards", "vm": "virtual machines"}


class CommandForm(forms.ModelForm):  # type: ignore[type-arg]  # of Board or DeviceType
    """A model form that saves nothing: when its fields are clean it calls a command.

    That is done while the form is cleaned, because a command may refuse what every field allows, and its
    words must then stand in the form. The version that was shown travels in a hidden field, so that nobody
    overwrites what somebody else wrote meanwhile.
    """

    actor: Actor
    """Set by the page for its request."""

    description = forms.CharField(
        required=False, widget=forms.Textarea(attrs={"rows": 2, "class": "vLargeTextField"})
    )
    config = forms.CharField(
        label="Configuration",
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 10, "class": "vLargeTextField config-text", "spellcheck": "false", "wrap": "off"}
        ),
    )
    reason = forms.CharField(
        label="Reason for the change",
        required=False,
        max_length=names.MAX_REASON,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="Goes into the history.",
    )
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)
    overwrite = forms.IntegerField(required=False, widget=forms.HiddenInput)
    """The version whose edits by others the actor has seen and puts this one's in the place of."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.text = ConfigText(config={})
        self.meanwhile: EditedMeanwhile | None = None
        """What others edited since the page was shown; see `devices.admin_pages`."""
        self.adding = self.instance._state.adding
        if not self.adding:
            self.initial["config"] = write_config(self.instance.config)
            self.initial["version"] = self.instance.version

    def full_clean(self) -> None:
        super().full_clean()
        if not self.is_bound or self.errors:
            return
        try:
            self.perform(self.cleaned_data)
        except NotPermitted as exc:
            raise PermissionDenied(str(exc)) from exc
        except EditedMeanwhile as exc:
            self.meanwhile = exc
            self.add_error(None, str(exc))
        except BadConfig as bad:
            self.add_error("config", self._sentences(bad))
        except Rejected as exc:
            self.add_error(self._field_of(exc), str(exc))

    def perform(self, data: dict[str, Any]) -> None:
        """Call the command."""
        raise NotImplementedError

    @staticmethod
    def seen_version(data: dict[str, Any]) -> int | None:
        """Return the version that the actor has seen."""
        version: int | None = data["overwrite"] or data["version"]
        return version

    def _field_of(self, refused: Rejected) -> str | None:
        """Return the field that a refusal is about, None where it is about the whole."""
        return next((name for name in self.fields if str(refused).startswith(f"{name}.")), None)

    def validate_unique(self) -> None:
        """Leave it to the command, which knows retired names too and says what to do."""

    def clean_name(self) -> str:
        return _checked(names.checked_name, self._meta.model._meta.verbose_name, self.cleaned_data["name"])

    def clean_description(self) -> str:
        return _checked(names.checked_description, self.cleaned_data["description"])

    def clean_reason(self) -> str:
        return _checked(names.optional_reason, self.cleaned_data["reason"])

    def clean_config(self) -> dict[str, Any]:
        try:
            self.text = read_config(self.cleaned_data["config"])
        except BadConfig as bad:
            raise ValidationError([str(problem) for problem in bad.problems]) from bad
        return self.text.config

    def _sentences(self, bad: BadConfig) -> list[str]:
        """Return the problems in the order of the text; last those that are not in it."""
        lines = self.text.lines
        ordered = sorted(bad.problems, key=lambda problem: lines.get(problem.path, len(lines) + 1))
        return [bad.lead + self.text.sentence(problem) for problem in ordered]


class DeviceTypeForm(CommandForm):
    """Registers or changes a device type."""

    base = forms.ChoiceField(
        label="Based on",
        required=False,
        help_text="The type whose configuration this one's is laid over. Keep your own values in a type that "
        "is based on a ready-made one: then that can be brought up to date.",
    )

    class Meta:
        model = DeviceType
        fields = ["name", "kind", "base", "description", "config"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind = "" if self.adding else self.instance.kind
        shown = [key_table(cls) for key, cls in CONFIGS.items() if key in (kind or key)]
        _help(self, mark_safe("".join([TYPE_HELP, *shown])))
        if isinstance(field := self.fields.get("base"), forms.ChoiceField):
            field.choices = self._bases(kind)

    def _bases(self, kind: str) -> list[Any]:
        rows = DeviceType.objects.filter(Q(retired_at=None) | Q(pk=self.instance.base))
        names: dict[str, list[tuple[str, str]]] = {}
        for row in rows.exclude(pk=self.instance.pk).order_by("name"):
            if kind in ("", row.kind):
                names.setdefault(KINDS[row.kind], []).append((row.pk, row.pk))
        return [("", "nothing"), *names.items()]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        kind = data.get("kind") or self.instance.kind
        base = DeviceType.objects.filter(pk=data.get("base")).first()
        if base is not None and kind and base.kind != kind:
            what = f"{base.pk} is a type of {KINDS[base.kind]}, and this one of {KINDS[kind]}"
            self.add_error("base", f"{what}: choose one of its own kind.")
        return data

    def perform(self, data: dict[str, Any]) -> None:
        shown = {key: data[key] for key in ("description", "config", "base")}
        if self.adding:
            type_commands.register_device_type(
                data["name"], data["kind"], **shown, actor=self.actor, cause="admin"
            )
        else:
            type_commands.change_device_type(
                self.instance.pk,
                **shown,
                reason=data["reason"],
                expected_version=self.seen_version(data),
                actor=self.actor,
                cause="admin",
            )


class BoardForm(CommandForm):
    """Registers or changes a board."""

    device_type = forms.ModelChoiceField(queryset=DeviceType.objects.none())
    site = forms.CharField(
        initial="default", max_length=64, help_text="Where it stands: the workers of that site run its jobs."
    )
    tags = forms.CharField(
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="What definitions may ask for, separated by commas or blanks.",
    )

    cloned_from = forms.CharField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Board
        fields = ["name", "device_type", "site", "tags", "description", "config"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _help(self, mark_safe(BOARD_HELP + key_table(BoardConfig)))
        if not self.adding:
            self.initial["tags"] = ", ".join(self.instance.tags)
        if "device_type" in self.fields:
            # The type it has stays on offer, retired or not: else the form could not be saved at all.
            field = self.fields["device_type"]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = DeviceType.objects.filter(
                Q(kind="board", retired_at=None) | Q(pk=self.instance.device_type_id)
            )

    def clean_site(self) -> str:
        return _checked(names.checked_name, "site", self.cleaned_data["site"])

    def clean_tags(self) -> list[str]:
        return _checked(names.checked_tags, self.cleaned_data["tags"].replace(",", " ").split())

    def perform(self, data: dict[str, Any]) -> None:
        shown: dict[str, Any] = {key: data[key] for key in ("site", "tags", "description", "config")}
        device_type = data["device_type"].pk
        if self.adding:
            source = data["cloned_from"]
            if source and not seen.sees_config(self.actor, source):
                raise Rejected(f"There is no board {source!r} that you may clone.")
            board_commands.register_board(
                data["name"],
                device_type,
                **shown,
                access=load_board(source).state.access if source else None,
                cloned_from=source,
                actor=self.actor,
                cause="admin",
            )
        else:
            board_commands.change_board(
                self.instance.pk,
                device_type=device_type,
                **shown,
                reason=data["reason"],
                expected_version=self.seen_version(data),
                actor=self.actor,
                cause="admin",
            )


class ImportForm(forms.Form):
    """An inventory as a text or a file; and, once its differences were shown, the versions they are from."""

    file = forms.FileField(required=False, label="A file", help_text="Instead of the text below.")
    text = forms.CharField(
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 16, "class": "vLargeTextField config-text", "spellcheck": "false", "wrap": "off"}
        ),
    )
    reason = forms.CharField(
        label="Reason for the change",
        required=False,
        max_length=names.MAX_REASON,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="Goes into the history of everything that changes.",
    )
    versions = forms.JSONField(required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if file := data.get("file"):
            try:
                data["text"] = file.read(LARGEST * 4 + 1).decode()
            except UnicodeDecodeError as exc:
                self.add_error("file", f"The file is not UTF-8: byte {exc.start} cannot be read.")
        elif not data.get("text", "").strip():
            self.add_error("text", "There is nothing to import: choose a file, or put a text here.")
        found = data.get("versions")
        if found and not (isinstance(found, dict) and all(type(one) is int for one in found.values())):
            self.add_error(None, "The versions are damaged: look at the differences again.")
        return data


class ReasonForm(forms.Form):
    """Asks why."""

    reason = forms.CharField(
        required=False,
        max_length=names.MAX_REASON,
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True}),
    )


def _help(form: CommandForm, text: SafeString) -> None:
    if "config" in form.fields:
        form.fields["config"].help_text = text


def _checked(rule: Callable[..., T], *args: Any) -> T:
    try:
        return rule(*args)
    except Rejected as exc:
        raise ValidationError(str(exc)) from exc
