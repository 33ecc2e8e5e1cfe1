import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createAuthority } from "../runtime/certificates.ts";
import { expiredOnes, loadReferences } from "./credentials.ts";
import { defaultConfig } from "./settings.ts";

it("a certificate that has expired is taken, and named", async () => {
  const dir = await mkdtemp(join(tmpdir(), "credentials-"));
  const nowMs = Date.now();
  const pair = await createAuthority({ commonName: "x", days: 1, nowMs });
  const files = { cert: join(dir, "x.crt"), key: join(dir, "x.key") };
  await writeFile(files.cert, pair.cert);
  await writeFile(files.key, pair.key);
  const { cert: certpem, key: keypem } = files;
  const hijack_https = { ...files, hosts: [{ regx: "x" }] };
  const config = defaultConfig({ registry_mirror: {}, certpem, keypem, hijack_https });
  const loaded = await loadReferences(config);
  await rm(dir, { recursive: true });
  expect(expiredOnes(loaded, nowMs)).toEqual([]);
  expect(expiredOnes(loaded, nowMs + 2 * 24 * 60 * 60 * 1000)).toEqual([
    "certpem has expired: engines will not accept it",
    "hijack_https.cert has expired: engines will not accept it",
  ]);
});
