// Times in the reader's zone; the exact one, and UTC, on hover.
import { h } from "./dom.js";

const two = (n) => String(n).padStart(2, "0");
const days = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

/** Return 14:04:10 for a time of today, else 22 Nov 14:04, with the year where it is another one. */
export function local(date, now = new Date()) {
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (date.toDateString() === now.toDateString()) return `${time}:${two(date.getSeconds())}`;
  const year = date.getFullYear() === now.getFullYear() ? "" : ` ${date.getFullYear()}`;
  return `${days.format(date)}${year} ${time}`;
}

function show(element) {
  const date = new Date(element.dateTime);
  if (Number.isNaN(date.getTime())) return;
  const text = local(date);
  if (element.textContent !== text) element.textContent = text;
  element.title = `${exact.format(date)} · ${date.toISOString().replace("T", " ").slice(0, 19)} UTC`;
}

/** Return an element that shows a time, given in seconds since the epoch. */
export function timeOf(epoch) {
  const element = h("time", { datetime: new Date(epoch * 1000).toISOString() });
  show(element);
  return element;
}

/** Show all times below `root` in the reader's zone. */
export function localise(root = document) {
  for (const element of root.querySelectorAll("time[datetime]")) show(element);
  for (const element of root.querySelectorAll("[data-hour], [data-day]")) {
    const { hour, day } = element.dataset;
    const date = new Date(hour ?? day);
    const text = hour ? `${two(date.getHours())}:${two(date.getMinutes())}` : days.format(date);
    if (element.textContent !== text) element.textContent = text;
  }
}
