import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  NOT_FOR_DFGET,
  NOT_FOR_SERVERS,
  OTHER_RECORDINGS,
  PLAYED_TO_OUR_DFGET,
  PLAYED_TO_OUR_SERVERS,
} from "./scenarios.ts";
import { readTranscript } from "./transcript.ts";

const FOLDER = join(import.meta.dirname, "transcripts");
const files = readdirSync(FOLDER);
const recorded = files.filter((file) => /^(local|source)-.+\.json$/.test(file));

describe.each<[string, readonly string[], Readonly<Record<string, string>>]>([
  ["our servers", PLAYED_TO_OUR_SERVERS, NOT_FOR_SERVERS],
  ["our dfget", PLAYED_TO_OUR_DFGET, NOT_FOR_DFGET],
])("every recording is played to %s, or it is said why not", (_, played, left) => {
  it.each(["local", "source"])("CDN pattern %s", (pattern) => {
    const named = [...played, ...Object.keys(left)].map((name) => `${pattern}-${name}.json`);
    expect(named.sort()).toEqual(recorded.filter((file) => file.startsWith(pattern)).sort());
  });
});

it.each(Object.keys(NOT_FOR_SERVERS))("no server was asked in %s", (scenario) => {
  for (const pattern of ["local", "source"])
    expect(readTranscript(`${pattern}-${scenario}`).exchanges).toEqual([]);
});

it("every other file of the recordings is read by a test", () => {
  const others = files.filter((file) => !recorded.includes(file));
  expect(others.sort()).toEqual(Object.keys(OTHER_RECORDINGS).sort());
  for (const [reader, name] of Object.values(OTHER_RECORDINGS))
    expect(readFileSync(join(import.meta.dirname, reader), "utf8"), reader).toContain(name);
});
