"""The same definitions as a job: a real lab, its ssh host, one VM, all of them in one test shell."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.compatibility.collection import Definition, Together
from tests.compatibility.guests import Guest
from tests.compatibility.outcome import Outcome, Verdict
from tests.support.running_lab import RunningLab

Json = dict[str, Any]
NODE = 1
_OWN = ("lava-test-shell-run", "lava-test-shell-install")


def publish(collection: Path, lab: RunningLab) -> str:
    """Make the folder, as it is now, a git repository that the lab may read; returns its URL."""
    target = lab.folder / "files" / "collection"
    if not target.exists():
        shutil.copytree(collection, target, symlinks=True, ignore=shutil.ignore_patterns(".git"))
        git = ["git", "-c", "user.name=tests", "-c", "user.email=tests@example.org", "-C", str(target)]
        for words in (["init", "-q"], ["add", "-A", "-f"], ["commit", "-q", "-m", "the collection"]):
            subprocess.run([*git, *words], check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return target.as_uri()


def job(guest: Guest, url: str, definitions: Sequence[Definition], seconds: int) -> Json:
    """Return the job that runs the definitions in a guest."""
    repos = [{"git-repo": url, "testdef": one.path, "parameters": dict(one.ours)} for one in definitions]
    boot = {**guest.boot, "parameters": {**guest.boot["parameters"], "role": "guest"}}
    return {
        "job_name": f"{len(definitions)} definitions in the {guest.name} guest",
        "timeout": seconds,
        "vm_group": {
            "host": {"device_type": "ssh-host", "role": "host"},
            "vms": [{"device_type": "kvm", "role": "guest", "memory": guest.memory}],
        },
        "actions": [
            {"command": "dummy_deploy", "parameters": {"role": "host"}},
            boot,
            {"command": "lava_test_shell", "parameters": {"testdef_repos": repos, "role": "guest"}},
        ],
    }


def run_together(
    lab: RunningLab, guest: Guest, url: str, group: Together, work: Path, seconds: float
) -> dict[str, Outcome]:
    """Run definitions for several nodes in a VM each; returns what came of each, by role."""
    vms = [{"device_type": "kvm", "role": role, "memory": 512} for role in group.roles]
    actions = [{"command": "dummy_deploy", "parameters": {"role": "host"}}]
    for role, one in group.roles.items():
        repo = {"git-repo": url, "testdef": one.path, "parameters": dict(one.ours)}
        boot = {**guest.boot["parameters"], "role": role}
        actions.append({**guest.boot, "parameters": boot})
        actions.append({"command": "lava_test_shell", "parameters": {"testdef_repos": [repo], "role": role}})
    definition = {
        "job_name": f"{group.name} in {len(vms)} {guest.name} guests",
        "timeout": int(seconds),
        "vm_group": {"host": {"device_type": "ssh-host", "role": "host"}, "vms": vms},
        "actions": actions,
    }
    number = lab.submit(definition)
    done = lab.wait(number, seconds + 300)
    (work / f"{guest.name}-{group.name}-{number}.json").write_text(json.dumps(done, indent=1))
    for node in range(1, len(vms) + 1):
        (work / f"{guest.name}-{group.name}-{number}-{node}.log").write_bytes(lab.console(number, node))
    if done["outcome"] != "complete":
        raise RuntimeError(f"job {number} is {done['outcome']}: {done['failure']}")
    return {role: read(done, [one], node)[0] for node, (role, one) in enumerate(group.roles.items(), start=1)}


def run(
    lab: RunningLab, guest: Guest, url: str, definitions: Sequence[Definition], work: Path, seconds: float
) -> list[Outcome]:
    """Run the definitions; returns what came of each. `work` keeps consoles and jobs.

    A definition that raises ends its job, as it is meant to: the others go on in another one.
    """
    outcomes: list[Outcome] = []
    while len(outcomes) < len(definitions):
        rest = definitions[len(outcomes) :]
        number = lab.submit(job(guest, url, rest, int(seconds)))
        done = lab.wait(number, seconds + 300)
        name = f"{guest.name}-job-{number}"
        (work / f"{name}.json").write_text(json.dumps(done, indent=1))
        (work / f"{name}.log").write_bytes(lab.console(number, NODE))
        found = read(done, rest)
        if not found:
            raise RuntimeError(f"job {number} ran none of its definitions: {done['failure']}")
        outcomes += found
    return outcomes


def read(done: Json, definitions: Sequence[Definition], node: int = NODE) -> list[Outcome]:
    """Return what came of the definitions that the job ran, the last of which may have ended it."""
    raised = done["failure"] is not None and " gave up: " in done["failure"]["message"]
    outcomes: list[Outcome] = []
    for suite in _suites(definitions):
        results = [one for one in done["results"] if (one["node"], one["suite"]) == (node, suite)]
        own = [one for one in results if one["case"] in _OWN]
        verdicts = tuple(_verdict(one) for one in results if one["case"] not in _OWN)
        if (own and own[-1]["case"] == "lava-test-shell-run") or any(one["result"] == "fail" for one in own):
            outcomes.append(Outcome(verdicts=verdicts, status=_status(own[-1])))
            continue
        if done["outcome"] == "complete":
            raise RuntimeError(f"job {done['id']} is complete, but has no outcome of {suite}")
        # The one that ended the job. What comes behind it has not run.
        return [*outcomes, Outcome(verdicts=verdicts, status=1 if raised else -1, ended=raised)]
    return outcomes


def _suites(definitions: Sequence[Definition]) -> list[str]:
    """Return what Labbook calls their suites: by their names, numbered where several have the same."""
    found: list[str] = []
    for one in definitions:
        same = sum(1 for before in definitions[: len(found)] if before.name == one.name)
        found.append(one.name if not same else f"{one.name}-{same + 1}")
    return found


def _verdict(result: Json) -> Verdict:
    return Verdict(
        set=result["set"],
        case=result["case"],
        result=result["result"],
        measured=result["measurement"] is not None,
        units=result["units"],
    )


def _status(result: Json) -> int:
    if result["result"] == "pass":
        return 0
    found = re.search(r"exit status (\d+)", result["message"])
    return int(found[1]) if found else -1
