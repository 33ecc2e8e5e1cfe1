import { expect, it } from "vitest";
import { keyOfTask, taskKey } from "./task_key.ts";

const digest = `sha256:${"5b".repeat(32)}`;
const asked = (taskUrl: string, more = {}) =>
  taskKey({ taskUrl, md5: "", identifier: "", headers: [], ...more });

it("is the same for all that may share a swarm", () => {
  const one = asked(`https://registry.example/v2/a/blobs/${digest}`);
  expect(asked(`https://mirror.example/v2/b/blobs/${digest}?ns=x`)).toBe(one);
  expect(one).toBe(digest);
  expect(keyOfTask({ id: "4711", taskUrl: `https://registry.example/v2/a/blobs/${digest}` })).toBe(
    one,
  );
});

it("is the task's id for all others", () => {
  const url = "http://127.0.0.1:18080/three";
  const id = "781f9c8d072b615f67cabcdab616211fa5711728fddad15395d7420553cf07a8";
  expect(asked(url)).toBe(id);
  expect(asked(url, { headers: ["Range: bytes=0-1"] })).not.toBe(id);
  expect(keyOfTask({ id, taskUrl: url })).toBe(id);
});
