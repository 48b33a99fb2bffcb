// A text with the places of everything in it: JSON first, else YAML, as the server reads it.
import { parseTree, printParseErrorCode } from "../../vendor/jsonc-parser-3.3.1/jsonc-parser.min.js";
import { LineCounter, parseAllDocuments } from "../../vendor/yaml-2.9.1/yaml.min.js";

/**
 * A node of the tree. `start` and `end` enclose the value itself; of an item also its key or dash.
 * kind: map, seq, scalar, alias; flow: written with braces; style: how a scalar was quoted, or "block".
 * items: {key, keyStart, keyEnd, after, start, end, node}; `after` is the place behind the colon or dash.
 */

/** Return {tree, value, language}, or {problem: {message, line, column}} for what cannot be read. */
export function readTree(text) {
  const json = readJson(text);
  if (json.tree) return json;
  const yaml = readYaml(text);
  if (yaml.tree) return yaml;
  return /^\s*[{["]/.test(text) ? json : yaml;
}

function readJson(text) {
  const errors = [];
  const root = parseTree(text, errors, { disallowComments: true, allowEmptyContent: false });
  if (errors.length || !root) {
    const { offset = 0, error } = errors[0] ?? {};
    return { problem: { message: error ? jsonWords(error) : "it is empty", ...placeOf(text, offset) } };
  }
  const doubled = [];
  const tree = fromJson(root, text, doubled);
  if (doubled.length) {
    const message = `the key "${doubled[0].key}" is given twice`;
    return { problem: { message, ...placeOf(text, doubled[0].at) } };
  }
  return { tree, value: plain(tree), language: "json" };
}

function jsonWords(code) {
  const words = printParseErrorCode(code).replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return words.replace("expected", " expected").replace(/\s+/g, " ").trim();
}

function fromJson(node, text, doubled) {
  const start = node.offset;
  const end = start + node.length;
  if (node.type === "object") {
    const seen = new Set();
    const items = node.children.map(({ children: [key, value] }) => {
      if (seen.has(key.value)) doubled.push({ key: key.value, at: key.offset });
      seen.add(key.value);
      const inner = fromJson(value, text, doubled);
      const keyEnd = key.offset + key.length;
      const after = text.indexOf(":", keyEnd) + 1;
      return { key: key.value, keyStart: key.offset, keyEnd, after, start: key.offset, end: inner.end, node: inner };
    });
    return { kind: "map", flow: true, start, end, items };
  }
  if (node.type === "array") {
    const items = node.children.map((child, key) => {
      const inner = fromJson(child, text, doubled);
      return { key, after: inner.start, start: inner.start, end: inner.end, node: inner };
    });
    return { kind: "seq", flow: true, start, end, items };
  }
  return { kind: "scalar", start, end, value: node.value, style: node.type === "string" ? "double" : "plain" };
}

function readYaml(text) {
  const counter = new LineCounter();
  let documents;
  try {
    documents = parseAllDocuments(text, { keepSourceTokens: true, lineCounter: counter, prettyErrors: false });
  } catch (error) {
    return { problem: { message: error.message, line: 1, column: 1 } };
  }
  const [document] = documents;
  if (!document?.contents) return { problem: { message: "it is empty", line: 1, column: 1 } };
  if (documents.length > 1) {
    return { problem: { message: "a second document begins here", ...placeOf(text, documents[1].range[0]) } };
  }
  if (document.errors.length) {
    const { message, pos } = document.errors[0];
    return { problem: { message: message.replace(/^./, (c) => c.toLowerCase()), ...placeOf(text, pos[0]) } };
  }
  try {
    const tree = fromYaml(document.contents, text);
    return { tree, value: document.toJS({ maxAliasCount: 100 }), language: "yaml" };
  } catch (error) {
    return { problem: { message: error.message, line: 1, column: 1 } };
  }
}

const STYLES = { QUOTE_DOUBLE: "double", QUOTE_SINGLE: "single", BLOCK_LITERAL: "block", BLOCK_FOLDED: "block" };

function fromYaml(node, text) {
  const [start, end] = node.range;
  const token = node.srcToken;
  if (token?.type === "alias") return { kind: "alias", start, end };
  if (!node.items) {
    return { kind: "scalar", start, end, value: node.value, style: STYLES[node.type] ?? "plain", folded: text.slice(start, end).includes("\n") };
  }
  const flow = token.type === "flow-collection";
  const anchored = Boolean(node.anchor || node.tag);
  const sources = token.items.filter((one) => one.key || one.value || one.sep || one.start.some(isMark));
  const items = node.items.map((one, index) => (node.constructor.tagName?.endsWith(":map") || "key" in one
    ? pair(one, sources[index], text)
    : element(one, sources[index], index, text)));
  const last = items.at(-1);
  const kind = items.length ? (("keyStart" in items[0]) ? "map" : "seq") : token.start?.source === "[" ? "seq" : "map";
  return { kind, flow, anchored, start, end: flow ? end : last.end, items };
}

const isMark = (token) => token.type === "seq-item-ind" || token.type === "explicit-key-ind";

function pair(one, source, text) {
  const [keyStart, keyEnd] = one.key.range;
  const colon = source.sep?.find((token) => token.type === "map-value-ind");
  const after = colon ? colon.offset + 1 : keyEnd;
  const inner = one.value ? fromYaml(one.value, text) : empty(after);
  const head = source.start.find(isMark)?.offset ?? keyStart;
  return { key: String(one.key.value), keyStart, keyEnd, after, start: head, end: Math.max(after, inner.end), node: inner };
}

function element(one, source, key, text) {
  const dash = source.start.find((token) => token.type === "seq-item-ind");
  const inner = one ? fromYaml(one, text) : empty(dash ? dash.offset + 1 : 0);
  const start = dash ? dash.offset : inner.start;
  return { key, after: dash ? dash.offset + 1 : start, start, end: Math.max(start + (dash ? 1 : 0), inner.end), node: inner };
}

const empty = (at) => ({ kind: "scalar", start: at, end: at, value: null, style: "plain" });

function plain(node) {
  if (node.kind === "seq") return node.items.map((item) => plain(item.node));
  if (node.kind !== "map") return node.value;
  return Object.fromEntries(node.items.map((item) => [item.key, plain(item.node)]));
}

/** Return line and column (1-based, in characters) of a place in a text. */
export function placeOf(text, at) {
  const before = text.slice(0, at).split("\n");
  return { line: before.length, column: [...before.at(-1)].length + 1 };
}

/** Return the value at a path of keys and numbers, or undefined. */
export function valueAt(value, path) {
  return path.reduce((at, key) => (at !== null && typeof at === "object" && Object.hasOwn(at, key) ? at[key] : undefined), value);
}

/** Return the tree's node at a path, or undefined where there is none. */
export function nodeAt(tree, path) {
  return path.reduce((node, key) => node?.items?.find((item) => item.key === key)?.node, tree);
}

/** Return a path as problems name it: actions[3].parameters.role. */
export function pathText(path) {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[A-Za-z_][A-Za-z0-9_-]{0,63}$/.test(step)) text += text ? `.${step}` : step;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/** Return the keys and numbers of such a path. */
export function pathOf(text) {
  const steps = [];
  for (const [, word, inner] of text.matchAll(/([^.[\]]+)|\[(\d+|"(?:[^"\\]|\\.)*")\]/g)) {
    if (word !== undefined) steps.push(word);
    else steps.push(inner[0] === '"' ? JSON.parse(inner) : Number(inner));
  }
  return steps;
}
