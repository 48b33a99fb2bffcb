// Changing one thing in a definition's text and leaving the rest to the letter: comments, order, formatting.
//
// A change is {op: "set", path, value}, {op: "remove", path}, {op: "insert", path, index, value} into a list,
// {op: "move", path, from, to} within a list, or {op: "rename", path, name} of a key. Every result is read again:
// if it is not exactly the change that was asked for, the whole text is written anew, with its comments; and if
// even that is not it (a value that an anchor shares with others), the change is refused.
import { parseDocument, stringify } from "../../vendor/yaml-2.9.1/yaml.min.js";
import { nodeAt, readTree } from "./tree.js";

const ORDER = ["job_name", "timeout", "logging_level", "priority", "tags", "notify", "notify_on_incomplete",
  "visibility", "vm_group", "actions"];
/** Of the keys of a definition: a new one goes before those that come after it here. */

export class NotEditable extends Error {}

/** Return the text after all changes. Throws NotEditable, with a sentence for people. */
export function edited(text, changes) {
  return changes.reduce(editedOnce, text);
}

function editedOnce(text, change) {
  const read = readTree(text);
  if (!read.tree) throw new NotEditable("The text cannot be read, so the form cannot change it.");
  const wanted = applied(read.value, change);
  if (same(read.value, wanted)) return text;
  for (const attempt of [spliced, rewritten]) {
    const result = attempted(() => attempt(text, read, change));
    if (result === undefined) continue;
    const again = readTree(result);
    if (again.tree && same(again.value, wanted)) return result;
  }
  throw new NotEditable("This is written in a way that only the text can change: an anchor, an alias or a tag.");
}

function attempted(attempt) {
  try {
    return attempt();
  } catch {
    return undefined; // the next way may do
  }
}

/** Return the value after a change; parents that are missing are made. */
export function applied(value, change) {
  const copy = structuredClone(value);
  const path = change.path;
  if (change.op === "insert" || change.op === "move") {
    const list = made(copy, path, []);
    if (change.op === "insert") list.splice(change.index, 0, change.value);
    else list.splice(change.to, 0, ...list.splice(change.from, 1));
    return copy;
  }
  const last = path.at(-1);
  const parent = made(copy, path.slice(0, -1), {});
  if (change.op === "set") parent[last] = change.value;
  else if (change.op === "rename") {
    parent[change.name] = parent[last];
    delete parent[last];
  } else if (Array.isArray(parent)) parent.splice(last, 1);
  else delete parent[last];
  return copy;
}

function made(root, path, missing) {
  let at = root;
  path.forEach((key, index) => {
    if (at[key] === undefined || at[key] === null) at[key] = index === path.length - 1 ? missing : {};
    at = at[key];
  });
  return at;
}

export function same(a, b) {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

// -- by splicing ---------------------------------------------------------------------------------

function spliced(text, read, change) {
  const style = styleOf(text, read);
  switch (change.op) {
    case "set":
      return set(text, read.tree, change.path, change.value, style);
    case "remove":
      return remove(text, read.tree, change.path, style);
    case "rename":
      return rename(text, read.tree, change);
    case "move":
      return move(text, nodeAt(read.tree, change.path), change.from, change.to);
    default: {
      const list = nodeAt(read.tree, change.path);
      if (!list?.items) return set(text, read.tree, change.path, [change.value], style);
      return insert(text, list, change.index, null, change.value, style, read.tree, change.path);
    }
  }
}

/** How a text is written: its steps of indentation, and whether its lists are indented below their keys. */
function styleOf(text, { tree, language }) {
  const style = { json: language === "json", step: 2, list: 2 };
  const found = text.match(/\n([ \t]+)(?=["\w-])/);
  if (style.json) return { ...style, unit: found?.[1] ?? "  " };
  const walk = (node, column) => {
    for (const item of node.items ?? []) {
      if (!item.node.items?.length || item.node.flow) continue;
      const inner = columnOf(text, item.node.items[0].start);
      if (node.kind === "map" && item.node.kind === "map") style.step = inner - column;
      if (node.kind === "map" && item.node.kind === "seq") style.list = inner - column;
      walk(item.node, inner);
    }
  };
  if (!tree.flow) walk(tree, 0);
  return { ...style, unit: " ".repeat(Math.max(1, style.step)) };
}

const lineStart = (text, at) => text.lastIndexOf("\n", at - 1) + 1;
const columnOf = (text, at) => at - lineStart(text, at);
const startsLine = (text, at) => /^[ \t]*$/.test(text.slice(lineStart(text, at), at));
const splice = (text, start, end, by) => text.slice(0, start) + by + text.slice(end);

function lineEnd(text, at) {
  if (at > 0 && text[at - 1] === "\n") return at; // a block scalar ends behind its last line
  const found = text.indexOf("\n", at);
  return found < 0 ? text.length : found + 1;
}

/** Where the lines of a block item begin: with the comments directly above it. */
function regionStart(text, item, floor) {
  let at = lineStart(text, item.start);
  const indent = text.slice(at, item.start);
  while (at > floor) {
    const above = lineStart(text, at - 1);
    if (above < floor || !new RegExp(`^${indent}#`).test(text.slice(above, at))) break;
    at = above;
  }
  return at;
}

function set(text, tree, path, value, style) {
  if (!path.length) throw new NotEditable();
  const parentPath = path.slice(0, -1);
  const key = path.at(-1);
  const parent = nodeAt(tree, parentPath);
  if (!parent?.items || (parent.kind === "map" && !parent.flow && !parent.items.length)) {
    return set(text, tree, parentPath, typeof key === "number" ? [value] : { [key]: value }, style);
  }
  if (!parent.items.length) return set(text, tree, parentPath, parent.kind === "seq" ? [value] : { [key]: value }, style);
  const item = parent.items.find((one) => one.key === key);
  if (!item) {
    const index = parent.kind === "seq" ? parent.items.length : placeOfKey(parent, key, parentPath);
    return insert(text, parent, index, parent.kind === "seq" ? null : key, value, style, tree, parentPath);
  }
  return replace(text, parent, item, value, style);
}

function placeOfKey(map, key, path) {
  if (path.length || !ORDER.includes(key)) {
    // The switch of a group stands before the long list of its VMs.
    const vms = key === "auto_start_vms" ? map.items.findIndex((item) => item.key === "vms") : -1;
    return vms > 0 ? vms : map.items.length;
  }
  const later = ORDER.slice(ORDER.indexOf(key) + 1);
  const found = map.items.findIndex((item) => later.includes(item.key));
  return found < 0 ? map.items.length : found;
}

function replace(text, parent, item, value, style) {
  const old = item.node;
  const simple = value === null || typeof value !== "object";
  const lines = typeof value === "string" && value.includes("\n");
  if (parent.flow) return splice(text, old.start, old.end, flowText(value, old, text, item, style));
  if (old.flow && !simple) return splice(text, old.start, old.end, flowText(value, old, text, item, style));
  if (old.kind === "scalar" && old.style !== "block" && simple && !lines) {
    const written = scalarText(value, old);
    const gap = old.start === item.after || !/\s/.test(text[item.after] ?? "") ? " " : "";
    return old.start === old.end
      ? splice(text, item.after, item.after, gap + written)
      : splice(text, old.start, old.end, written);
  }
  const column = columnOf(text, item.start);
  const end = text[old.end - 1] === "\n" && old.style === "block" ? old.end - 1 : old.end;
  const head = text.slice(item.start, item.after);
  const block = blockLines(item.keyStart === undefined ? null : item.key, value, style);
  const own = item.keyStart === undefined ? block[0].slice(1) : block[0].slice(block[0].indexOf(keyText(item.key)) + keyText(item.key).length + 1);
  const rest = block.slice(1).map((line) => (line ? " ".repeat(column) + line : line));
  return splice(text, item.start, Math.max(end, item.after), [head + own, ...rest].join("\n"));
}

function scalarText(value, old) {
  if (typeof value !== "string") return JSON.stringify(value);
  if (old.style === "double" && typeof old.value === "string") return JSON.stringify(value);
  if (old.style === "single" && typeof old.value === "string") return `'${value.replaceAll("'", "''")}'`;
  return stringify(value, { lineWidth: 0 }).trimEnd();
}

const keyText = (key) => stringify(String(key), { lineWidth: 0 }).trimEnd();

/** Return `key: value` or `- value` as lines of block style, at no indentation. */
function blockLines(key, value, style) {
  const options = { lineWidth: 0, indent: Math.max(1, style.step), indentSeq: style.list > 0 };
  return stringify(key === null ? [value] : { [key]: value }, options).replace(/\n$/, "").split("\n");
}

/** Return a value in flow style, or as JSON; over several lines where its neighbours are. */
function flowText(value, old, text, item, style, multi = undefined) {
  if (value === null || typeof value !== "object") {
    const bare = !style.json && old?.style === "plain" && typeof old.value === "string";
    if (bare && /^[A-Za-z][\w./-]*$/.test(value) && !/^(true|false|null|yes|no)$/i.test(value)) return value;
    return JSON.stringify(value);
  }
  const spread = multi ?? (style.json && text.includes("\n") && (text.slice(item.start, item.end).includes("\n") || startsLine(text, item.start)));
  if (!spread) return compact(value);
  const indent = text.slice(lineStart(text, item.start)).match(/^[ \t]*/)[0];
  return JSON.stringify(value, null, style.unit).replaceAll("\n", `\n${indent}`);
}

function compact(value) {
  if (Array.isArray(value)) return `[${value.map(compact).join(", ")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${compact(one)}`).join(", ")}}`;
}

function insert(text, parent, index, key, value, style, tree, path) {
  if (!parent.items.length) return set(text, tree, path, key === null ? [value] : { [key]: value }, style);
  return parent.flow ? insertFlow(text, parent, index, key, value, style) : insertBlock(text, parent, index, key, value, style);
}

function insertFlow(text, parent, index, key, value, style) {
  const { items } = parent;
  const near = items[Math.min(index, items.length - 1)];
  const gap = text.slice(0, near.start).match(/\s*$/)[0];
  const spread = gap.includes("\n");
  const json = flowText(value, null, text, near, style, spread && (style.json || text.slice(near.start, near.end).includes("\n")));
  const quoted = style.json || /["']/.test(text[items[0].keyStart] ?? "") ? JSON.stringify(key) : keyText(key);
  const item = key === null ? json : `${quoted}: ${json}`;
  if (index < items.length) return splice(text, near.start, near.start, `${item},${gap || " "}`);
  const between = items.length > 1 || spread ? gap : " ";
  return splice(text, near.end, near.end, `,${between}${item}`);
}

function insertBlock(text, parent, index, key, value, style) {
  const { items } = parent;
  const column = columnOf(text, items[0].start);
  const lines = blockLines(key, value, style).map((line) => (line ? " ".repeat(column) + line : line));
  const block = `${lines.join("\n")}\n`;
  if (index === 0 && !startsLine(text, items[0].start)) index = 1; // it shares a line with its list's dash
  if (index < items.length) {
    const floor = index ? lineEnd(text, items[index - 1].end) : lineStart(text, items[0].start);
    const at = regionStart(text, items[index], floor);
    return splice(text, at, at, block);
  }
  const at = lineEnd(text, items.at(-1).end);
  return splice(text, at, at, text[at - 1] === "\n" ? block : `\n${block.slice(0, -1)}`);
}

function remove(text, tree, path, style) {
  const parent = nodeAt(tree, path.slice(0, -1));
  const index = parent.items.findIndex((item) => item.key === path.at(-1));
  const { items } = parent;
  const item = items[index];
  if (items.length === 1) {
    if (parent.flow) return splice(text, parent.start, parent.end, parent.kind === "map" ? "{}" : "[]");
    return set(text, tree, path.slice(0, -1), parent.kind === "map" ? {} : [], style);
  }
  if (parent.flow) {
    if (index < items.length - 1) return splice(text, item.start, items[index + 1].start, "");
    return splice(text, items[index - 1].end, item.end, "");
  }
  if (!startsLine(text, item.start)) return splice(text, item.start, items[index + 1].start, "");
  // What is said above the first key is about the whole text, above the first item of a list about that item.
  const first = parent.kind === "seq" ? commentFloor(text, item) : lineStart(text, item.start);
  const floor = index ? lineEnd(text, items[index - 1].end) : first;
  return splice(text, regionStart(text, item, floor), lineEnd(text, item.end), "");
}

function rename(text, tree, { path, name }) {
  const item = nodeAt(tree, path.slice(0, -1)).items.find((one) => one.key === path.at(-1));
  const quote = text[item.keyStart];
  const written = quote === '"' ? JSON.stringify(name) : quote === "'" ? `'${name.replaceAll("'", "''")}'` : keyText(name);
  return splice(text, item.keyStart, item.keyEnd, written);
}

function move(text, list, from, to) {
  const { items } = list;
  const starts = [];
  const ends = [];
  items.forEach((item, index) => {
    if (list.flow) {
      starts.push(item.start);
      ends.push(item.end);
      return;
    }
    if (!startsLine(text, item.start)) throw new NotEditable();
    starts.push(regionStart(text, item, index ? ends[index - 1] : commentFloor(text, item)));
    ends.push(lineEnd(text, item.end));
  });
  const pieces = items.map((_, index) => text.slice(starts[index], ends[index]));
  const gaps = items.map((_, index) => text.slice(ends[index], starts[index + 1] ?? ends[index]));
  const open = !list.flow && !pieces.at(-1).endsWith("\n");
  if (open) pieces[pieces.length - 1] += "\n";
  pieces.splice(to, 0, ...pieces.splice(from, 1));
  if (open) pieces[pieces.length - 1] = pieces.at(-1).replace(/\n$/, "");
  return text.slice(0, starts[0]) + pieces.map((piece, index) => piece + gaps[index]).join("") + text.slice(ends.at(-1));
}

/** How far up the comments of a list's first item may reach: to the line of the list's key. */
function commentFloor(text, item) {
  let at = lineStart(text, item.start);
  while (at > 0 && /^\s*#/.test(text.slice(lineStart(text, at - 1), at))) at = lineStart(text, at - 1);
  return at;
}

// -- by writing the text anew --------------------------------------------------------------------

function rewritten(text, read, change) {
  if (read.language === "json") return JSON.stringify(applied(read.value, change), null, 2) + (text.endsWith("\n") ? "\n" : "");
  const document = parseDocument(text);
  const { op, path } = change;
  if (op === "set") document.setIn(path, document.createNode(change.value));
  else if (op === "remove") document.deleteIn(path);
  else if (op === "rename") document.getIn(path.slice(0, -1), true).items.find((one) => one.key.value === path.at(-1)).key.value = change.name;
  else {
    const list = document.getIn(path, true);
    if (op === "insert") list.items.splice(change.index, 0, document.createNode(change.value));
    else list.items.splice(change.to, 0, ...list.items.splice(change.from, 1));
  }
  return document.toString({ lineWidth: 0 });
}
