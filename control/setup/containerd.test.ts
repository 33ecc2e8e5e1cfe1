import { expect, it } from "vitest";
import { withConfigPath, withMirror } from "./containerd.ts";

const LINE = '  config_path = "/etc/containerd/certs.d"';

it("without a configuration, one is written that 1.6 and 2.x read", () => {
  expect(withConfigPath(undefined)).toEqual({
    directory: "/etc/containerd/certs.d",
    text: `version = 2\n\n[plugins."io.containerd.grpc.v1.cri".registry]\n${LINE}\n`,
  });
  expect(withConfigPath("# only comments\n").text).toMatch(/^# only comments\n\nversion = 2\n/);
});

it.each([
  [2, "io.containerd.grpc.v1.cri"],
  [3, "io.containerd.cri.v1.images"],
])("version %s: the line goes where it belongs, and every other line stays", (version, plugin) => {
  const before = `# mine
version = ${version}
[plugins."${plugin}"]
  sandbox_image = "pause:1" # kept
  [plugins."${plugin}".registry]
    config_path = ""
    [plugins."${plugin}".registry.configs]
[metrics]
  address = "127.0.0.1:1338"
`;
  const { text } = withConfigPath(before);
  expect(text).toBe(before.replace('config_path = ""', LINE.trim()));
  const without = before.replace('    config_path = ""\n', "");
  expect(withConfigPath(without).text).toBe(
    without.replace(`"${plugin}".registry]\n`, `"${plugin}".registry]\n    ${LINE.trim()}\n`),
  );
  const bare = `version = ${version}\n[metrics]\n  address = ""\n`;
  expect(withConfigPath(bare).text).toBe(`${bare}\n[plugins."${plugin}".registry]\n${LINE}\n`);
});

it("a directory that is configured already is used as it is", () => {
  const before = `version = 3
[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = '/srv/hosts:/etc/docker/certs.d'
`;
  expect(withConfigPath(before)).toEqual({ text: before, directory: "/srv/hosts" });
});

it.each([
  ["version = 1\n[plugins.cri]\n", /of version 1: .*containerd config migrate/],
  ["version = 4\n", /of version 4/],
  ["version = \n", /not valid TOML/],
  [
    'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]\n  endpoint = []\n',
    /registry\.mirrors excludes/,
  ],
  // An inline table cannot be added to.
  ['version = 2\nplugins = {"io.containerd.grpc.v1.cri" = {}}\n', /cannot be changed safely/],
])("%j is left to a person", (before, reason) => {
  expect(() => withConfigPath(before)).toThrow(reason);
});

const of = { registry: "r.example", mirror: "http://127.0.0.1:65001", ca: undefined, path: "x" };

it("a registry that has mirrors keeps them, behind dfdaemon", () => {
  const before = `server = "https://r.example"

[host."https://other.example"]
  capabilities = ["pull"]
`;
  expect(withMirror(before, { ...of, ca: "/ca.crt" })).toBe(`server = "https://r.example"

[host."http://127.0.0.1:65001"]
  capabilities = ["pull", "resolve"]
  ca = "/ca.crt"

[host."https://other.example"]
  capabilities = ["pull"]
`);
});

it("a new one, and one that is right already", () => {
  const text = withMirror(undefined, { ...of, registry: "docker.io" });
  expect(text).toContain('server = "https://registry-1.docker.io"\n');
  expect(withMirror(text, of)).toBe(text);
  expect(() => withMirror("[", of)).toThrow(/x: not valid TOML/);
});
