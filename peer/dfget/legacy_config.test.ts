import { expect, it } from "vitest";
import { parseLegacyConfig } from "./legacy_config.ts";

it.each([
  ["[node]\naddress=a,b", ["a", "b"]],
  ["[other]\naddress=x\n[node]\naddress = a:8002 , b=2\n", ["a:8002", "b=2"]],
  ["; of old\r\n[Node]\r\nAddress=a\r\n", ["a"]],
  ["[ node ]\naddress = a # the first\naddress = b ; the second\n", ["a", "b"]],
  ['[node]\naddress = "a:8002,b" # both\n', ["a:8002", "b"]],
  ["\ufeff[node]\naddress=a", ["a"]],
  ["[node] # of old\n#address=x\naddress=", []],
  ["[node]\naddress = a, b:1 ,\n", ["a", "b:1"]],
  ["", []],
])("%j names %j", (text, nodes) => {
  expect(parseLegacyConfig(text)).toEqual(nodes);
});
