import { X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { UsageError } from "../runtime/command_line.ts";
import { generateAuthority } from "./gen_ca.ts";
import { createImpersonator } from "./impersonate.ts";
import { cleanUp, scratchDirectory } from "./testing.ts";

afterEach(cleanUp);

async function flags(more: Record<string, unknown> = {}) {
  const directory = await scratchDirectory();
  return {
    certOutput: join(directory, "new", "ca.crt"),
    keyOutput: join(directory, "new", "ca.key"),
    commonName: "Our CA",
    expireDuration: "87600h",
    ...more,
  };
}

test("an authority that can be used to hijack, its key for the owner only", async () => {
  const given = await flags();
  await generateAuthority(given);
  const cert = await readFile(given.certOutput, "utf8");
  const key = await readFile(given.keyOutput, "utf8");
  expect((await stat(given.keyOutput)).mode & 0o777).toBe(0o600);
  const certificate = new X509Certificate(cert);
  expect(certificate.ca).toBe(true);
  expect(certificate.subject).toBe("CN=Our CA");
  const days = (Date.parse(certificate.validTo) - Date.now()) / 86_400_000;
  expect(Math.round(days)).toBe(3650);
  await createImpersonator({ cert, key }).contextFor("registry.example");
});

test("files that are there are replaced only when asked to", async () => {
  const given = await flags();
  await generateAuthority(given);
  const before = await readFile(given.keyOutput, "utf8");
  await expect(generateAuthority(given)).rejects.toThrow(UsageError);
  expect(await readFile(given.keyOutput, "utf8")).toBe(before);
  await generateAuthority({ ...given, overwrite: true });
  expect(await readFile(given.keyOutput, "utf8")).not.toBe(before);
});

test.each([["soon"], ["0"]])("a duration of %s is refused", async (expireDuration) => {
  await expect(generateAuthority(await flags({ expireDuration }))).rejects.toThrow("87600h");
});
