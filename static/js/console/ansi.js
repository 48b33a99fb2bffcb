// What a terminal would show of one line: colours as classes, overwriting as the last word. Text in, text out:
// nothing a target prints can become markup.

// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/;
const FOREGROUND = ["ad", "ar", "ag", "ay", "ab", "am", "ac", "aw"];
const WIDEST = 2000; // columns a cursor movement may reach

/**
 * Return [{text, classes}] for a line. Escape sequences for colours and for moving within the line are
 * followed, all others dropped. Colours begin anew with each line, since a window may begin anywhere.
 */
export function segments(line) {
  if (!CONTROL.test(line)) return line ? [{ text: line, classes: "" }] : [];
  return runs(cells(line));
}

/** Return only the text of it. */
export function plain(line) {
  return segments(line)
    .map((one) => one.text)
    .join("");
}

function cells(line) {
  const shown = [];
  const pen = { colour: "", bold: false, dim: false, inverse: false };
  let column = 0;
  const put = (char) => {
    while (shown.length < column) shown.push({ char: " ", classes: "" });
    shown[column] = { char, classes: classesOf(pen) };
    column += 1;
  };
  const characters = [...line];
  for (let at = 0; at < characters.length; at += 1) {
    const char = characters[at];
    if (!CONTROL.test(char)) {
      if (char !== "\t") put(char);
      else do put(" "); while (column % 8);
    } else if (char === "\r") column = 0;
    else if (char === "\b") column = Math.max(0, column - 1);
    else if (char === "\u001b" || char === "\u009b") {
      const sequence = escape(characters, at);
      at += sequence.length - 1;
      if (sequence.final) column = apply(sequence, pen, shown, column);
    }
  }
  return shown;
}

/** Return the sequence that begins at `at`: how long it is and, for a CSI, its parameters and final letter. */
function escape(characters, at) {
  const rest = characters.slice(at, at + 400).join("");
  const csi = /^(?:\u001b\[|\u009b)([0-9:;<=>?]*)[ -/]*([@-~])/.exec(rest);
  if (csi) return { length: csi[0].length, final: csi[2], parameters: csi[1] };
  const other =
    /^\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)?/.exec(rest) ?? // OSC, DCS, SOS, PM, APC
    /^(?:\u001b\[|\u009b)[0-9:;<=>?]*[ -/]*/.exec(rest) ?? // a CSI cut off by the end of the line
    /^\u001b[ -/]*[0-~]?/.exec(rest);
  return { length: Math.max(1, [...other[0]].length) };
}

function apply({ final, parameters }, pen, shown, column) {
  const count = Math.max(1, Number.parseInt(parameters, 10) || 1);
  switch (final) {
    case "m":
      colour(pen, parameters);
      return column;
    case "C":
      return Math.min(WIDEST, column + count);
    case "D":
      return Math.max(0, column - count);
    case "G":
      return Math.min(WIDEST, count - 1);
    case "K":
      erase(shown, column, Number.parseInt(parameters, 10) || 0);
      return column;
    case "P":
      shown.splice(column, count);
      return column;
    default:
      return column;
  }
}

function erase(shown, column, what) {
  if (what === 0) shown.length = Math.min(shown.length, column);
  else if (what === 2) shown.length = 0;
  else for (let at = 0; at < Math.min(column + 1, shown.length); at += 1) shown[at] = { char: " ", classes: "" };
}

function colour(pen, parameters) {
  const codes = parameters.split(/[;:]/).map((one) => Number.parseInt(one, 10) || 0);
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at];
    if (code === 0) Object.assign(pen, { colour: "", bold: false, dim: false, inverse: false });
    else if (code === 1) pen.bold = true;
    else if (code === 2) pen.dim = true;
    else if (code === 7) pen.inverse = true;
    else if (code === 22) pen.bold = pen.dim = false;
    else if (code === 27) pen.inverse = false;
    else if (code >= 30 && code <= 37) pen.colour = FOREGROUND[code - 30];
    else if (code >= 90 && code <= 97) pen.colour = FOREGROUND[code - 90];
    else if (code === 39) pen.colour = "";
    else if (code === 38 || code === 48) {
      if (code === 38 && codes[at + 1] === 5 && codes[at + 2] < 16) pen.colour = FOREGROUND[codes[at + 2] % 8];
      at += codes[at + 1] === 5 ? 2 : 4; // 5;n or 2;r;g;b
    }
  }
}

function classesOf(pen) {
  const dim = pen.dim ? "ad" : pen.colour;
  return [dim, pen.bold && "bold", pen.inverse && "inv"].filter(Boolean).join(" ");
}

function runs(shown) {
  const result = [];
  for (const { char, classes } of shown) {
    const last = result.at(-1);
    if (last && last.classes === classes) last.text += char;
    else result.push({ text: char, classes });
  }
  return result;
}
