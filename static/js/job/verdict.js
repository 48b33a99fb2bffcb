// The words, tones and icons of states: the same as jobs/presentation.py says them in lists.

const STATES = {
  queued: ["Waiting", "idle", "hourglass"],
  assigned: ["Starting", "run", "player-play"],
  running: ["Running", "run", "player-play"],
  canceling: ["Cancelling", "wait", "ban"],
};

/** Return [word, tone, icon] for a job. */
export function verdict(job) {
  if (job.state === "running" && job.hold?.since) return ["Held", "wait", "clock-pause"];
  if (job.state !== "finished") return STATES[job.state];
  if (job.outcome === "canceled") return ["Cancelled", "idle", "ban"];
  if (job.outcome === "incomplete") return ["Incomplete", "fail", "alert-triangle"];
  if (job.counts.fail) return ["Failed", "fail", "x"];
  return job.counts.pass ? ["Passed", "pass", "check"] : ["Complete", "idle", "check"];
}

/** Return the class of a node's dot. */
export function dotOf(node) {
  if (node.closed) return node.closed.ok ? "pass" : "fail";
  if (node.waits || node.state === "wait") return "wait";
  return node.state === "waiting" ? "off" : "run";
}

/** Return what a node does now, in words. */
export function doingOf(node, running = [], state = null) {
  const stays = node.closed && state?.state === "running" && state.consoles?.includes(node.index);
  if (stays) return `${node.index ? "still runs" : "a shell of its own"}: the job is ${state.hold?.since ? "held" : "to be held"}`;
  if (node.closed) return node.closed.reason ? `closed: ${node.closed.reason}` : "closed";
  const wait = node.waits;
  if (wait) return wait.kind === "vms" ? "waits for VMs" : `${wait.kind} ${wait.id}`;
  if (node.state === "waiting") return "not started";
  const what = node.doing || (node.state === "close" ? "closing" : node.state);
  const cases = running.filter((one) => one.node === node.index).map((one) => one.case);
  return cases.length && cases.join(", ") !== what ? `${what} / ${cases.join(", ")}` : what;
}
