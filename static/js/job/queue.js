// Why a queued job waits and when it starts, asked again: that changes by time alone.
const ONLY_THE_JOB = Number.MAX_SAFE_INTEGER; // rows touched after this position: none

/** Return what the lab says by now, or null while it does not answer or knows less than the page does. */
export async function estimatedAgain(state) {
  try {
    const answer = await fetch(`/api/v1/jobs/${state.id}/?after=${ONLY_THE_JOB}`, { headers: { Accept: "application/json" } });
    if (!answer.ok) return null;
    const { position, waiting, expected_start } = await answer.json();
    // Its position is not taken: the events up to there come by the socket.
    return position < state.position ? null : { waiting, expected_start };
  } catch {
    return null; // the page says that it is not connected
  }
}
