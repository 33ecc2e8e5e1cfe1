import { expect, test } from "vitest";
import { stateUrlSchema, withoutPassword } from "./state_url.ts";

test.each([
  ["", ""],
  ["redis://10.64.0.5", "redis://10.64.0.5"],
  ["redis://:geheim@10.64.0.5:6380/3", "redis://:…@10.64.0.5:6380/3"],
  ["rediss://dragonfly:geheim@state.example.net", "rediss://dragonfly:…@state.example.net"],
])("%s is shown as %s", (url, shown) => {
  expect(stateUrlSchema.parse(url)).toBe(url);
  expect(withoutPassword(url)).toBe(shown);
});

test.each([
  "http://10.64.0.5",
  "10.64.0.5:6379",
  "redis://",
  "redis://10.64.0.5/one",
  "redis://10.64.0.5?password=x",
  // What was printed has no password.
  "redis://:…@10.64.0.5:6380/3",
])("%s is refused, and not repeated", (url) => {
  const { error } = stateUrlSchema.safeParse(url);
  expect(error!.issues[0]!.message).toBe(
    "expected redis://[user:password@]host[:port][/database], or rediss://…",
  );
});
