// The controls of the form. Each knows how a value is shown, and what is meant by what somebody typed.
import { parse, stringify } from "../../vendor/yaml-2.9.1/yaml.min.js";
import { h } from "../dom.js";

let counter = 0;
const isText = (value) => typeof value === "string";
const isTexts = (value, pattern) => Array.isArray(value) && value.every((one) => isText(one) && !pattern.test(one));

/**
 * How values of each kind are shown and read. `show` returns text, or undefined if the control cannot hold the value;
 * `read` returns the value, or undefined where nothing is given: then the key is left out.
 */
const KINDS = {
  text: { show: (value) => (typeof value === "object" ? undefined : String(value)), read: (text) => text.trim() || undefined },
  exact: { show: (value) => (typeof value === "object" ? undefined : String(value)), read: (text) => text || undefined },
  number: {
    show: (value) => (typeof value === "object" ? undefined : String(value)),
    read: (text) => (/^\s*-?\d{1,15}\s*$/.test(text) ? Number(text) : text.trim() || undefined),
  },
  lines: {
    show: (value) => (isTexts(value, /\n/) ? value.join("\n") : undefined),
    read: (text) => listOf(text, /\n/),
  },
  words: {
    show: (value) => (isTexts(value, /[\s,]/) ? value.join(", ") : undefined),
    read: (text) => listOf(text, /[\s,]+/),
  },
  block: { show: (value) => (isText(value) ? value : undefined), read: (text) => text || undefined },
  data: {
    show: (value) => stringify(value, { lineWidth: 0 }).trimEnd(),
    read: (text) => (text.trim() ? parse(text) : undefined),
  },
};

function listOf(text, separator) {
  const parts = text.split(separator).map((one) => one.trim()).filter(Boolean);
  return parts.length ? parts : undefined;
}

const PRESENT = (value) => value !== undefined && value !== null;

/**
 * Return {element, control, path, refresh(value)} of a labelled control.
 * `change(value)` is called with every change; `options` makes it a choice of [value, words].
 */
export function field({ label, path, kind = "text", value, span = 3, options, hint, placeholder, list, mono, hidden, rows, change, bare }) {
  counter += 1;
  const id = `f${counter}`;
  const wide = ["lines", "block", "data"].includes(kind);
  const shown = PRESENT(value) ? KINDS[kind].show(value) : "";
  const common = {
    id,
    "data-field": path,
    placeholder,
    "aria-label": bare ? label : null,
    spellcheck: "false",
    autocomplete: "off",
    "aria-describedby": hint ? `${id}-h` : null,
  };
  let control;
  if (options) {
    control = h("select", { class: "form-select", ...common });
    fillOptions(control, options, shown ?? "");
  } else if (wide) {
    control = h("textarea", { class: "form-control mono", rows: rows ?? 2, wrap: "off", ...common });
  } else {
    const numeric = kind === "number" ? "numeric" : null;
    control = h("input", { class: `form-control${mono ? " mono" : ""}`, type: "text", inputmode: numeric, list, ...common });
  }
  const own = h("div", { class: "f-own" });
  const element = h(
    "div",
    { class: `f s${span}`, hidden },
    bare ? null : h("label", { class: "form-label", for: id }, label),
    control,
    hint ? h("div", { class: "form-hint", id: `${id}-h` }, hint) : null,
    own,
  );
  const refresh = (now) => {
    const text = PRESENT(now) ? KINDS[kind].show(now) : "";
    if (options) fillOptions(control, control.choices ?? options, text ?? "");
    else if (control.value !== (text ?? "")) control.value = text ?? "";
    control.disabled = text === undefined;
    own.replaceChildren(...(text === undefined ? [h("span", { class: "form-hint" }, "Written in a way that only the text shows.")] : []));
    if (wide) control.rows = Math.min(10, Math.max(rows ?? 2, control.value.split("\n").length));
  };
  refresh(value);
  control.addEventListener(options ? "change" : "input", () => {
    let read;
    try {
      read = KINDS[kind].read(control.value);
    } catch (error) {
      own.replaceChildren(h("span", { class: "msg" }, `Not readable as YAML yet: ${error.message.split("\n")[0]}`));
      return;
    }
    own.replaceChildren();
    change(read);
  });
  return { element, control, path, refresh };
}

/** Make a select offer these [value, words]; a value that is not among them is offered, too. */
export function fillOptions(control, options, value) {
  control.choices = options;
  const all = options.some(([one]) => one === value) ? options : [...options, [value, value || "choose"]];
  const same = control.options.length === all.length
    && all.every(([one, words], index) => control.options[index].value === one && control.options[index].text === words);
  if (!same) control.replaceChildren(...all.map(([one, words]) => h("option", { value: one }, words)));
  control.value = value;
}
