// A real terminal in the page, for who types: xterm.js, fitted to a Content-Security-Policy without inline
// styles. What it would write into <style> elements goes into constructed style sheets (and what it would set as
// a style attribute goes through the CSSOM, see tools/vendor_assets.py).
import { Terminal } from "../../vendor/xterm-6.0.0/xterm.min.js";

const SHEET = new URL("../../vendor/xterm-6.0.0/xterm.css", import.meta.url).href;
export const COLUMNS = 80; // what shells on a serial line take for the width

let sheetLoaded = null;

/** Load the terminal's own style sheet, once. */
export function loadStyles() {
  sheetLoaded ??= new Promise((resolve) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = SHEET;
    link.addEventListener("load", resolve);
    link.addEventListener("error", resolve); // it can be typed in all the same
    document.head.append(link);
  });
  return sheetLoaded;
}

/** Return an element that takes a style sheet's text where a <style> element would be refused. */
function styleElement() {
  const element = Document.prototype.createElement.call(document, "template");
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  Object.defineProperty(element, "textContent", { get: () => "", set: (text) => sheet.replaceSync(text) });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}

/** Let a terminal open with style elements that the page's policy allows: it makes all of them then. */
function open(terminal, element) {
  document.createElement = (tag) => (tag === "style" ? styleElement() : Document.prototype.createElement.call(document, tag));
  try {
    terminal.open(element);
  } finally {
    delete document.createElement; // the prototype's own again
  }
}

function theme() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => {
    // A custom property may be light-dark(): only a used value is a colour.
    const probe = document.createElement("i");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found || style.color;
  };
  const [red, green, yellow, blue, cyan] = ["--a-r", "--a-g", "--a-y", "--a-b", "--a-c"].map(colour);
  const ink = colour("--con-ink");
  return {
    ...{ background: colour("--con"), foreground: ink, cursor: ink, selectionBackground: colour("--con-line") },
    ...{ red, green, yellow, blue, cyan, brightRed: red, brightGreen: green, brightYellow: yellow, brightBlue: blue, brightCyan: cyan },
  };
}

/** Questions that programs ask a terminal: where the cursor is, what it is, its modes, its version, its size. */
const QUESTIONS = [
  ...[{ final: "n" }, { prefix: "?", final: "n" }, { final: "c" }, { prefix: ">", final: "c" }, { prefix: "=", final: "c" }],
  ...[{ intermediates: "$", final: "p" }, { prefix: "?", intermediates: "$", final: "p" }, { prefix: ">", final: "q" }, { final: "t" }],
];
const COLOURS = [4, 10, 11, 12];
const TELL_FOCUS = 1004;

/**
 * Make a terminal answer no questions. Only what somebody types may reach the console: an answer would stop a
 * boot loader or end up in a test, would come once more for old lines, and would be on record as typed.
 */
function answerNothing({ parser }) {
  for (const question of QUESTIONS) parser.registerCsiHandler(question, () => true);
  for (const colour of COLOURS) parser.registerOscHandler(colour, (text) => text.includes("?"));
  parser.registerDcsHandler({ intermediates: "$", final: "q" }, () => true);
  parser.registerCsiHandler({ prefix: "?", final: "h" }, (modes) => modes.length === 1 && modes[0] === TELL_FOCUS);
}

/** Return the size of letters, in pixels, with which all columns fit; what is smaller could not be read. */
function sizeFor(element) {
  const wide = (element.clientWidth - 16) / COLUMNS / 0.6; // letters of the font are 0.6 em wide
  return Math.max(9, Math.min(12, Math.floor(wide * 2) / 2));
}

/**
 * Return a terminal in `element`: {write(bytes), focus(), fit(), close()}. typed(text): called with what is
 * typed; left(): when Ctrl ] is pressed.
 */
export async function openTerminal(element, { name, typed, left }) {
  await loadStyles();
  await document.fonts?.load("12px 'JetBrains Mono Variable'").catch(() => {});
  const terminal = new Terminal({
    ...{ cols: COLUMNS, rows: 24, scrollback: 5000, theme: theme() },
    ...{ fontFamily: "'JetBrains Mono Variable', ui-monospace, monospace", fontSize: sizeFor(element), screenReaderMode: true },
  });
  answerNothing(terminal);
  open(terminal, element);
  terminal.textarea?.setAttribute("aria-label", `Type on the console of ${name}. Control and right bracket gives the keyboard back.`);
  terminal.attachCustomKeyEventHandler((event) => {
    if (!(event.ctrlKey && (event.key === "]" || event.code === "BracketRight"))) return true;
    event.preventDefault();
    if (event.type === "keydown") left();
    return false;
  });
  terminal.onData(typed);
  const fit = () => {
    const size = sizeFor(element);
    if (size !== terminal.options.fontSize) terminal.options.fontSize = size;
    const screen = element.querySelector(".xterm-screen");
    const height = screen ? screen.getBoundingClientRect().height / terminal.rows : 0;
    const rows = height ? Math.floor((element.clientHeight - 4) / height) : 0;
    if (rows >= 4 && rows !== terminal.rows) terminal.resize(COLUMNS, rows);
  };
  fit();
  const watch = new ResizeObserver(fit);
  watch.observe(element);
  const repaint = new MutationObserver(() => (terminal.options.theme = theme()));
  repaint.observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
  return {
    terminal,
    write: (bytes) => terminal.write(bytes),
    focus: () => terminal.focus(),
    fit,
    close: () => {
      watch.disconnect();
      repaint.disconnect();
      terminal.dispose();
    },
  };
}
