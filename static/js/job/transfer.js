// A transfer to a node: a thin bar, and how much, how fast, how long still.
import { setText } from "../dom.js";
import { bytes, duration } from "../words.js";

/** Return "12.0 of 44.1 MB, 11.2 MB/s, 0:03 left", with what it is unless `doing` says so already. */
export function transferText(transfer, doing = "") {
  const { what, done, total, rate } = transfer;
  const amount = total === null ? bytes(done) : `${bytes(done)} of ${bytes(total)}`;
  const speed = rate > 0 ? `, ${bytes(rate)}/s` : "";
  const left = rate > 0 && total !== null ? `, ${duration((total - done) / rate)} left` : "";
  return `${doing.startsWith(what) ? "" : `${what}: `}${amount}${speed}${left}`;
}

/** Show the transfer of a node in the head of its console, or nothing. */
export function renderTransfer(element, node, doing) {
  const text = element.querySelector("[data-f=transfer]");
  const bar = element.querySelector(".xfer");
  if (!text || !bar) return;
  const transfer = node.closed ? null : node.transfer;
  text.hidden = bar.hidden = !transfer;
  if (!transfer) return;
  setText(text, transferText(transfer, doing));
  const known = transfer.total > 0;
  const percent = known ? Math.min(100, (100 * transfer.done) / transfer.total) : 100;
  bar.classList.toggle("endless", !known);
  bar.firstChild.style.width = `${percent}%`;
  bar.setAttribute("aria-label", `${node.name}: ${transfer.what}`);
  if (known) bar.setAttribute("aria-valuenow", String(Math.floor(percent)));
  else bar.removeAttribute("aria-valuenow");
}
