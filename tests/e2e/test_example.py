"""The example, for real: watched in a browser, run again from there; and on PostgreSQL with two workers."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from selenium import webdriver

from lab.demo.images import GuestImages
from lab.demo.lab import EXAMPLES
from lab.eventstore.store import DjangoEventStore
from tests.support.browser import Site
from tests.support.databases import default_database
from tests.support.images import IMAGES
from tests.support.postgres import Postgres
from tests.support.running_lab import MANAGE, ROOT, Json, RunningLab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def example() -> str:
    text = (EXAMPLES / "vm-groups.json").read_text()
    return text.replace("@IMAGES@", IMAGES.as_uri()).replace("@EXAMPLES@", EXAMPLES.as_uri())


def passed(lab: RunningLab, job: Json) -> None:
    """It is complete, every test of it passed, and it left nothing."""
    assert job["outcome"] == "complete", job["failure"]
    results = {(one["node"], one["case"]): one for one in job["results"]}
    assert [one for one in job["results"] if one["result"] in ("fail", "unknown")] == []
    transfer = results[2, "transfer"]
    assert float(transfer["measurement"]) > 0
    assert transfer["units"] == "MB/s"
    assert results[0, "vm-server-runs"]["result"] == results[0, "no-vm-left"]["result"] == "pass"
    assert job["checks"]
    assert all(check["ok"] for check in job["checks"])
    assert lab.traces(job["id"]) == []
    assert lab.board()["held_by_job"] != job["id"]


@pytest.fixture(scope="module")
def site(chromium: webdriver.Chrome, lab: RunningLab) -> Site:
    site = Site(chromium, int(lab.url.rsplit(":", 1)[1]))
    site.resize(1440, 1000)
    site.open("/login/")
    site.find("input[name=username]").send_keys("engineer")
    site.find("input[name=password]").send_keys(lab.password)
    site.find("main form button").click()
    site.wait(lambda: "/login" not in site.path, "the login")
    return site


def number_of(site: Site) -> int:
    return int(site.path.split("/jobs/")[1].split("/")[0])


def test_the_example_fills_its_page_and_is_run_again_from_it(site: Site, lab: RunningLab) -> None:
    site.open("/submit/")
    write = "const text = document.getElementById('definition'); text.value = arguments[0];"
    typed = "text.dispatchEvent(new Event('input', { bubbles: true }));"
    site.driver.execute_script(write + typed, example())
    site.find("button[value=submit]").click()
    site.wait(lambda: "/jobs/" in site.path, "the page of the new job")
    first = number_of(site)
    running = watch_it_fill_in(site, lab, first)
    assert running, "the server's console and results were on the page before the job ended"
    job = lab.wait(first)
    passed(lab, job)
    site.wait(
        lambda: "Complete" in site.text("#pills") or "Passed" in site.text("#pills"), "the end on the page"
    )
    for node in job["nodes"]:
        shown = site.texts(f"#con-{node['index']} .con-rows > *")
        assert shown, f"the console of {node['name']} is shown"

    site.open(f"/jobs/{first}/resubmit")
    assert site.find("#definition").get_property("value") == example()
    site.find("button[value=submit]").click()
    site.wait(lambda: "/jobs/" in site.path and "resubmit" not in site.path, "the page of the second job")
    second = number_of(site)
    assert second != first
    again = lab.wait(second)
    passed(lab, again)
    assert again["resubmitted_from"] == first
    assert lab.job(first)["resubmitted_as"] == [second]
    assert (
        lab.client.get(f"jobs/{second}/definition/").text == lab.client.get(f"jobs/{first}/definition/").text
    )


def watch_it_fill_in(site: Site, lab: RunningLab, number: int) -> bool:
    """Look at the page, without loading it again, until it has a guest's console and results of both VMs."""

    def filled() -> bool:
        console = "\n".join(site.texts("#con-1 .con-rows > *"))
        return "LAVA_SIGNAL_STARTRUN" in console and "server-listens" in site.text("#results")

    site.wait(filled, "consoles and results on the page", seconds=180)
    return bool(lab.job(number)["state"] == "running")


@pytest.fixture(scope="module")
def shared_lab(
    postgres_server: Postgres, guest_images: Callable[[str], GuestImages]
) -> Iterator[tuple[RunningLab, str]]:
    """A lab on PostgreSQL, with a second process of workers beside the one that `serve` starts."""
    guest_images("armhf")
    url = postgres_server.create("example")
    with RunningLab(url, workers=1) as lab:
        second = lab.folder / "second"
        second.mkdir()
        environment = lab.environment | {
            "LABBOOK_VAR": str(second),
            "LABBOOK_SECRET_KEY": (lab.folder / "secret_key").read_text(),
        }
        with (lab.folder / "second.log").open("wb") as log:
            worker = subprocess.Popen(
                [*MANAGE, "worker", "--workers", "1"], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            yield lab, url
        finally:
            worker.terminate()
            worker.wait(60)


def test_the_example_passes_on_postgresql_with_two_worker_processes(
    shared_lab: tuple[RunningLab, str], django_db_blocker: Any
) -> None:
    lab, url = shared_lab
    numbers: list[int] = []
    threads = [threading.Thread(target=lambda: numbers.append(lab.submit(example()))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in sorted(numbers):
        passed(lab, lab.wait(number, 400))
    with django_db_blocker.unblock(), default_database(url):
        for number in numbers:
            types = [one.event.type for one in DjangoEventStore().read(f"job/{number}")]
            assert types.count("job.started") == types.count("job.finished") == 1
    lab.manage("verify_log")  # fails unless the chain of every stream is sound
