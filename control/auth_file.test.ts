import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { authorizationFor, usualAuthorizationFor } from "./auth_file.ts";

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "auth-file-"));
  path = join(dir, "config.json");
  await writeFile(
    path,
    JSON.stringify({
      auths: {
        "r.example:5000": { auth: "am9lOnB3" },
        "https://index.docker.io/v1/": { auth: "aHViOnB3" },
        "helped.example": {},
      },
      credHelpers: {},
    }),
  );
});
afterEach(() => rm(dir, { recursive: true }));

it("finds a registry's credentials, Docker Hub's under docker's name for it", async () => {
  expect(await authorizationFor("r.example:5000", path)).toBe("Basic am9lOnB3");
  expect(await authorizationFor("docker.io", path)).toBe("Basic aHViOnB3");
});

it("says what is wrong without showing what is in the file", async () => {
  for (const host of ["r.example", "helped.example"])
    await expect(authorizationFor(host, path)).rejects.toThrow(`has no credentials for ${host}`);
  await writeFile(path, "am9lOnB3 {");
  await expect(authorizationFor("r.example", path)).rejects.toThrow(
    /^--authfile: .*config\.json is not what docker login or podman login writes$/,
  );
  await expect(authorizationFor("r.example", join(dir, "none"))).rejects.toThrow(
    /^--authfile: .*none: no such file$/,
  );
});

it("finds what docker login or podman login has written, podman's file first", async () => {
  const env = { HOME: dir };
  expect(await usualAuthorizationFor("r.example:5000", env)).toBeUndefined();
  await mkdir(join(dir, ".docker"));
  await rename(path, join(dir, ".docker/config.json"));
  expect(await usualAuthorizationFor("r.example:5000", env)).toBe("Basic am9lOnB3");
  expect(await usualAuthorizationFor("registry-1.docker.io", env)).toBe("Basic aHViOnB3");
  await writeFile(path, JSON.stringify({ auths: { "r.example:5000": { auth: "cG9kOnB3" } } }));
  const podman = { ...env, REGISTRY_AUTH_FILE: path };
  expect(await usualAuthorizationFor("r.example:5000", podman)).toBe("Basic cG9kOnB3");
  await writeFile(path, "no JSON");
  expect(await usualAuthorizationFor("r.example:5000", podman)).toBe("Basic am9lOnB3");
});
