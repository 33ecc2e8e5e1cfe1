import { expect, it } from "vitest";
import { isAnonymous } from "./is_anonymous.ts";

const BLOB = "https://registry.example/v2/a/blobs/sha256:00";

it.each([
  ["a bare request", BLOB, {}, true],
  ["what every client says", BLOB, { "User-Agent": "x", Accept: "*/*", Range: "bytes=0-1" }, true],
  [
    "what podman says",
    BLOB,
    { "User-Agent": "x", "Docker-Distribution-Api-Version": "registry/2.0" },
    true,
  ],
  ["credentials", BLOB, { Authorization: "Bearer x" }, false],
  ["a cookie", BLOB, { cookie: "x" }, false],
  ["a header that nobody knows", BLOB, { "X-Api-Key": "x" }, false],
  ["a signed URL", `${BLOB}?sig=x`, {}, false],
  ["a user in the URL", BLOB.replace("//", "//user:pass@"), {}, false],
  ["a user without a password", BLOB.replace("//", "//token@"), {}, false],
  ["a password without a user", BLOB.replace("//", "//:pass@"), {}, false],
])("%s", (_what, url, headers, anonymous) => {
  expect(isAnonymous(url, headers as Record<string, string>)).toBe(anonymous);
});
