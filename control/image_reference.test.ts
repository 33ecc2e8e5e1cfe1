import { expect, it } from "vitest";
import { manifestUrl, parseImage } from "./image_reference.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;

it.each([
  ["nginx", "https://registry-1.docker.io/v2/library/nginx/manifests/latest"],
  ["team/app:1.2", "https://registry-1.docker.io/v2/team/app/manifests/1.2"],
  ["docker.io/nginx", "https://registry-1.docker.io/v2/library/nginx/manifests/latest"],
  ["registry.example.net/a/b/c:v1", "https://registry.example.net/v2/a/b/c/manifests/v1"],
  ["localhost/app", "https://localhost/v2/app/manifests/latest"],
  ["registry:5000/app", "https://registry:5000/v2/app/manifests/latest"],
  [`r.example/app:1@${DIGEST}`, `https://r.example/v2/app/manifests/${DIGEST}`],
])("%s", (name, url) => {
  expect(manifestUrl(parseImage(name))).toBe(url);
});

it.each(["", "Upper/Case", "a b", "r.example/", "r.example/app@sha256:1", "r.example/../etc"])(
  "%j is no image",
  (name) => {
    expect(() => parseImage(name)).toThrow(/is no image: expected/);
  },
);
