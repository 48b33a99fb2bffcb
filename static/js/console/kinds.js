// What kind of line it is, by its text: the class that colours it and that filters go by.

const MULTINODE = /<LAVA_MULTI_NODE>|<LAVA_(?:SEND|SYNC|WAIT|WAIT_ALL|NETWORK|GROUP|ROLE|SELF)[ _>]/;
const SIGNAL = /<LAVA_(?:SIGNAL_|TEST_RUNNER)|^LAVA_/;
const ERROR =
  /\bKernel panic\b|\bOops\b|\bBUG:|\bCall [Tt]race\b|\bsegfault at\b|\bUnable to handle\b|detected (?:expedited )?stalls?|\bsoft lockup\b|\bhung_task\b|Traceback \(most recent|^\s*(?:FATAL|fatal)\b|\bOut of memory\b/;
const WARNING = /\b(?:warning|warn|error|failed|failure|timed out|denied|cannot|unable to)\b/i;
const KERNEL = /^\[\s*\d+\.\d{3,}\]/;

/** Return "m" (MultiNode), "s" (test signal), "e" (error), "w" (warning), "k" (kernel) or "". */
export function kindOf(text) {
  if (MULTINODE.test(text)) return "m";
  if (SIGNAL.test(text)) return "s";
  if (ERROR.test(text)) return "e";
  if (WARNING.test(text)) return "w";
  return KERNEL.test(text) ? "k" : "";
}
