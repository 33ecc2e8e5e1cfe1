import { expect, it } from "vitest";
import { redactUrl } from "./redact_url.ts";

it.each([
  ["https://user:secret@host/a?b=secret&c=secret#d", "https://host/a?b=…&c=…#d"],
  ["https://host/a?secret", "https://host/a?…"],
  ["https://host/a?secret&b=1&secret2&b=2", "https://host/a?…&b=…"],
  ["https://host/a?b=secret=secret", "https://host/a?b=…"],
  ["https://host/sch%C3%B6n", "https://host/schön"],
  ["https://host/a?", "https://host/a"],
  ["https://host/%0A2026-01-01%1B[2J%C2%9B", "https://host/%0A2026-01-01%1B[2J%C2%9B"],
  ["https://host/a?b%0Ac=1", "https://host/a?b%0Ac=…"],
  ["secret", "(not a URL)"],
  ["https://host/%", "(not a URL)"],
])("shows %s as %s", (url, shown) => {
  expect(redactUrl(url)).toBe(shown);
});
