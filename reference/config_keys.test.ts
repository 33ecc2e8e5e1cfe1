import { expect, it } from "vitest";
import * as z from "zod";
import { configSection } from "../runtime/config_file.ts";
import { documented } from "../runtime/key_notes.ts";
import { configKeys } from "./config_keys.ts";

const rate = z.string().transform(Number).meta({ type: "rate" });

it("reads through defaults, options, lists and what comes before a check", () => {
  const block = configSection({
    limit: documented(rate, "a limit").prefault("20M"),
    mode: documented(z.enum(["a", "b"]), "which").default("a"),
  });
  const schema = configSection({
    base: configSection({
      inner: documented(block, "a block", { ours: true }).nullable().default(null),
    }).optional(),
    rules: documented(z.array(block), "some rules").default([]),
    home: documented(z.string(), "where", { default: "$HOME" }).default("/home/me"),
  });
  const rows = configKeys(schema).map((key) => Object.values(key));
  expect(rows).toEqual([
    ["base.inner", true, "block", "", "a block"],
    ["base.inner.limit", true, "rate", "20M", "a limit"],
    ["base.inner.mode", true, "`a` or `b`", "a", "which"],
    ["rules", false, "list of blocks", "", "some rules"],
    ["rules[].limit", false, "rate", "20M", "a limit"],
    ["rules[].mode", false, "`a` or `b`", "a", "which"],
    ["home", false, "text", "$HOME", "where"],
  ]);
});

it("a key that nobody describes is a mistake, and says which", () => {
  const schema = z.object({ a: documented(z.object({ b: z.string() }), "a block") });
  expect(() => configKeys(schema)).toThrow("a.b: no schema says");
});
