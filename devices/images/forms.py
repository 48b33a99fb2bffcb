"""The form of an image: uploads a file, or says something else about it, by one command each."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied

from devices.domain import names
from devices.images import commands
from devices.images.content import PIECE
from devices.images.models import Image
from lab.actors import Actor
from lab.kernel.errors import NotPermitted, Rejected


class ImageForm(forms.ModelForm):  # type: ignore[type-arg]  # of Image
    """A model form that saves nothing: when its fields are clean it calls the command."""

    actor: Actor
    """Set by the page for its request."""

    description = forms.CharField(
        required=False, widget=forms.Textarea(attrs={"rows": 2, "class": "vLargeTextField"})
    )
    file = forms.FileField(
        required=False,
        help_text="A raw or qcow2 disk, a kernel, a ramdisk … An ending .gz, .xz, .bz2 or .zst means that it"
        " is packed. A file for a known name becomes its new version.",
    )
    reason = forms.CharField(
        label="Reason for the change",
        required=False,
        max_length=names.MAX_REASON,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="Goes into the history.",
    )

    class Meta:
        model = Image
        fields = ["name", "description"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.adding = self.instance._state.adding
        if self.adding:
            self.fields["file"].required = True

    def full_clean(self) -> None:
        super().full_clean()
        if not self.is_bound or self.errors:
            return
        try:
            self._perform(self.cleaned_data)
        except NotPermitted as exc:
            raise PermissionDenied(str(exc)) from exc
        except Rejected as exc:
            self.add_error(None, str(exc))

    def _perform(self, data: dict[str, Any]) -> None:
        name = data["name"] if self.adding else self.instance.pk
        if (file := data.get("file")) is not None:
            commands.upload_image(
                name,
                file.chunks(PIECE),
                filename=file.name,
                description=data["description"],
                reason=data["reason"],
                actor=self.actor,
                cause="admin",
            )
        else:
            commands.describe_image(
                name, data["description"], data["reason"], actor=self.actor, cause="admin"
            )

    def validate_unique(self) -> None:
        """Leave it to the command: a known name gets a new version."""
