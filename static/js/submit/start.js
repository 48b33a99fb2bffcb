// Start from: the empty group, the lab's templates, or any earlier job, found by number or words.
import { h } from "../dom.js";

const PAUSE = 250; // ms without a key before jobs are looked for

async function asked(path, read) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return read(response);
}

/** Set up the chooser of templates and the search for jobs; `begin(text, words)` puts a definition into the editor. */
export function makeStart(box, templates, begin) {
  const chooser = box.querySelector("select");
  const search = box.querySelector("input");
  const found = box.querySelector("ul");
  let timer = null;
  let round = 0;

  const groups = [["The lab's", templates.filter((one) => !one.ours)], ["Templates", templates.filter((one) => one.ours)]];
  chooser.append(...groups.filter(([, list]) => list.length).map(([label, list]) => h("optgroup", { label }, ...list.map((one) => h("option", { value: one.name }, one.title)))));
  chooser.addEventListener("change", () => {
    const one = templates.find(({ name }) => name === chooser.value);
    chooser.value = "";
    if (one) begin(one.text, one.title);
  });

  function close() {
    round += 1;
    found.hidden = true;
    search.setAttribute("aria-expanded", "false");
  }

  async function look() {
    const words = search.value.trim().replace(/^#/, "");
    if (!words) return close();
    round += 1;
    const mine = round;
    // Asked for as part of the list: that a job does not exist, or is not for everybody's eyes, is no error.
    const next = /^\d{1,15}$/.test(words) ? `/api/v1/jobs/?limit=1&before=${Number(words) + 1}` : "";
    const isIt = ({ jobs }) => jobs.filter((job) => job.id === Number(words));
    const byNumber = next ? asked(next, (answer) => answer.json()).then(isIt) : [];
    const byWords = asked(`/api/v1/jobs/?limit=8&text=${encodeURIComponent(words)}`, (answer) => answer.json()).then(({ jobs }) => jobs);
    const [numbered, worded] = await Promise.all([byNumber, byWords]);
    if (mine !== round) return null;
    const jobs = [...numbered, ...worded.filter((job) => job.id !== numbered[0]?.id)];
    found.replaceChildren(...(jobs.length ? jobs.map(choice) : [h("li", { class: "t3" }, "No job that you may see has these words.")]));
    found.hidden = false;
    search.setAttribute("aria-expanded", "true");
    return null;
  }

  function choice(job) {
    return h("li", {}, h("button", { type: "button", onclick: () => take(job.id) },
      h("span", { class: "mono" }, `#${job.id}`), h("span", { class: "clip grow" }, job.name), h("span", { class: "t3 nw" }, job.submitter)));
  }

  async function take(number) {
    close();
    search.value = "";
    try {
      begin(await asked(`/api/v1/jobs/${number}/definition/`, (answer) => answer.text()), `job #${number}`);
    } catch {
      found.replaceChildren(h("li", { class: "c-fail" }, `The definition of job ${number} could not be loaded. Try again.`));
      found.hidden = false;
    }
  }

  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => look().catch(close), PAUSE);
  });
  box.addEventListener("keydown", (event) => {
    const choices = [...found.querySelectorAll("button")];
    const at = choices.indexOf(document.activeElement);
    if (event.key === "Escape" && !found.hidden) {
      close();
      search.focus();
    } else if (event.key === "Enter" && event.target === search) {
      event.preventDefault();
      if (found.hidden) look().catch(close);
      else choices[0]?.click();
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && !found.hidden && event.target !== chooser) {
      event.preventDefault();
      const next = at + (event.key === "ArrowDown" ? 1 : -1);
      (choices[next] ?? (next < 0 ? search : choices.at(-1)))?.focus();
    }
  });
  document.addEventListener("click", (event) => {
    if (!box.contains(event.target)) close();
  });
}
