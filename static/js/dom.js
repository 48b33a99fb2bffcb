// Building elements. Text only ever becomes text: nothing here parses markup.

const SPRITE = document.body?.dataset.icons ?? "";

/** Return a new element: h("a", {class: "x", href: "/", onclick: f}, "text", child, …). */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Return an icon of the sprite. */
export function icon(name, classes = "") {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", `i ${classes}`.trim());
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${SPRITE}#i-${name}`);
  svg.append(use);
  return svg;
}

/** Set the text if it differs: an unchanged node keeps selections and spares a repaint. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Return the value of a json_script block. */
export function data(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

/** Make `parent` hold exactly `children`, in order, touching only what differs. */
export function arrange(parent, children) {
  let at = parent.firstChild;
  for (const child of children) {
    if (child === at) at = at.nextSibling;
    else parent.insertBefore(child, at);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}
