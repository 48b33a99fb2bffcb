// The page for submitting: a form and the text of the definition, which are two views of one thing. The text is what
// counts and what is sent; the form changes the places in it that it is about, and nothing else.
import { data, h, setText } from "./dom.js";
import { askLab, showOutlook } from "./submit/boards.js";
import { draftOf } from "./submit/drafts.js";
import { edited, NotEditable } from "./submit/edit.js";
import { makeEditor } from "./submit/editor.js";
import { makeForm } from "./submit/form.js";
import { fixOf, oddity, planOf } from "./submit/model.js";
import { listedIn, marksOf, problemItem } from "./submit/problems.js";
import { makeStart } from "./submit/start.js";
import { pathOf, readTree, valueAt } from "./submit/tree.js";
import { listed, plural } from "./words.js";

const PAUSE = 400; // ms without a key before the server is asked
const LAB_EVERY = 10_000; // ms between looks at the boards
const UNDOS = 100;

const byId = (id) => document.getElementById(id);
const form = byId("submit");
const area = byId("definition");
const list = byId("problems");
const summary = byId("summary");
const sync = byId("sync");
const group = byId("group");
const title = document.title.replace(/^\d+ problems? · /, "");
const loaded = area.value;
const { templates, user, lab: firstLab } = data("submit-data");
const answered = form.dataset.answered !== undefined; // the page is an answer to what was sent
const draft = draftOf(user, location.pathname + location.search);

let lab = firstLab;
let value = {};
let nodes = null; // as the server counted them
let problems = [];
let kept = true; // whether a reload would lose nothing
let timer = null;
let round = 0; // of checks: an answer that was overtaken is dropped
const before = []; // earlier texts, for Undo

const editor = makeEditor(byId("editor"), area, byId("cursor"), () => {
  problems = []; // lines may have moved: old tints would mark the wrong ones
  changed();
  showForm();
});
const boardForm = makeForm(group, { emit, lab: () => lab, fix: mendOf });

// -- form and text -------------------------------------------------------------------------------

/** What the form starts from where there is no text yet. */
const blank = () => templates.find((one) => one.name.endsWith("blank"))?.text ?? "";

/** Apply changes from the form to the text. Returns the new value, or null if they are refused. */
function emit(changes) {
  const text = area.value.trim() ? area.value : blank();
  try {
    const next = edited(text, changes);
    if (next !== area.value) put(next);
  } catch (error) {
    if (!(error instanceof NotEditable)) throw error;
    say(error.message, "c-wait");
    return null;
  }
  value = readTree(area.value).value;
  changed();
  showAround();
  return value;
}

/** Put a text into the editor so that Undo can take it back. */
function put(text) {
  const old = area.value;
  before.push(old);
  if (before.length > UNDOS) before.shift();
  editor.replace(text);
  editor.reveal(old);
  byId("undo").hidden = false;
}

function say(words, style = "t3") {
  setText(sync, words);
  sync.className = `sm ${style}`;
}

/** Show in the form what the text says; freeze it if that is not possible. */
function showForm() {
  const text = area.value.trim() ? area.value : blank();
  const read = readTree(text);
  const odd = read.tree ? oddity(read.value) : "";
  const why = read.tree ? odd : `${read.problem.message} (line ${read.problem.line})`;
  group.inert = Boolean(why);
  group.classList.toggle("frozen", Boolean(why));
  byId("frozen").hidden = !why;
  setText(byId("language"), read.language ? read.language.toUpperCase() : "");
  if (why) {
    setText(byId("frozen").querySelector("span"), `The form waits until the text can be read as a group: ${why}.`);
    say("Form and text differ", "c-wait");
    return;
  }
  value = read.value;
  boardForm.show(value);
  showAround();
}

function showAround() {
  say(area.value.trim() ? "Form and text are in step" : "Nothing written yet: the form shows an empty group");
  showOutlook(byId("outlook"), value, lab);
  showPlan();
}

function showPlan() {
  const steps = planOf(value, nodes ?? undefined);
  const rows = steps.flatMap((node) => [
    h("b", { class: "clip", title: node.device_type ?? "" }, node.name),
    h("span", {}, ...node.steps.map((step) => h("span", { class: `st ph-${step.kind}` }, step.text))),
  ]);
  byId("plan").replaceChildren(...rows);
}

/** The text is another now: keep it, and have it checked. */
function changed() {
  nodes = null;
  kept = area.value === loaded && !answered ? (draft.discard(), true) : draft.save(area.value);
  editor.draw();
  clearTimeout(timer);
  timer = setTimeout(() => check().catch(unanswered), PAUSE);
}

// -- problems ------------------------------------------------------------------------------------

async function check() {
  clearTimeout(timer);
  round += 1;
  const mine = round;
  if (!area.value.trim()) return show([], "");
  const response = await fetch("/api/v1/validate/", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
    body: JSON.stringify({ definition: area.value }),
  });
  if (!response.ok) throw new Error(`validate: ${response.status}`);
  const answer = await response.json();
  if (mine !== round) return null;
  nodes = answer.valid ? answer.nodes : null;
  const all = [
    ...answer.problems.map((one) => ({ ...one, kind: "er" })),
    ...answer.warnings.map((one) => ({ ...one, kind: "wa" })),
  ];
  const count = plural(answer.problems.length, "problem");
  show(all, answer.valid ? `Valid: ${listed(answer.nodes.map((node) => node.name))}` : count, answer.valid);
  return all;
}

function unanswered() {
  setText(summary, "Not checked: the lab does not answer");
  summary.className = "c-wait";
}

function show(found, words, valid = true) {
  problems = found;
  editor.draw(marksOf(found));
  list.replaceChildren(...found.map((problem) => problemItem(problem, mendOf(problem))));
  if (!group.inert) {
    boardForm.showProblems(found);
    showPlan();
  }
  setText(summary, words);
  summary.title = words;
  summary.className = `clip ${valid ? "c-pass" : "c-fail"}`;
  area.setAttribute("aria-invalid", String(!valid));
  document.title = valid ? title : `${words} · ${title}`;
}

/** Return {right, act} of a problem whose hint names the replacement. */
function mendOf(problem) {
  const fix = problem.hint && !group.inert ? fixOf(value, problem, pathOf, valueAt) : null;
  if (!fix) return null;
  const act = () => {
    if (emit(fix.changes)) boardForm.show(value);
  };
  return { right: fix.right, act };
}

function goToFirst(found) {
  if (found?.length) {
    showTab("text");
    editor.goTo(found[0].line, found[0].column);
  }
}

list.addEventListener("click", (event) => {
  const link = event.target.closest("[data-line]");
  if (!link) return;
  event.preventDefault();
  showTab("text");
  editor.goTo(Number(link.dataset.line), Number(link.dataset.column));
});

addEventListener("keydown", (event) => {
  if (event.key === "F8" && problems.length) {
    event.preventDefault();
    const line = Number(byId("cursor").textContent.match(/\d+/)?.[0] ?? 0);
    goToFirst([problems.find((one) => one.line > line) ?? problems[0]]);
  }
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit(form.querySelector('[value="submit"]'));
});

// -- around the text -----------------------------------------------------------------------------

function showTab(name) {
  for (const tab of document.querySelectorAll("[data-tab]")) {
    const chosen = tab.dataset.tab === name;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    byId(tab.getAttribute("aria-controls")).hidden = !chosen;
  }
}

for (const tab of document.querySelectorAll("[data-tab]")) tab.addEventListener("click", () => showTab(tab.dataset.tab));
byId("tabs").addEventListener("keydown", (event) => {
  if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
  const other = document.querySelector('[data-tab][aria-selected="false"]');
  showTab(other.dataset.tab);
  other.focus();
});

byId("undo").addEventListener("click", () => {
  editor.replace(before.pop());
  byId("undo").hidden = !before.length;
  changed();
  showForm();
});
byId("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(area.value);
    say("Copied");
  } catch {
    area.select();
    say("Press Ctrl+C to copy");
  }
});

/** Put a whole definition in place of what is there; Undo brings that back. */
function begin(text, words) {
  put(text.replaceAll("\r\n", "\n").replaceAll("\r", "\n"));
  changed();
  showForm();
  say(`Started from ${words}`);
  check().catch(unanswered);
}

const open = byId("open-file");
open.querySelector("input").addEventListener("change", async (event) => {
  const file = event.target.files[0];
  if (!file) return;
  begin(await file.text(), file.name);
  event.target.value = "";
});

form.addEventListener("submit", (event) => {
  if (event.submitter?.value === "validate") {
    event.preventDefault();
    check().then(goToFirst, () => {
      kept = true; // the page that answers shows the problems, or why there is no answer
      form.submit();
    });
    return;
  }
  kept = true;
  draft.sent();
});
addEventListener("beforeunload", (event) => {
  if (!kept) event.preventDefault();
});

area.addEventListener("invalid", () => showTab("text")); // what is to be filled in must be in sight

async function look() {
  if (document.hidden) return;
  try {
    lab = await askLab();
  } catch {
    return; // the next look may have an answer; what is shown is the last one
  }
  boardForm.refreshLab();
  showOutlook(byId("outlook"), value, lab);
}
setInterval(look, LAB_EVERY);

function restore() {
  if (answered) return draft.save(area.value);
  const kind = performance.getEntriesByType("navigation")[0]?.type;
  const old = draft.load(kind === "reload" || kind === "back_forward");
  if (!old || old.text === loaded) return null;
  area.value = old.text;
  const note = byId("draft-note");
  note.hidden = false;
  setText(note.querySelector("time"), new Date(old.at).toLocaleString());
  note.querySelector("button").addEventListener("click", () => {
    note.hidden = true;
    put(loaded);
    draft.discard();
    changed();
    showForm();
    check().catch(unanswered);
  });
  return null;
}

// -- beginning -----------------------------------------------------------------------------------

for (const one of document.querySelectorAll("[data-script]")) one.hidden = false;
form.classList.add("g-submit");
byId("images").append(...lab.images.map((name) => h("option", { value: `lab:${name}` })));
makeStart(byId("start"), templates, begin);
restore();
problems = listedIn(list);
editor.draw(marksOf(problems));
showForm();
if (problems.length) editor.goTo(problems[0].line, problems[0].column);
else if (area.value.trim()) check().catch(unanswered);
if (answered && problems.length) check().catch(unanswered);
