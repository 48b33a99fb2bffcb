// Hands on a console: whoever has the keyboard of a node sees a terminal in its pane and types there; all
// others see who that is. The socket is the keyboard: it is taken by opening it and given back by closing it.
import { h, icon, setText } from "../dom.js";
import { bytesOf } from "../console/lines.js";

const BEFORE = 8 * 1024; // bytes of the console that the terminal begins with
const TOGETHER = 12; // ms in which keys are sent together
const GIVEN = 4410;

const encoder = new TextEncoder();

/** Return who types on a node: {node, user, ticket, since}, or undefined. */
export const typistOf = (state, index) => state.keyboards?.find((one) => one.node === index);

/** Whether somebody with the right could type on a node now. */
export const canType = (state, index) => state.state === "running" && Boolean(state.consoles?.includes(index));

const KEPT = "All that you type is kept with the job: no passwords.";

/** Return what it means to type on the node now, in words. */
export function meaningOf(state, node) {
  return `${readerOf(state, node)} ${KEPT}`;
}

function readerOf(state, node) {
  if (state.hold?.since) {
    const shell = node.index ? "" : " This is a shell of your own on the host.";
    return `The job's work is done and it is held: nothing reads this console but you.${shell}`;
  }
  if (node.state === "test" || node.state === "wait") {
    return "A test runs here and goes on: it reads what you type, mostly without an echo, and Ctrl C interrupts it. For a shell of your own, hold the job.";
  }
  return "The job goes on: it reads this console too, waits for prompts and types its own commands.";
}

/** The keyboard of one node, while this page has it. */
class Keyboard {
  constructor({ job, node, element, ended }) {
    this.job = job;
    this.node = node;
    this.element = element;
    this.ended = ended;
    this.end = null; // offset after the last byte that the terminal has got
    this.waiting = []; // chunks that came before the terminal had its beginning
    this.keys = "";
    this.open();
  }

  open() {
    const url = new URL(`/ws/jobs/${this.job}/nodes/${this.node.index}/keyboard/`, location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(url);
    this.socket.addEventListener("message", (event) => this.#heard(JSON.parse(event.data)));
    this.socket.addEventListener("close", (event) => this.#closed(event));
  }

  leave() {
    this.left = true;
    this.#flush();
    this.socket.close(1000);
    this.#closed({ code: 1000, reason: "" });
  }

  /** Take a chunk {offset, data} of the node's console. */
  feed(chunk) {
    if (this.end === null) {
      this.waiting.push(chunk);
      return;
    }
    const bytes = bytesOf(chunk.data);
    const known = this.end - chunk.offset;
    if (known >= bytes.length) return;
    this.end = chunk.offset + bytes.length;
    this.terminal?.write(known > 0 ? bytes.subarray(known) : bytes);
  }

  async #heard(said) {
    if (said.taken) await this.#begin();
    if (said.refused) this.#say(said.refused, true);
    if (said.given) this.reason = said.given;
  }

  async #begin() {
    this.ticket = true;
    this.words = h("p", { class: "con-words", role: "status" });
    const leave = h("button", { type: "button", class: "btn btn-sm", onclick: () => this.leave() }, "Give back ", h("kbd", {}, "ctrl ]"));
    this.screen = h("div", { class: "con-screen" });
    this.hands = h("div", { class: "con-hands" }, icon("keyboard"), this.words, leave);
    this.panel = h("div", { class: "con-t" }, this.hands, this.screen);
    this.element.append(this.panel);
    this.element.classList.add("is-typed");
    await this.#load();
  }

  async #load() {
    try {
      const { openTerminal } = await import("../console/terminal.js");
      if (this.over) return;
      this.terminal = await openTerminal(this.screen, { name: this.node.name, typed: (text) => this.#typed(text), left: () => this.leave() });
    } catch {
      if (!this.over) this.#offerAgain();
      return;
    }
    if (this.over) {
      this.terminal.close();
      return;
    }
    await this.#beginning();
    this.terminal.focus();
    this.panel.dataset.ready = "";
  }

  /** There is no terminal to type in: say so, where it should be, and let it be loaded once more. */
  #offerAgain() {
    this.#say("The terminal could not be loaded: is the lab away? Try again, or reload the page.", true);
    const again = h("button", { type: "button", class: "btn btn-sm", onclick: () => this.#loadAgain(again) }, "Try again");
    this.hands.insertBefore(again, this.hands.lastElementChild);
    again.focus();
  }

  #loadAgain(button) {
    button.remove();
    this.screen.replaceChildren();
    this.#say("");
    if (this.state) this.explain(this.state);
    this.#load();
  }

  /** Show what the console's last lines were. */
  async #beginning() {
    try {
      const response = await fetch(`/api/v1/jobs/${this.job}/nodes/${this.node.index}/console/?offset=${-BEFORE}`);
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (response.ok) {
        const start = Number(response.headers.get("X-Console-Offset"));
        const cut = start ? bytes.indexOf(10) + 1 : 0;
        this.terminal.write(bytes.subarray(cut));
        this.end = start + bytes.length;
      }
    } catch {
      // No answer: the terminal begins with what comes next.
    }
    this.end ??= this.waiting[0]?.offset ?? 0;
    for (const chunk of this.waiting.splice(0)) this.feed(chunk);
  }

  #typed(text) {
    if (!this.keys) setTimeout(() => this.#flush(), TOGETHER);
    this.keys += text;
  }

  #flush() {
    const bytes = encoder.encode(this.keys);
    this.keys = "";
    if (this.socket.readyState !== WebSocket.OPEN) return;
    for (let at = 0; at < bytes.length; at += 8192) this.socket.send(bytes.subarray(at, at + 8192));
  }

  #say(words, bad = false) {
    if (!this.words) return;
    setText(this.words, words);
    this.words.classList.toggle("c-fail", bad);
  }

  explain(state) {
    this.state = state;
    if (this.words && !this.words.classList.contains("c-fail")) setText(this.words, meaningOf(state, this.node));
  }

  #closed({ code, reason }) {
    if (this.over) return;
    this.over = true;
    this.terminal?.close();
    this.panel?.remove();
    this.element.classList.remove("is-typed");
    let why = "";
    if (!this.left) {
      if (code === GIVEN) why = `The keyboard of ${this.node.name} was given back: ${this.reason ?? reason}.`;
      else if (reason) why = reason.endsWith(".") ? reason : `${reason}.`;
      else why = `The connection was lost: the keyboard of ${this.node.name} is given back. Take it again.`;
    }
    this.ended(why);
  }
}

/** All keyboards of the page. */
export class Keyboards {
  /** consoles: the page's Consoles; page: what the server says of the reader. */
  constructor(consoles, { job, page, note, token }) {
    this.consoles = consoles;
    this.job = job;
    this.page = page;
    this.note = note;
    this.token = token;
    this.mine = new Map();
    this.state = null;
    consoles.root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-act=keyboard]");
      if (button) this.toggle(Number(button.closest(".con").dataset.node));
    });
    const away = document.getElementById("dlg-away");
    away?.querySelector("form").addEventListener("submit", (event) => this.#takeAway(event, away));
    addEventListener("pagehide", () => {
      for (const one of this.mine.values()) one.leave();
    });
  }

  feed(index, chunk) {
    this.mine.get(index)?.feed(chunk);
  }

  /** Take the keyboard of a node, or give it back. */
  toggle(index) {
    if (this.mine.has(index)) {
      this.mine.get(index).leave();
      return;
    }
    if (!this.page.may_type || !this.state) return;
    const typist = typistOf(this.state, index);
    if (typist && typist.user !== this.page.user) {
      const node = this.state.nodes.find((one) => one.index === index);
      if (!this.page.may_end) this.#tell(`${typist.user} has the keyboard of ${node.name}: only one can type at a time.`);
      else this.#askAway(typist, node);
      return;
    }
    if (!canType(this.state, index)) {
      this.#tell("Nobody can type there just now: the console is not open. It is while the node runs, and while the job is held.");
      return;
    }
    this.#take(index);
  }

  #take(index) {
    this.#tell("");
    const node = this.state.nodes.find((one) => one.index === index);
    const { element } = this.consoles.panes.get(index);
    const keyboard = new Keyboard({
      ...{ job: this.job, node, element },
      ended: (why) => {
        this.mine.delete(index);
        this.#tell(why);
        this.render(this.state);
        element.querySelector("[data-act=keyboard]")?.focus();
      },
    });
    this.mine.set(index, keyboard);
    this.render(this.state);
  }

  #askAway(typist, node) {
    const dialog = document.getElementById("dlg-away");
    dialog.dataset.node = node.index;
    setText(dialog.querySelector("h2"), `Take the keyboard of ${node.name} from ${typist.user}?`);
    dialog.showModal();
  }

  async #takeAway(event, dialog) {
    event.preventDefault();
    dialog.close();
    const index = Number(dialog.dataset.node);
    const response = await fetch(`/api/v1/jobs/${this.job}/nodes/${index}/keyboard/`, {
      method: "DELETE",
      headers: { "X-CSRFToken": this.token(), Accept: "application/json" },
    });
    if (response.ok) this.#take(index);
    else this.#tell((await response.json().catch(() => null))?.detail ?? "The lab did not answer. Try again.");
  }

  #tell(words) {
    setText(this.note.querySelector("span"), words);
    this.note.hidden = !words;
  }

  render(state) {
    if (!state) return;
    this.state = state;
    for (const { index, element } of this.consoles.panes.values()) {
      const node = state.nodes.find((one) => one.index === index);
      const typist = typistOf(state, index);
      const own = this.mine.get(index);
      const tag = element.querySelector("[data-f=typist]");
      tag.hidden = !typist || Boolean(own);
      if (typist) setText(tag.lastChild, typist.user === this.page.user ? "you type in another window" : `${typist.user} types`);
      const button = element.querySelector("[data-act=keyboard]");
      if (button) {
        button.hidden = !own && !canType(state, index);
        button.setAttribute("aria-pressed", String(Boolean(own)));
      }
      if (own) {
        own.node = node;
        own.explain(state);
      }
    }
  }
}
