// Times and numbers in words.

/** Return 0:07, 12:22 or 5:00:00. */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** How long something still takes, as far as anybody can know: in about 10 min. Nobody knows when the time is over. */
export function about(seconds) {
  if (seconds < 0) return "later than usual";
  if (seconds < 45) return "in a moment";
  const minutes = Math.round(seconds / 60);
  if (minutes < 10) return `in about ${Math.max(1, minutes)} min`;
  if (minutes < 90) return `in about ${Math.round(minutes / 5) * 5} min`;
  return `in about ${Math.round(minutes / 30) / 2} h`;
}

/** The same for what may last for days: 5 d 3 h. */
export function ago(seconds) {
  const hours = Math.floor(seconds / 3600);
  return hours < 48 ? duration(seconds) : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Return "61 s", or "24:33" for what lasts. */
export function quiet(seconds) {
  return seconds < 120 ? `${Math.floor(seconds)} s` : duration(seconds);
}

/** Return 02:07.4: minutes, seconds and tenths since the start, for the console's gutter. */
export function offsetTime(seconds) {
  const tenths = Math.max(0, Math.floor(seconds * 10 + 1e-6));
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(tenths / 36000);
  const rest = `${two(Math.floor(tenths / 600) % 60)}:${two(Math.floor(tenths / 10) % 60)}.${tenths % 10}`;
  return hours ? `${hours}:${rest}` : rest;
}

/** Return 14:04:10 (UTC) for seconds since the epoch. */
export function clock(epoch) {
  return new Date(epoch * 1000).toISOString().slice(11, 19);
}

/** Return 1,412 for 1412. */
export function grouped(number) {
  return number.toLocaleString("en");
}

/** Return 44.1 MB for 44100000. */
export function bytes(number) {
  for (const [size, unit] of [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]) {
    if (number >= size) return `${(number / size).toFixed(1)} ${unit}`;
  }
  return plural(Math.round(number), "byte");
}

/** Return "1 line" or "3 lines". */
export function plural(number, noun) {
  return `${grouped(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** Return "a", "a and b" or "a, b and c". */
export function listed(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** Return seconds since the epoch for an ISO time, or null. */
export function epoch(iso) {
  return iso ? Date.parse(iso) / 1000 : null;
}
