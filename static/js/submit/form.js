// The form: sections of the job, the host, its VMs and the actions. It shows a value and says what is to be changed.
import { h, icon, setText } from "../dom.js";
import { plural } from "../words.js";
import { COMMANDS, hasRole, mainParameter, parametersOf } from "./commands.js";
import { field, fillOptions } from "./fields.js";
import { actionsOf, addVm, bootFrom, followRole, nodesOf, removeVm, rolesOf, setParameter, sourceOf, vmsOf } from "./model.js";
import { pathText, valueAt } from "./tree.js";

const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

/**
 * Return {show(value, frozen), showProblems(problems, fixOf), refreshLab()} of the form in `root`.
 * `emit(changes)` applies changes and returns the new value, or null if they were refused; `lab()` tells what there is.
 */
export function makeForm(root, { emit, lab, fix }) {
  let value = {};
  let controls = [];
  const opened = new Set(); // what somebody unfolded, by path
  let problems = [];

  /** Apply changes; the form is drawn anew where they change what it consists of. */
  function apply(changes, { anew = false, focus } = {}) {
    const next = emit(changes);
    if (!next) return draw();
    value = next;
    if (anew) draw(focus);
    else refresh();
  }

  function refresh() {
    for (const one of controls) if (one.control !== document.activeElement) one.refresh(valueAt(value, one.steps));
    refreshRoles();
    setText(root.querySelector("#node-count"), nodeWords());
  }

  function refreshRoles() {
    for (const control of root.querySelectorAll("[data-roles]")) fillOptions(control, roleOptions(), control.value);
  }

  const roleOptions = () => [["", "all roles"], ...rolesOf(value).map((role) => [role, role])];

  function nodeWords() {
    const vms = nodesOf(value).length - 1;
    return vms ? `${plural(vms, "VM")} in ${plural(vmsOf(value).length, "role")}, with the host ${plural(vms + 1, "node")}` : "none yet";
  }

  /** A field for the value at `steps`; `change` is told what somebody gave, undefined where it is nothing. */
  function bound(steps, { change, ...given }) {
    const now = valueAt(value, steps);
    const told = (next) => {
      if (next !== undefined || valueAt(value, steps) !== undefined) change(next);
    };
    const made = field({ ...given, path: pathText(steps), value: now, change: told });
    made.steps = steps;
    controls.push(made);
    return made.element;
  }

  /** What a field of an optional key does: it takes the key away with its value. */
  const optional = (steps) => (now) => apply([now === undefined ? { op: "remove", path: steps } : { op: "set", path: steps, value: now }]);
  /** What a field of a key that must be there does. */
  const needed = (steps) => (now) => apply([{ op: "set", path: steps, value: now ?? "" }]);

  // -- sections ----------------------------------------------------------------------------------

  function section(title, note, button, ...content) {
    const head = h("div", { class: "row-f" }, h("h2", {}, title), note, button ? h("span", { class: "grow" }) : null, button);
    return h("div", { class: "fs", role: "group", "aria-label": title }, head, ...content);
  }

  function jobSection() {
    const one = (key, label, given) => bound([key], { label, change: (given.must ? needed : optional)([key]), ...given });
    const priority = typeof value.priority === "number" ? [[String(value.priority), String(value.priority)]] : [];
    const groups = Array.isArray(value.visibility) || lab().groups.length;
    const folded = ["notify", "notify_on_incomplete", "logging_level"].some((key) => value[key] !== undefined);
    return section("Job", null, null,
      h("div", { class: "fgrid" },
        one("job_name", "Name", { span: 5, must: true }),
        one("timeout", "Timeout, seconds", { span: 2, kind: "number", must: true }),
        one("priority", "Priority", {
          span: 3,
          options: [["", "medium (default)"], ["low", "low"], ["medium", "medium"], ["high", "high"], ...priority],
          change: (now) => optional(["priority"])(/^\d+$/.test(now ?? "") ? Number(now) : now),
        }),
        visibility(groups)),
      folding("job", "Notifications and logging", folded,
        one("notify", "Mail when it has ended", { span: 6, kind: "words", placeholder: "addresses" }),
        one("notify_on_incomplete", "Mail only when it could not be completed", { span: 6, kind: "words", placeholder: "addresses" }),
        one("logging_level", "Logging", { span: 4, options: [["", "INFO (default)"], ...LEVELS.map((level) => [level, level])] })));
  }

  function visibility(groups) {
    const steps = ["visibility"];
    const words = Array.isArray(value.visibility);
    const choices = [["", "default"], ["public", "public"], ["private", "private"], ...(groups ? [["groups", "groups"]] : [])];
    const made = field({
      label: "Visible to",
      path: words ? "" : "visibility",
      value: words ? "groups" : value.visibility,
      span: words ? 6 : 2,
      options: choices,
      change: (now) => apply([now === undefined ? { op: "remove", path: steps } : { op: "set", path: steps, value: now === "groups" ? [lab().groups[0] ?? "group"] : now }], { anew: true, focus: "visibility" }),
    });
    if (!words) return made.element;
    return h("div", { class: "f s6 pair" }, made.element, bound(steps, { label: "Groups", span: 6, kind: "words", change: needed(steps) }));
  }

  function folding(key, title, open, ...content) {
    const details = h("details", { class: "fold", open: open || opened.has(key) }, h("summary", { class: "sm t2" }, title), h("div", { class: "fgrid" }, ...content));
    details.addEventListener("toggle", () => opened[details.open ? "add" : "delete"](key));
    return details;
  }

  function hostSection() {
    const host = ["vm_group", "host"];
    const start = ["vm_group", "auto_start_vms"];
    const auto = value.vm_group?.auto_start_vms !== false;
    const box = h("input", { class: "form-check-input", type: "checkbox", "data-field": pathText(start), checked: auto, "data-auto": true });
    box.addEventListener("change", () => apply([{ op: "set", path: start, value: box.checked }], { anew: true, focus: pathText(start) }));
    return section("Host", null, null,
      h("div", { class: "fgrid" },
        bound([...host, "device_type"], { label: "Type of board", span: 4, options: boardTypes(), change: (now) => apply([{ op: "set", path: [...host, "device_type"], value: now ?? "" }], { anew: true, focus: pathText([...host, "device_type"]) }) }),
        roleField([...host, "role"], 3),
        bound([...host, "board"], { label: "Board", span: 2, options: boardNames(), change: optional([...host, "board"]) }),
        bound(["tags"], { label: "Tags", span: 3, kind: "words", placeholder: tagHint() || "any board", change: optional(["tags"]) }),
        h("div", { class: "f s12" },
          h("label", { class: "form-check form-switch m-0" }, box, h("span", { class: "form-check-label" }, "Start the VMs as soon as the host's test is in place")),
          auto ? null : h("div", { class: "form-hint switch-hint" }, "The host's test must call ", h("code", {}, "lava-start-vms"), ", and ", h("code", {}, "lava-wait-for-vms"), " if it wants to wait for them."))));
  }

  function roleField(steps, span) {
    let before = valueAt(value, steps);
    const element = bound(steps, { label: "Role", span, change: needed(steps) });
    const control = element.querySelector("input");
    control.addEventListener("focus", () => { before = valueAt(value, steps); });
    control.addEventListener("change", () => {
      const changes = followRole(value, before, valueAt(value, steps));
      before = valueAt(value, steps);
      if (changes.length) apply(changes, { anew: true });
    });
    return element;
  }

  const boardType = () => lab().board_types.find((one) => one.name === value.vm_group?.host?.device_type);
  const boardTypes = () => lab().board_types.filter((one) => one.boards.length).map((one) => [one.name, `${one.name}, ${one.free} of ${one.boards.length} free`]);
  const boardNames = () => [["", "any"], ...(boardType()?.boards ?? []).map((one) => [one.name, one.name])];
  const tagHint = () => [...new Set((boardType()?.boards ?? []).flatMap((one) => one.tags))].slice(0, 4).join(", ");

  function vmTypes() {
    const runs = boardType()?.runs;
    const types = lab().vm_types.map((one) => one.name);
    return types.filter((name) => !runs || runs.includes(name)).map((name) => [name, name]);
  }

  function vmSection() {
    const add = h("button", { type: "button", class: "btn btn-sm", onclick: () => apply(addVm(value, vmTypes().map(([name]) => name)), { anew: true, focus: pathText(["vm_group", "vms", vmsOf(value).length, "role"]) }) }, icon("plus", "i-s"), "Add VM role");
    const note = h("span", { class: "t3", id: "node-count" }, nodeWords());
    return section("VMs", note, add, h("div", { "data-field": "vm_group.vms" }, ...vmsOf(value).map((vm, index) => vmCard(vm, index))));
  }

  function vmCard(vm, index) {
    const path = ["vm_group", "vms", index];
    const one = (key, label, given) => bound([...path, key], { label, change: optional([...path, key]), ...given });
    const type = lab().vm_types.find((known) => known.name === vm.device_type);
    const folded = ["launch_with", "shell_prompt", "memory", "cpus"].some((key) => vm[key] !== undefined);
    const remove = h("button", { type: "button", class: "btn-x vm-rm", "aria-label": `Remove the VM ${vm.role ?? ""}`, title: "Remove", onclick: () => apply(removeVm(value, index), { anew: true }) }, icon("trash"));
    return h("div", { class: "vm", "data-field": pathText(path) }, remove,
      h("div", { class: "fgrid" },
        one("device_type", "Type of VM", { span: 3, options: vmTypes(), change: needed([...path, "device_type"]) }),
        roleField([...path, "role"], 3),
        one("count", "Count", { span: 2, kind: "number", placeholder: "1" }),
        bootChoice(vm, index),
        ...bootFields(vm, path)),
      folding(pathText(path), "Launch commands, prompt and size", folded,
        one("launch_with", "launch_with: commands on the host, one a line; the last one stays on the console", { span: 12, kind: "lines", placeholder: `as ${vm.device_type ?? "its type"} does` }),
        one("shell_prompt", "Prompt of its shell", { span: 6, kind: "exact", mono: true, placeholder: "that of its type" }),
        one("memory", "Memory, MiB", { span: 3, kind: "number", placeholder: type ? String(type.memory) : "" }),
        one("cpus", "CPUs", { span: 3, kind: "number", placeholder: type ? String(type.cpus) : "" })));
  }

  function bootChoice(vm, index) {
    const { from } = sourceOf(value, vm);
    const button = (kind, words) => h("button", {
      type: "button",
      "aria-pressed": String((from === "kernel") === (kind === "kernel")),
      onclick: () => apply(bootFrom(value, index, kind), { anew: true }),
    }, words);
    return h("div", { class: "f s4" }, h("span", { class: "form-label d-block" }, "Boots from"),
      h("span", { class: "seg", role: "group", "aria-label": "Boots from" }, button("image", "Disk image"), button("kernel", "Kernel set")));
  }

  function bootFields(vm, path) {
    const { from, action } = sourceOf(value, vm);
    const parameter = (key, label, given) => bound(["actions", action, "parameters", key], {
      label, list: "images", mono: true, change: (now) => apply(setParameter(value, action, key, now)), ...given });
    if (from === "kernel") {
      return [["kernel", "Kernel"], ["ramdisk", "Ramdisk"], ["dtb", "Device tree"], ["rootfs", "Root file system"]].map(([key, label]) => parameter(key, label, { span: 6 }));
    }
    if (from === "deploy") return [parameter("image", `Image, by action ${action + 1}`, { span: 12 })];
    return [bound([...path, "image"], { label: "Image", span: 12, mono: true, list: "images", placeholder: "http://…, https://…, lab:NAME or file://…", change: optional([...path, "image"]) })];
  }

  // -- actions -----------------------------------------------------------------------------------

  function actionSection() {
    const count = actionsOf(value).length;
    const blank = { command: "lava_test_shell", parameters: { testdef_urls: ["http://"] } };
    const add = h("button", { type: "button", class: "btn btn-sm", onclick: () => apply([{ op: "insert", path: ["actions"], index: count, value: blank }], { anew: true, focus: pathText(["actions", count, "command"]) }) }, icon("plus", "i-s"), "Add action");
    const note = h("span", { class: "t3" }, "run from top to bottom on each node of the role");
    return section("Actions", note, add, h("ol", { class: "list-unstyled m-0", "data-field": "actions" }, ...actionsOf(value).map(actionRow)));
  }

  function move(from, to) {
    if (to < 0 || to >= actionsOf(value).length) return;
    const shifted = (at) => (at === from ? to : at > from && at <= to ? at - 1 : at < from && at >= to ? at + 1 : at);
    const unfolded = [...opened].filter((key) => key.startsWith("actions["));
    for (const key of unfolded) opened.delete(key);
    for (const key of unfolded) opened.add(`actions[${shifted(Number(key.slice(8, -1)))}]`);
    const field = document.activeElement?.dataset?.field?.replace(`actions[${from}]`, `actions[${to}]`);
    const label = document.activeElement?.dataset?.move;
    apply([{ op: "move", path: ["actions"], from, to }], { anew: true, focus: field });
    if (label) root.querySelector(`[data-field="actions[${to}]"] [data-move="${label}"]`)?.focus();
  }

  function actionRow(action, index) {
    const path = ["actions", index];
    const key = pathText(path);
    const name = `action ${index + 1}`;
    const known = Object.keys(COMMANDS).map((command) => [command, command]);
    const main = mainParameter(action.command, action.parameters);
    const button = (words, symbol, act, more = {}) => h("button", { type: "button", class: "btn-x", "aria-label": `${words} ${name}`, title: words, onclick: act, ...more }, icon(symbol, "i-s"));
    const unfold = () => {
      opened[opened.has(key) ? "delete" : "add"](key);
      draw();
      root.querySelector(`[data-field="${key}"] [aria-expanded]`)?.focus();
    };
    const row = h("li", { class: "act", "data-field": key },
      h("span", { class: "t3 num" }, String(index + 1)),
      bound([...path, "command"], { label: `Command of ${name}`, bare: true, span: 0, options: known, change: (now) => apply([{ op: "set", path: [...path, "command"], value: now }], { anew: true, focus: pathText([...path, "command"]) }) }),
      hasRole(action.command) ? roleChooser(action, index, name) : h("span", { class: "t3 sm" }, "the whole group"),
      main ? parameterField(main, index, { bare: true, label: `${main.key} of ${name}`, span: 0, rows: 1, placeholder: main.key }) : h("span"),
      h("span", { class: "row-f acts-x" },
        button("All parameters of", "adjustments-horizontal", unfold, { "aria-expanded": String(opened.has(key)) }),
        button("Move up", "chevron-up", () => move(index, index - 1), { "data-move": "up", disabled: index === 0 }),
        button("Move down", "chevron-down", () => move(index, index + 1), { "data-move": "down", disabled: index === actionsOf(value).length - 1 }),
        button("Remove", "trash", () => apply([{ op: "remove", path }], { anew: true }))),
      opened.has(key) ? moreOf(action, index, main) : null);
    row.addEventListener("keydown", (event) => {
      const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!event.altKey || !step) return;
      event.preventDefault();
      move(index, index + step);
    });
    return row;
  }

  function roleChooser(action, index, name) {
    const steps = ["actions", index, "parameters", "role"];
    const element = bound(steps, { label: `Role of ${name}`, bare: true, span: 0, options: roleOptions(), change: (now) => apply(setParameter(value, index, "role", now ?? undefined), { anew: true, focus: pathText(steps) }) });
    element.querySelector("select").dataset.roles = "";
    return element;
  }

  function parameterField(known, index, given) {
    const steps = ["actions", index, "parameters", known.key];
    const label = known.unit ? `${known.key}, ${known.unit}` : known.key;
    return bound(steps, { label, kind: known.kind, mono: known.kind !== "number", list: known.url ? "images" : null, change: (now) => apply(setParameter(value, index, known.key, now)), ...given });
  }

  function moreOf(action, index, main) {
    const parameters = parametersOf(action.command);
    const rest = parameters.filter((one) => one !== main);
    const others = Object.keys(action.parameters ?? {}).filter((key) => key !== "role" && !parameters.some((one) => one.key === key));
    const span = (one) => (["lines", "block", "data"].includes(one.kind) ? 12 : 4);
    const metadata = ["actions", index, "metadata"];
    return h("div", { class: "act-more fgrid" },
      ...rest.map((one) => parameterField(one, index, { span: span(one) })),
      bound(metadata, { label: "metadata, as YAML", kind: "data", span: 12, change: optional(metadata) }),
      others.length ? h("p", { class: "form-hint s12 m-0" }, `Other keys, kept as they are: ${others.join(", ")}`) : null);
  }

  // -- the whole ---------------------------------------------------------------------------------

  function draw(focus) {
    const active = document.activeElement;
    const field = focus ?? (root.contains(active) ? active.dataset.field : undefined);
    const at = active?.selectionStart;
    controls = [];
    root.replaceChildren(jobSection(), hostSection(), vmSection(), actionSection());
    const again = field && root.querySelector(`:is(input, select, textarea)[data-field="${CSS.escape(field)}"]`);
    if (again) {
      again.focus({ preventScroll: focus === undefined });
      if (focus === undefined && typeof at === "number" && again.setSelectionRange) again.setSelectionRange(at, at);
    }
    showProblems(problems);
  }

  function show(now) {
    value = now;
    draw();
  }

  /** Put each problem at the field it is about, or at what that is part of. */
  function showProblems(found) {
    problems = found;
    for (const old of root.querySelectorAll(".msg[data-problem]")) old.remove();
    for (const old of root.querySelectorAll("[aria-invalid]")) old.removeAttribute("aria-invalid");
    for (const old of root.querySelectorAll(".bad")) old.classList.remove("bad");
    for (const problem of found) {
      // What is missing is a problem of what it should be in; its own field says more.
      const missing = /^"(\w+)" is missing/.exec(problem.message)?.[1];
      const at = fieldOf(missing ? [problem.path, missing].filter(Boolean).join(".") : problem.path);
      if (at) mark(at, problem);
    }
  }

  function fieldOf(path) {
    for (let rest = path; rest; rest = rest.replace(/(\.?[^.[\]]+|\[[^\]]*\])$/, "")) {
      const found = root.querySelector(`[data-field="${CSS.escape(rest)}"]`);
      if (found) return found;
    }
    return null;
  }

  function mark(at, problem) {
    counter += 1;
    const id = `problem-${counter}`;
    const error = problem.kind === "er";
    const mend = fix(problem);
    const message = h("div", { class: error ? "msg" : "msg w", "data-problem": true, id },
      `${problem.message}${problem.hint && !mend ? ` (${problem.hint})` : ""}`,
      mend ? ". Did you mean " : null,
      mend ? h("button", { type: "button", onclick: mend.act }, mend.right) : null,
      mend ? "?" : null);
    const row = at.closest(".act, .vm");
    if (error) row?.classList.add("bad");
    if (at.matches("input, select, textarea")) {
      if (error) at.setAttribute("aria-invalid", "true");
      at.setAttribute("aria-describedby", [at.getAttribute("aria-describedby"), id].filter(Boolean).join(" "));
      const own = at.closest(".act .f.s0") ? row : at.closest(".f");
      own.append(message);
      for (let fold = at.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    } else if (at.matches("ol")) at.after(message);
    else at.append(message);
  }

  let counter = 0;

  function refreshLab() {
    for (const one of controls) {
      if (one.control === document.activeElement) continue;
      if (one.path === "vm_group.host.device_type") fillOptions(one.control, boardTypes(), one.control.value);
    }
  }

  // Enter in a field must not submit: a form of this size is rarely meant to be sent by it.
  root.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches("input") && !event.ctrlKey && !event.metaKey) event.preventDefault();
  });

  return { show, showProblems, refreshLab };
}
