// The clock of a replay: where it is, whether it runs and how fast. It knows nothing of what is shown.

export const SPEEDS = [0.5, 1, 2, 4, 8, 16];
const SILENCE = 5; // seconds without anything after which the player may jump
const LEAD = 0.5; // seconds before the next thing that it jumps to
const TICK = 50; // ms

export class Player {
  /** start, end: seconds since the epoch; moments(after): when something happens next; moved(t): called. */
  constructor({ start, end, nextAfter, moved, changed }) {
    Object.assign(this, { start, end, nextAfter, moved, changed });
    this.t = start;
    this.speed = 1;
    this.playing = false;
    this.skipSilence = true;
  }

  seek(t) {
    this.t = Math.min(this.end, Math.max(this.start, t));
    this.moved(this.t);
  }

  play(on = !this.playing) {
    if (on && this.t >= this.end) this.t = this.start;
    this.playing = on;
    clearInterval(this.timer);
    if (on) {
      this.before = performance.now();
      this.timer = setInterval(() => this.#tick(), TICK);
    }
    this.changed();
  }

  setSpeed(speed) {
    this.speed = speed;
    this.changed();
  }

  /** Go up or down the list of speeds. */
  shift(step) {
    const at = Math.min(SPEEDS.length - 1, Math.max(0, SPEEDS.indexOf(this.speed) + step));
    this.setSpeed(SPEEDS[at]);
  }

  #tick() {
    const now = performance.now();
    let t = this.t + ((now - this.before) / 1000) * this.speed;
    this.before = now;
    if (this.skipSilence) {
      const next = this.nextAfter(this.t);
      if (next !== null && next - t > SILENCE) t = next - LEAD;
    }
    this.seek(t);
    if (this.t >= this.end) this.play(false);
  }
}
