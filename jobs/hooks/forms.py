"""The form of a webhook: what its owner wants to be told."""

from __future__ import annotations

import re
from typing import Any

from django import forms

from jobs.domain.webhooks import USUAL
from jobs.hooks.models import Hook

COMMON = {
    "job.submitted": "a job is submitted",
    "job.assigned": "it gets a board",
    "job.started": "it starts",
    "job.result_reported": "a test case reports a result",
    "job.finished": "it has ended",
    "board.*": "anything happens to a board",
    "*": "anything at all happens",
}
"""Types of events that the form offers to tick."""
WHOSE = {"mine": "Jobs that I submit", "all": "Everything that I may see"}


class HookForm(forms.Form):
    """Its `settings` are for the commands, which say what is wrong with them."""

    name = forms.CharField(max_length=100, strip=True)
    url = forms.CharField(max_length=2000, strip=True)
    common = forms.MultipleChoiceField(choices=list(COMMON.items()), required=False)
    others = forms.CharField(max_length=2000, required=False)
    whose = forms.ChoiceField(choices=list(WHOSE.items()))
    job = forms.IntegerField(min_value=1, max_value=2**62, required=False)
    job_name = forms.CharField(max_length=200, required=False)
    board = forms.CharField(max_length=100, required=False)
    host_type = forms.CharField(max_length=100, required=False)

    def settings(self) -> dict[str, Any]:
        chosen = self.cleaned_data
        types = [*chosen["common"], *re.split(r"[\s,]+", chosen["others"])]
        return {
            "name": chosen["name"],
            "url": chosen["url"],
            "types": [one for one in types if one],
            "mine": chosen["whose"] == "mine",
            "job": chosen["job"],
            "job_name": chosen["job_name"],
            "board": chosen["board"],
            "host_type": chosen["host_type"],
        }

    def refuse(self, field: str, message: str) -> None:
        """Show what a command has said of a setting."""
        shown = {"types": "common", "mine": "whose"}.get(field, field)
        self.add_error(shown if shown in self.fields else None, message)


def initial(hook: Hook | None = None, job: int | None = None) -> dict[str, Any]:
    """Return what the form of a webhook shows at first; of a new one, for a job if one is named."""
    if hook is None:
        return {"common": list(USUAL), "whose": "mine" if job is None else "all", "job": job}
    return {
        "name": hook.name,
        "url": hook.url,
        "common": [one for one in hook.types if one in COMMON],
        "others": ", ".join(one for one in hook.types if one not in COMMON),
        "whose": "mine" if hook.mine else "all",
        "job": hook.job,
        "job_name": hook.job_name,
        "board": hook.board,
        "host_type": hook.host_type,
    }
