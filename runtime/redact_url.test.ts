import { expect, it } from "vitest";
import { redactUrl } from "./redact_url.ts";

it.each([
  ["https://user:secret@host/a?b=secret&c=secret#d", "https://host/a?b=…&c=…#d"],
  ["https://host/a?secret", "https://host/a?…"],
  ["https://host/a?secret&b=1&secret2&b=2", "https://host/a?…&b=…"],
  ["https://host/a?b=secret=secret", "https://host/a?b=…"],
  ["https://host/a?b=1&b=2", "https://host/a?b=…"],
  ["https://host/sch%C3%B6n", "https://host/schön"],
  ["https://host/a?", "https://host/a"],
  ["https://host/%0A2026-01-01%1B[2J%C2%9B", "https://host/%0A2026-01-01%1B[2J%C2%9B"],
  ["https://host/a?b%0Ac=1", "https://host/a?b%0Ac=…"],
  // Other ends of lines, and what turns the direction of writing.
  ["https://host/%E2%80%A8%E2%80%A9", "https://host/%E2%80%A8%E2%80%A9"],
  ["https://host/%E2%80%AA%E2%80%AE", "https://host/%E2%80%AA%E2%80%AE"],
  ["https://host/%E2%81%A6%E2%81%A9", "https://host/%E2%81%A6%E2%81%A9"],
  ["secret", "(not a URL)"],
  ["https://host/%", "(not a URL)"],
])("shows %s as %s", (url, shown) => {
  expect(redactUrl(url)).toBe(shown);
});
