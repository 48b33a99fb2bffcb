// A websocket that comes back. It carries no truth: each connection says from which cursor it goes on.

const FIRST_DELAY = 250;
const LONGEST_DELAY = 10_000;
/** Closed by the server for good: not permitted, no such job. */
const FINAL_CODES = new Set([4400, 4401, 4403, 4404]);

export class LiveSocket {
  /**
   * address(): path and query with today's cursor; frame(object): what came; state(word, attempt): "live",
   * "lost" (will try again) or "refused".
   */
  constructor({ address, frame, state }) {
    this.address = address;
    this.frame = frame;
    this.state = state;
    this.attempt = 0;
    this.timer = null;
    addEventListener("online", () => this.#soon(0));
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.timer !== null) this.#soon(0);
    });
    addEventListener("pageshow", (event) => {
      if (event.persisted) this.restart();
    });
    this.#open();
  }

  /** Drop the connection and open one from the present cursor, for example when a gap was found. */
  restart() {
    this.socket?.close();
    if (this.socket) this.#closed(this.socket, 0);
  }

  #open() {
    this.timer = null;
    const url = new URL(this.address(), location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.addEventListener("open", () => {
      if (this.socket !== socket) return;
      this.state("live", this.attempt);
    });
    socket.addEventListener("message", (event) => {
      if (this.socket !== socket) return; // a late frame of a dropped connection
      this.attempt = 0;
      this.frame(JSON.parse(event.data));
    });
    socket.addEventListener("close", (event) => this.#closed(socket, event.code));
  }

  #closed(socket, code) {
    if (this.socket !== socket) return;
    this.socket = null;
    if (FINAL_CODES.has(code)) {
      this.state("refused", this.attempt);
      return;
    }
    this.attempt += 1;
    this.state("lost", this.attempt);
    const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (this.attempt - 1));
    this.#soon(delay * (0.75 + Math.random() / 2));
  }

  #soon(delay) {
    if (this.socket) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#open(), delay);
  }
}
