// Holding a job before its clean-up: what the page says about it, and the dialog that asks for it.
import { h, setText } from "../dom.js";
import { duration } from "../words.js";
import { timeOf } from "../zone.js";
import { serverNow } from "./time.js";

const at = (id) => document.getElementById(id);

/** Return [words before the time, words after it] about a hold. */
export function wordsOf(hold) {
  const by = ` by ${hold.user}${hold.reason ? `: ${hold.reason}` : ""}`;
  if (hold.until !== null) return ["Held until ", `${by}.`];
  const when = hold.if_failed ? "if it fails" : "when its work is done";
  return [`Will be held for ${duration(hold.seconds)} ${when},${by}.`, ""];
}

export class Hold {
  /** job: its number; token(): for requests that change something. */
  constructor({ job, token }) {
    this.job = job;
    this.token = token;
    this.key = "";
    this.dialog = at("dlg-hold");
    this.dialog?.querySelector("form").addEventListener("submit", (event) => this.#submit(event));
    at("hold")?.addEventListener("click", (event) => {
      if (event.target.closest("[data-act=release]")) this.#ask("DELETE", null);
    });
  }

  render(state) {
    const note = at("hold");
    const { hold } = state;
    note.hidden = !hold;
    const button = at("hold-job");
    if (button) {
      button.hidden = state.state === "finished" || state.state === "canceling";
      setText(button.lastChild, hold?.since ? "Hold longer" : "Hold");
    }
    if (!hold) {
      this.key = "";
      return;
    }
    const key = JSON.stringify(hold);
    if (key !== this.key) {
      this.key = key;
      this.#draw(note, hold);
    }
    const left = note.querySelector("[data-f=left]");
    if (left) setText(left, ` (${duration(Math.max(0, hold.until - serverNow()))} left)`);
  }

  #draw(note, hold) {
    const [before, after] = wordsOf(hold);
    const time = hold.until === null ? [] : [timeOf(hold.until), h("span", { "data-f": "left", class: "num" })];
    const more = hold.since ? " Its VMs run on and its host is not cleaned: take a keyboard to look around." : "";
    const words = note.querySelector("span");
    words.replaceChildren(h("b", {}, before, ...time), `${after}${more}`);
    const free = note.querySelector("[data-act=release]");
    if (free) setText(free.lastChild, hold.since ? "Let it go" : "Do not hold");
  }

  async #submit(event) {
    event.preventDefault();
    const form = event.target;
    const minutes = Number(form.elements.minutes.value.replace(",", "."));
    const wish = { seconds: Math.round(minutes * 60), reason: form.elements.reason.value, if_failed: form.elements.if_failed.checked };
    const problem = form.querySelector(".msg");
    problem.hidden = true;
    const words = Number.isFinite(minutes) && minutes > 0 ? await this.#ask("POST", wish) : "For how many minutes?";
    if (words) {
      setText(problem, words);
      problem.hidden = false;
    } else this.dialog.close();
  }

  /** Ask the lab; returns why it refused, or nothing. */
  async #ask(method, body) {
    try {
      const response = await fetch(`/api/v1/jobs/${this.job}/hold/`, {
        ...{ method, body: body && JSON.stringify(body) },
        headers: { "Content-Type": "application/json", "X-CSRFToken": this.token(), Accept: "application/json" },
      });
      return response.ok ? "" : ((await response.json()).detail ?? `The lab answers ${response.status}.`);
    } catch {
      return "The lab does not answer. Try again.";
    }
  }
}
