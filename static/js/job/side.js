// The lists beside the results: events, messages, and notes with attachments and the evidence of clean-up.
import { arrange, h, icon } from "../dom.js";
import { bytes, epoch, offsetTime } from "../words.js";
import { gutter } from "../console/row.js";

/** Minutes and seconds since the start; what came before it counts down to it. */
function since(at) {
  const seconds = Math.round(at - gutter.start);
  return `${seconds < 0 ? "−" : ""}${offsetTime(Math.abs(seconds)).replace(/\.\d$/, "")}`;
}

const made = new Map();

function kept(key, make) {
  if (!made.has(key)) made.set(key, make());
  return made.get(key);
}

function nothing(title, words) {
  return h("div", { class: "empty" }, h("h2", {}, title), h("p", {}, words));
}

const moving = new Map(); // the row of each transfer: it shows the last that is known of it

/** Add rows of events, which come in order. A transfer has one row, however often it is told of. */
export function showEvents(panel, rows) {
  for (const event of rows) {
    const transfer = event.type === "job.transfer_progressed" ? `${event.data.node} ${event.data.what}` : "";
    if (transfer) moving.get(transfer)?.remove();
    const at = event.data?.at ?? epoch(event.at);
    const utc = new Date(at * 1000).toISOString().replace("T", " ").slice(0, 23);
    panel.append(
      h(
        "div",
        { class: "ev", id: `e${event.position}`, "data-at": at, title: `event ${event.position}, ${event.type}, ${utc} UTC, by ${event.actor}` },
        h("a", { class: "mono", href: `#e${event.position}` }, since(at)),
        h("span", {}, event.text),
        h("span", { class: "t3 clip actor" }, event.actor.startsWith("worker:") ? "" : event.actor),
      ),
    );
    if (!transfer) continue;
    if (event.data.ended) moving.delete(transfer);
    else moving.set(transfer, panel.lastChild);
  }
}

export function renderMessages(panel, state) {
  const rows = [...state.messages.values()].map((one) =>
    kept(`m${one.key}`, () => {
      const data = Object.entries(one.data ?? {}).flatMap(([key, value]) => [h("code", {}, `${key}=${value}`), " "]);
      const node = state.nodes.find((known) => known.index === one.node);
      return h(
        "div",
        { class: "ev" },
        h("span", { class: "mono" }, since(one.at)),
        h("span", {}, h("b", {}, one.id), data.length ? h("br") : null, ...data),
        h("span", { class: "t3" }, node?.name ?? ""),
      );
    }),
  );
  arrange(panel, rows.length ? rows : [kept("m-none", () => nothing("No messages yet", "What nodes send each other through the MultiNode API appears here."))]);
}

const LEVELS = { error: ["fail", "alert-circle"], warning: ["wait", "alert-triangle"], info: ["idle", "info-circle"], debug: ["idle", "info-circle"] };

export function renderNotes(panel, state) {
  const notes = [...state.notes.values()].map((one) =>
    kept(`n${one.key}`, () => {
      const [tone, symbol] = LEVELS[one.level];
      const node = state.nodes.find((known) => known.index === one.node);
      return h(
        "div",
        { class: "ev note-row" },
        h("span", { class: "mono" }, since(one.at)),
        h("span", {}, h("span", { class: `c-${tone}`, title: one.level }, icon(symbol, "i-s")), " ", one.text),
        h("span", { class: "t3" }, node?.name ?? ""),
      );
    }),
  );
  const checks = [...state.checks.values()].map((one) =>
    kept(`c${one.key}`, () =>
      h("div", { class: `case hi ${one.ok ? "pass" : "fail"}`, title: one.found }, h("span", { class: "clip" }, one.what), h("span", { class: "x" }, one.found), h("span")),
    ),
  );
  const files = [...state.attachments.values()].map((one) =>
    kept(`a${one.key}`, () => {
      const node = state.nodes.find((known) => known.index === one.node);
      return h(
        "div",
        { class: "ev" },
        icon("paperclip", "i-s"),
        h("span", {}, h("a", { href: `/api/v1/jobs/${state.id}/attachments/${one.sha256}/` }, one.name), h("span", { class: "t3" }, ` ${one.size.toLocaleString("en")} bytes, ${[one.suite, one.case].filter(Boolean).join(" / ")}`)),
        h("span", { class: "t3" }, node?.name ?? ""),
      );
    }),
  );
  const images = [...(state.images?.values() ?? [])].map((one) =>
    kept(`i${one.key}`, () => {
      const node = state.nodes.find((known) => known.index === one.node);
      return h(
        "div",
        { class: "ev", title: `${one.url}, SHA-256 ${one.sha256}` },
        icon("device-sd-card", "i-s"),
        h("span", {}, `${one.file}: `, h("code", {}, one.url), h("span", { class: "t3" }, ` ${bytes(one.size)}, ${one.sha256.slice(0, 12)}…`)),
        h("span", { class: "t3" }, node?.name ?? ""),
      );
    }),
  );
  // Drawn anew when it changes: an attempt touches the row.
  const deliveries = [...(state.deliveries?.values() ?? [])].map((one) => kept(`d${one.key}/${one.state}/${one.attempts}`, () => delivery(one)));
  const metadata = state.nodes
    .filter((node) => Object.keys(node.metadata ?? {}).length)
    .map((node) => kept(`md${node.index}`, () => metadataOf(node)));
  const part = (title, rows) => (rows.length ? [kept(`h-${title}`, () => h("h3", { class: "side-h" }, title)), ...rows] : []);
  const all = [...part("Clean-up, as found", checks), ...part("Deliveries", deliveries), ...part("Attachments", files), ...part("Images", images), ...part("Metadata", metadata), ...part("Notes", notes)];
  arrange(panel, all.length ? all : [kept("n-none", () => nothing("Nothing noted yet", "Fallbacks, retries, attachments and the evidence of clean-up appear here."))]);
  return notes.length + checks.length + files.length + images.length + deliveries.length;
}

const DELIVERY = {
  planned: ["idle", "hourglass", "is sent in a moment"],
  sending: ["run", "player-play", "is being sent"],
  waiting: ["wait", "hourglass", "is tried again"],
  delivered: ["pass", "check", "has arrived"],
  failed: ["fail", "alert-circle", "could not be delivered"],
};

/** What goes out when a job has ended, and how far it has come. */
function delivery(one) {
  const [tone, symbol, words] = DELIVERY[one.state];
  const what = one.kind === "mail" ? `Mail to ${one.target}` : `Results to ${one.target}`;
  const tries = one.attempts > 1 ? `, ${one.attempts} attempts` : "";
  return h(
    "div",
    { class: "ev note-row", "data-delivery": one.state },
    h("span", { class: "mono" }, since(one.at)),
    h("span", {}, h("span", { class: `c-${tone}` }, icon(symbol, "i-s")), ` ${what} ${words}${tries}`, one.message ? h("span", { class: "t3" }, ` ${one.message}`) : null),
    h("span", { class: "t3" }, one.stream),
  );
}

function metadataOf(node) {
  const pairs = Object.entries(node.metadata).flatMap(([key, value]) => [
    h("code", {}, `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`),
    " ",
  ]);
  return h("div", { class: "ev note-row" }, h("span"), h("span", {}, ...pairs), h("span", { class: "t3" }, node.name));
}
