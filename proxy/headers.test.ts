import { expect, test } from "vitest";
import { endToEndHeaders } from "./headers.ts";

test("headers keep spelling and repeats, and lose what is for one connection only", () => {
  const raw = [
    ["X-Odd-CASE", "1"],
    ["set-cookie", "a"],
    ["Connection", "close, X-Hop"],
    ["Set-Cookie", "b"],
    ["x-hop", "gone"],
    ["Keep-Alive", "timeout=5"],
    ["Proxy-Authorization", "secret"],
    ["Transfer-Encoding", "chunked"],
    ["Host", "h"],
  ].flat();
  expect(endToEndHeaders(raw, ["host"])).toEqual({ "X-Odd-CASE": "1", "set-cookie": ["a", "b"] });
});
