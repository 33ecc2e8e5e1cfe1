// Loaded before a program under test (`node --import`, `deno run --preload`). Makes its limits of many seconds so short
// that a test can wait for them: SHORT_LIMITS_OF are the limits, ms, and SHORT_LIMIT what each of them becomes.
import { Socket } from "node:net";

const { SHORT_LIMITS_OF = "", SHORT_LIMIT = "" } = process.env;
const limits = new Set(SHORT_LIMITS_OF.split(",").map(Number));
const shorter = (ms) => (limits.has(ms) ? Number(SHORT_LIMIT) : ms);

const later = globalThis.setTimeout;
globalThis.setTimeout = Object.assign(
  (work, ms, ...args) => later(work, shorter(ms), ...args),
  later,
);

const { setTimeout: limitIdle } = Socket.prototype;
Socket.prototype.setTimeout = function (ms, ...args) {
  return limitIdle.call(this, shorter(ms), ...args);
};
