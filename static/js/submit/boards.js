// What the lab has for this job: boards of the type, which are free, how many jobs wait for one.
import { h, setText } from "../dom.js";
import { listed, plural } from "../words.js";

/** Return what the lab can give a job now. */
export async function askLab() {
  const response = await fetch("/api/v1/availability/", { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`availability: ${response.status}`);
  return response.json();
}

const suits = (board, host, tags) => (!host.board || board.name === host.board) && tags.every((tag) => board.tags.includes(tag));

/** Return [title, sentences] about the boards for a definition's value. */
export function outlook(value, lab) {
  const host = value.vm_group?.host ?? {};
  const tags = Array.isArray(value.tags) ? value.tags : [];
  const type = lab.board_types.find((one) => one.name === host.device_type);
  if (!type) return { title: host.device_type ? String(host.device_type) : "No type chosen", boards: [], words: ["The lab has no boards of this type."], other: "" };
  const boards = type.boards.filter((board) => suits(board, host, tags));
  const free = boards.filter((board) => board.free).length;
  const asked = host.board || tags.length ? " that fit" : "";
  const words = boards.length
    ? `${free} of ${plural(boards.length, "board")}${asked} ${free === 1 ? "is" : "are"} free${statesOf(boards)}.`
    : `None of ${plural(type.boards.length, "board")} fits: ${host.board ? `its name or ` : ""}its tags are others.`;
  const queue = type.queued ? `${plural(type.queued, "job")} ${type.queued === 1 ? "waits" : "wait"} for this type.` : "No job waits for this type.";
  const others = lab.board_types.filter((one) => one !== type && one.free).map((one) => one.name);
  const other = !free && others.length ? `${listed(others.slice(0, 3))} ${others.length === 1 ? "has a free board" : "have free boards"} now.` : "";
  return { title: type.name, boards, words: [words, queue], other };
}

function statesOf(boards) {
  const counts = new Map();
  for (const { free, state } of boards) if (!free) counts.set(state, (counts.get(state) ?? 0) + 1);
  const parts = [...counts].map(([state, count]) => `${count} ${state === "reserved" ? "busy" : state}`);
  return parts.length ? `, ${parts.join(", ")}` : "";
}

/** Draw the card. */
export function showOutlook(card, value, lab) {
  const { title, boards, words, other } = outlook(value, lab);
  setText(card.querySelector("h2"), title);
  const chips = boards.slice(0, 24).map((board) => h("a", {
    class: `bd bd-${board.state === "reserved" ? "running" : board.state}`,
    href: `/boards/${encodeURIComponent(board.name)}/`,
    title: board.reason ? `${board.name}: ${board.reason}` : `${board.name} is free`,
  }, board.name));
  card.querySelector(".avail").replaceChildren(
    h("span", { class: "bds" }, ...chips, boards.length > 24 ? ` and ${boards.length - 24} more` : null),
    h("span", { class: "t2" }, words.join(" ")),
    h("span", { class: "t3" }, other),
  );
}
