// The console of a board that no job has: a terminal, typed on by who took it, watched by others. The page is a
// window: what is printed comes by its place in the record, so a connection that comes back goes on there.
import { setText } from "../dom.js";
import { tickClocks } from "../page.js";
import { localise } from "../zone.js";

const TOGETHER = 15; // ms; what is typed within goes in one message
const FIRST_DELAY = 250;
const LONGEST_DELAY = 4000;
/** Closed by the server for good: address, log in, not for you, no such board, not now, over. */
const FINAL_CODES = new Set([4400, 4401, 4403, 4404, 4409, 4410]);
const encoder = new TextEncoder();

const pane = document.getElementById("sitting");
const form = document.getElementById("sit");
const note = document.getElementById("sit-note");
const screen = pane.querySelector(".con-screen");
const hands = pane.querySelector(".con-hands");
const { board, site } = pane.dataset;

/** One sitting, as this window has it. */
class Window {
  constructor({ query, errand = 0 }) {
    this.query = query; // by which it is taken; empty once that was answered
    this.errand = errand;
    this.after = 0;
    this.attempt = 0;
    this.keys = "";
    this.pieces = []; // came before the terminal was there
    this.terminal = null;
    this.done = false;
    pane.hidden = false;
    form.hidden = true;
    tell("");
    this.#doing("connecting …");
    this.#show();
    this.#open();
  }

  async #show() {
    try {
      const { openTerminal } = await import("../console/terminal.js");
      this.terminal = await openTerminal(screen, {
        ...{ name: board, left: () => this.leave(), typed: (text) => this.#typed(text) },
      });
    } catch {
      // The sitting goes on for a while: this window, loaded again, or another one may go on with it.
      this.#finish("The terminal could not be loaded: is the lab away? Reload the page to try again.");
      return;
    }
    if (current !== this) {
      this.terminal.close();
      return;
    }
    for (const piece of this.pieces.splice(0)) this.#draw(piece);
    if (this.mine && this.opened) this.terminal.focus();
    pane.dataset.ready = "";
  }

  #open() {
    const place = this.after ? `&after=${this.after}` : "";
    const query = this.query || `errand=${this.errand}${place}`;
    const url = new URL(`/ws/boards/${encodeURIComponent(board)}/console/?${query}`, location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(url);
    this.socket.addEventListener("message", (event) => this.#heard(JSON.parse(event.data)));
    this.socket.addEventListener("close", (event) => this.#closed(event));
  }

  #heard(said) {
    if (this.done) return;
    this.attempt = 0;
    if (said.sitting) {
      if (this.left) this.socket.send("leave");
      this.query = "";
      this.errand = said.sitting;
      this.mine = said.mine;
      this.by = said.by;
      this.idle = said.idle;
      this.#stand();
      showLast();
    }
    if (said.open) {
      this.opened = true;
      this.#stand();
      if (this.mine) this.terminal?.focus();
    }
    for (const piece of said.pieces ?? []) {
      this.after = piece.id;
      if (this.terminal) this.#draw(piece);
      else this.pieces.push(piece);
    }
    if (said.refused) this.#words(said.refused, true);
    if (said.over !== undefined) this.reason = said.over;
  }

  /** Say how things stand, and who may type. */
  #stand() {
    const dot = pane.querySelector(".dot");
    dot.className = `dot ${this.opened ? "run" : "off"}`;
    this.#doing(this.opened ? "" : `waiting for a worker of ${site} …`);
    hands.hidden = !this.mine;
    if (this.mine) {
      const words = "You have the console: no job gets the board. It is recorded";
      const idle = this.idle < 120 ? `${this.idle} seconds` : `${Math.round(this.idle / 60)} minutes`;
      this.#words(`${words}, and given back after ${idle} without a key.`);
    }
    const typist = pane.querySelector("[data-f=typist]");
    typist.hidden = this.mine || !this.by;
    setText(typist.lastElementChild, `${this.by} types`);
  }

  #draw({ kind, data }) {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    if (kind === "o") this.terminal.write(bytes);
    // A remark of the lab's, on a line of its own; the typed characters are there as the board echoes them.
    if (kind === "n") this.terminal.write(`\x1b[0m\x1b[2m[${new TextDecoder().decode(bytes)}]\x1b[0m\r\n`);
  }

  #typed(text) {
    if (!this.mine || this.done) return;
    if (!this.keys) setTimeout(() => this.#flush(), TOGETHER);
    this.keys += text;
  }

  #flush() {
    if (!this.keys) return;
    if (this.socket.readyState !== WebSocket.OPEN) {
      this.keys = "";
      this.#words("The connection is lost: this was not typed. Trying to get it back …", true);
      return;
    }
    const bytes = encoder.encode(this.keys);
    this.keys = "";
    for (let at = 0; at < bytes.length; at += 8192) this.socket.send(bytes.subarray(at, at + 8192));
  }

  leave() {
    if (!this.mine || this.done) return;
    this.#flush();
    this.left = true;
    this.#words("Giving it back …");
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send("leave"); // otherwise once it is back
  }

  #closed({ code, reason }) {
    if (this.done) return;
    if (FINAL_CODES.has(code)) {
      const why = this.reason ? ending(this.reason) : this.reason === "" ? "The console was given back." : "";
      this.#finish(why || (code === 4401 ? "Log in again to go on." : ending(reason || "It is over")));
      return;
    }
    this.attempt += 1;
    // What was asked for may have been done: it is not done once more, such as switching the power.
    if (this.query) this.query = "sit=1";
    this.#words("The connection is lost; getting it back …", true);
    this.#doing("connection lost, trying again …");
    const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (this.attempt - 1));
    setTimeout(() => !this.done && this.#open(), delay * (0.75 + Math.random() / 2));
  }

  #finish(words) {
    this.done = true;
    this.socket?.close();
    this.mine = false;
    hands.hidden = true;
    pane.querySelector("[data-f=typist]").hidden = true;
    pane.querySelector(".dot").className = "dot off";
    this.#doing("over");
    tell(words);
    form.hidden = false;
    form.querySelector("button").focus();
    showLast();
  }

  #doing(words) {
    setText(pane.querySelector("[data-f=doing]"), words);
  }

  #words(text, bad = false) {
    const element = hands.querySelector(".con-words");
    setText(element, text);
    element.classList.toggle("c-fail", bad);
  }
}

function ending(words) {
  const text = words[0].toUpperCase() + words.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function tell(words) {
  setText(note.querySelector("span"), words);
  note.hidden = !words;
}

/** Show who had it, as it is now. Without an answer the list stays as it was. */
async function showLast() {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!response?.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("last");
  if (!fresh) return;
  document.getElementById("last").replaceChildren(...fresh.childNodes);
  tickClocks();
  localise();
}

let current = null;

function begin(options) {
  current?.terminal?.close();
  screen.replaceChildren();
  delete pane.dataset.ready;
  current = new Window(options);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const query = new URLSearchParams(new FormData(form));
  query.set("sit", "1");
  begin({ query: query.toString() });
});
hands.querySelector("[data-act=leave]").addEventListener("click", () => current?.leave());
addEventListener("online", () => current && !current.done && current.socket?.close());
// Somebody sits there: they go on here, if it was in another window, and others watch.
if (pane.dataset.errand) begin({ query: "", errand: Number(pane.dataset.errand) });
