// What somebody was writing survives a reload: kept in this browser, for each user and each place it began from.
const AGE = 14 * 24 * 3600 * 1000; // ms: older drafts are nobody's concern any more

/** Return {load(), save(text), sent(), discard()} of the draft of a user at a path. Without storage they do nothing. */
export function draftOf(user, path, storage = localStorage, now = Date.now) {
  const key = `labbook-draft:${user}:${path}`;
  const guarded = (act) => {
    try {
      return act();
    } catch {
      return null; // no storage, or it is full
    }
  };
  const read = () => guarded(() => JSON.parse(storage.getItem(key)));
  return {
    /** The draft as {text, at}, or null. One that was sent is gone, unless the same page is only shown again. */
    load(again = false) {
      const kept = read();
      if (!kept || now() - kept.at > AGE || (kept.sent && !again)) {
        guarded(() => storage.removeItem(key));
        return null;
      }
      return kept;
    },
    /** Keep the text; say whether that worked. */
    save(text) {
      return guarded(() => storage.setItem(key, JSON.stringify({ text, at: now() }))) !== null;
    },
    sent() {
      const kept = read();
      if (kept) guarded(() => storage.setItem(key, JSON.stringify({ ...kept, sent: true })));
    },
    discard() {
      guarded(() => storage.removeItem(key));
    },
  };
}
