import { expect, test } from "vitest";
import { mirrorUpstream } from "./mirror.ts";

function upstream(target: string, remote = "https://registry.example:5000"): unknown {
  const found = mirrorUpstream(
    { remote: new URL(remote), trust: undefined, direct: false },
    target,
  );
  return found && (found.isRemote ? `remote ${found.url}` : found.url);
}

test.each([
  ["/v2/a/manifests/1", "remote https://registry.example:5000/v2/a/manifests/1"],
  ["/v2/a/b?x=%2F&y", "remote https://registry.example:5000/v2/a/b?x=%2F&y"],
  ["/v2/a?ns=registry.example:5000", "remote https://registry.example:5000/v2/a"],
  ["/v2/a?ns=REGISTRY.example%3A5000&x=1", "remote https://registry.example:5000/v2/a?x=1"],
  ["/v2/a?ns=", "remote https://registry.example:5000/v2/a"],
  ["/v2/a?ns=docker.io", "https://registry-1.docker.io/v2/a"],
  ["/v2/a?x=1&ns=ghcr.io&y=2", "https://ghcr.io/v2/a?x=1&y=2"],
  ["/v2/a?ns=10.0.0.1:5000", "https://10.0.0.1:5000/v2/a"],
  ["/v2/a?ns=[::1]:5000", "https://[::1]:5000/v2/a"],
  ["/v2/a?ns=evil/path", undefined],
  ["/v2/a?ns=user@host", undefined],
  ["/v2/a?ns=a&ns=b", "https://a/v2/a"],
])("%s → %s", (target, expected) => {
  expect(upstream(target)).toBe(expected);
});

test("Docker Hub is one registry under all its names", () => {
  expect(upstream("/v2/a?ns=docker.io", "https://index.docker.io")).toBe(
    "remote https://index.docker.io/v2/a",
  );
});

test("a path of the remote comes before the request's", () => {
  expect(upstream("/v2/a", "https://registry.example/hub/")).toBe(
    "remote https://registry.example/hub/v2/a",
  );
});
