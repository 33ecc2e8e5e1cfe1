import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningSupernode, startSupernode } from "../start.ts";

let supernode: RunningSupernode;
let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "dragonfly-console-"));
  const ports = { listenIp: "127.0.0.1", listenPort: 0, downloadPort: 0 };
  supernode = await startSupernode({ ...ports, homeDir: home, advertiseIp: "127.0.0.1" });
});
afterAll(async () => {
  await supernode?.close();
  await rm(home, { recursive: true, force: true });
});

interface Ask {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

/** `fetch` sets Host and Origin itself. */
function ask(path: string, { method = "GET", headers = {}, body }: Ask = {}) {
  return new Promise<{ status: number; headers: Record<string, unknown>; text: string }>(
    (resolve, reject) => {
      const { listenPort: port } = supernode;
      request({ host: "127.0.0.1", port, path, method, headers }, async (answer) => {
        let text = "";
        for await (const chunk of answer) {
          text += chunk;
          // An event stream has no end.
          if (text.endsWith("\n\n")) break;
        }
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text });
      })
        .on("error", reject)
        .end(body);
    },
  );
}

describe("the page", () => {
  test("may load nothing from elsewhere, and be shown in no frame", async () => {
    const { headers } = await ask("/console/events");
    expect(headers["content-security-policy"]).toContain("default-src 'none'; script-src 'self'");
    expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'");
    expect(headers["content-security-policy"]).not.toContain("unsafe");
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect(headers["referrer-policy"]).toBe("no-referrer");
    expect(headers["strict-transport-security"]).toBeUndefined();
  });

  test("comes with its events: first all there is", async () => {
    const { headers, text } = await ask("/console/events");
    expect(headers["content-type"]).toBe("text/event-stream");
    const [, data = ""] = /^event: view\ndata: (.*)\n\n$/.exec(text) ?? [];
    expect(JSON.parse(data)).toMatchObject({
      view: { supernode: { address: "127.0.0.1" }, totals: { nodes: 0 }, files: {} },
    });
  });

  test("is not shown under another's name", async () => {
    for (const path of ["/console", "/console/", "/console/events", "/console/page.js"]) {
      const refused = await ask(path, { headers: { host: "attacker.example" } });
      expect(refused.status, path).toBe(403);
      expect(refused.text).toMatch(/base\.console\.names/);
    }
  });
});

describe("a preheat", () => {
  const own = { "content-type": "application/json", "x-dragonfly-console": "1" };
  const order = { type: "file", url: "http://127.0.0.1:9/file?token=secret" };
  const post = (headers: Record<string, string>, body: object = order) =>
    ask("/console/preheats", { method: "POST", headers, body: JSON.stringify(body) });

  test("is begun by the page, and shown without what its URL must not show", async () => {
    expect((await post(own)).status).toBe(201);
    const { text } = await ask("/console/events");
    expect(text).toContain("http://127.0.0.1:9/file");
    expect(text).not.toContain("token");
  });

  test("is not begun by a form or script of another site", async () => {
    expect((await post({ "content-type": "text/plain" })).status).toBe(403);
    for (const origin of ["http://attacker.example", "null", "http://127.0.0.1:1"])
      expect((await post({ ...own, origin })).status, origin).toBe(403);
    expect((await post({ ...own, host: "attacker.example" })).status).toBe(403);
  });

  test("that makes no sense is refused with the reason", async () => {
    expect((await post(own, { type: "image", url: "http://h/x" })).text).toMatch(/manifests/);
    expect((await post(own, { type: "x" })).status).toBe(400);
    const broken = await ask("/console/preheats", { method: "POST", headers: own, body: "{" });
    expect(broken).toMatchObject({ status: 400, text: expect.stringMatching(/not JSON/) });
  });
});

test("a supernode without a console has none", async () => {
  const console = { enabled: false, allowedClients: [], names: [] };
  const ports = { listenIp: "127.0.0.1", listenPort: 0, downloadPort: 0 };
  const without = await startSupernode({ ...ports, homeDir: home, console });
  const answer = await fetch(`http://127.0.0.1:${without.listenPort}/console`);
  expect(answer.status).toBe(404);
  await without.close();
});
