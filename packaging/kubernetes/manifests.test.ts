import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DaemonSet } from "kubernetes-models/apps/v1/DaemonSet";
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { Namespace } from "kubernetes-models/v1/Namespace";
import { Service } from "kubernetes-models/v1/Service";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { dfgetConfigSchema } from "../../peer/dfget/settings.ts";
import { proxyConfigSchema } from "../../proxy/settings.ts";
import { readConfigFile } from "../../runtime/config_file.ts";
import { supernodeFileSchema } from "../../supernode/settings.ts";

const KINDS = { DaemonSet, Deployment, Namespace, Service };
const FOLDERS = [".", "undo"];

interface Manifest {
  kind: keyof typeof KINDS;
  metadata: { name: string };
  spec: { template: { spec: PodSpec } };
}
interface PodSpec {
  initContainers?: Container[];
  containers: Container[];
  volumes: { name: string; configMap?: { name: string } }[];
}
interface Container {
  image: string;
  volumeMounts?: { name: string }[];
}
interface Kustomization {
  resources: string[];
  images: { name: string }[];
  configMapGenerator?: { name: string; files: string[] }[];
}

const here = (...path: string[]) => join(import.meta.dirname, ...path);
const kustomization = async (folder: string): Promise<Kustomization> =>
  parse(await readFile(here(folder, "kustomization.yaml"), "utf8"));

async function manifests(folder: string): Promise<Manifest[]> {
  const { resources } = await kustomization(folder);
  const texts = resources.map((file) => readFile(here(folder, file), "utf8"));
  return (await Promise.all(texts)).flatMap((text) =>
    parseAllDocuments(text).map((document) => {
      expect(document.errors).toEqual([]);
      return document.toJS() as Manifest;
    }),
  );
}

/**
 * Checks a manifest against Kubernetes' own schema, which lets unknown keys pass: so those that it never
 * looks at are a mistake as well.
 */
function check(manifest: Manifest): void {
  const unread = new Map<string, unknown>();
  const watched = watch(structuredClone(manifest), manifest.kind, unread);
  // Not by the constructor, which reads every key.
  Object.setPrototypeOf(watched, KINDS[manifest.kind].prototype);
  (watched as unknown as Service).validate();
  unread.delete(`${manifest.kind}.apiVersion`);
  if (unread.size > 0) throw new Error(`unknown to Kubernetes: ${[...unread.keys()].join(", ")}`);
}

function watch<Value>(value: Value, path: string, unread: Map<string, unknown>): Value {
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => {
    const inside = `${path}.${key}`;
    unread.set(inside, inner);
    return [key, watch(inner, inside, unread)] as const;
  });
  const copy = (Array.isArray(value) ? [] : {}) as Record<string, unknown>;
  for (const [key, inner] of entries) {
    Object.defineProperty(copy, key, {
      enumerable: true,
      configurable: true,
      get: () => {
        unread.delete(`${path}.${key}`);
        return inner;
      },
    });
  }
  return copy as Value;
}

describe.each(FOLDERS)("packaging/kubernetes/%s", (folder) => {
  it("fits Kubernetes' schemas", async () => {
    const all = await manifests(folder);
    expect(all.length).toBeGreaterThan(0);
    for (const manifest of all) check(manifest);
  });

  it("names volumes, images and configurations that there are", async () => {
    const { images, configMapGenerator = [] } = await kustomization(folder);
    for (const { kind, spec } of await manifests(folder)) {
      if (kind !== "DaemonSet" && kind !== "Deployment") continue;
      const { initContainers = [], containers, volumes } = spec.template.spec;
      for (const { image, volumeMounts = [] } of [...initContainers, ...containers]) {
        expect(images.map(({ name }) => name)).toContain(image);
        for (const { name } of volumeMounts)
          expect(volumes.map((volume) => volume.name)).toContain(name);
      }
      for (const { configMap } of volumes)
        if (configMap) expect(configMapGenerator.map(({ name }) => name)).toContain(configMap.name);
    }
  });

  const kubectl = spawnSync("kubectl", ["kustomize", here(folder)], { encoding: "utf8" });
  it.skipIf(kubectl.error)("is rendered by kubectl, and fits still", () => {
    expect(kubectl.stderr).toBe("");
    const rendered = parseAllDocuments(kubectl.stdout).map((one) => one.toJS() as Manifest);
    const ours = rendered.filter(({ kind }) => kind in KINDS);
    expect(ours.length).toBeGreaterThan(0);
    for (const manifest of ours) check(manifest);
    expect(kubectl.stdout).not.toMatch(/image: dragonfly$/m);
  });
});

it("the configuration is one that the programs take", async () => {
  await readConfigFile(here("config/supernode.yml"), supernodeFileSchema);
  await readConfigFile(here("config/dfget.yml"), dfgetConfigSchema);
  await readConfigFile(here("config/dfdaemon.yml"), proxyConfigSchema);
});

it("a mistake would be found", async () => {
  const [namespace] = await manifests(".");
  expect(() => check({ ...namespace!, sepc: {} } as Manifest)).toThrow("Namespace.sepc");
  const [, , deployment] = await manifests(".");
  const { spec } = structuredClone(deployment!);
  Object.assign(spec.template.spec.containers[0]!, { livenesProbe: {} });
  expect(() => check({ ...deployment!, spec })).toThrow("containers.0.livenesProbe");
  expect(() => check({ ...namespace!, metadata: 1 } as unknown as Manifest)).toThrow();
});
