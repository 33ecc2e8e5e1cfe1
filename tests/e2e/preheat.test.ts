import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { Authority } from "../support/authority.ts";
import { Dfdaemon } from "../support/dfdaemon.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { until } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { ACCOUNT, Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";
import { type Supernode, startSupernode } from "../support/supernode.ts";

const createdSchema = z.object({ ID: z.string().min(1) });
const preheatSchema = z.object({
  status: z.enum(["WAITING", "RUNNING", "SUCCESS", "FAILED"]),
  errorMsg: z.string().optional(),
});

describeWithPrograms("an image is preheated", { programs: ["skopeo", "docker-registry"] }, () => {
  const repository = "library/preheated";
  let scratch: Scratch;
  let registry: Registry;
  let image: Image;
  let supernode: Supernode;

  beforeAll(async () => {
    scratch = await Scratch.open("preheat");
    registry = await Registry.start(scratch, { authenticated: true });
    image = await createImage(scratch, "preheated", [MB, 12 * MB]);
    await registry.push(image, repository);
    supernode = await startSupernode(scratch, {
      cdnPattern: "local",
      registry,
      // Stands for the host's own list of authorities.
      env: { SSL_CERT_FILE: registry.authority.files.cert },
    });
  });
  afterAll(() => scratch?.close());

  /** Asks for a preheat and waits for its end. */
  async function preheat(headers: Record<string, string>) {
    const api = `http://${supernode.node}/preheats`;
    const created = await fetch(api, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        type: "image",
        url: `https://${registry.host}/v2/${repository}/manifests/latest`,
        headers,
      }),
    });
    expect(created.status).toBe(201);
    const { ID } = createdSchema.parse(await created.json());
    let last = preheatSchema.parse(await (await fetch(`${api}/${ID}`)).json());
    await until("the preheat has ended", async () => {
      last = preheatSchema.parse(await (await fetch(`${api}/${ID}`)).json());
      return last.status === "SUCCESS" || last.status === "FAILED";
    });
    return last;
  }

  it("not without credentials, and the answer says why", async () => {
    const failed = await preheat({});
    expect(failed.status).toBe("FAILED");
    expect(failed.errorMsg).toMatch(/401/);
  });

  describe("with credentials", () => {
    const basic = Buffer.from(`${ACCOUNT.user}:${ACCOUNT.password}`).toString("base64");

    it("so that the first pull takes no byte of a layer from the registry", async () => {
      const heated = await preheat({ Authorization: `Basic ${basic}` });
      expect(heated, heated.errorMsg).toMatchObject({ status: "SUCCESS" });
      const authority = await Authority.create(scratch, "nodes");
      const supernodes = [supernode.node];
      const node = await Dfdaemon.start(scratch, { supernodes, registry, authority });
      const egress = await registry.egress();
      const into = `${scratch.dir}/pulled`;
      const proxy = node.url;
      const trust = authority.directory;
      const login = true;
      const pull = startSkopeoPull(scratch, { registry, repository, into, proxy, trust, login });
      await expectImage(pull, into, image);
      for (const layer of image.layers) expect(await egress.of(layer)).toBeLessThanOrEqual(16);
    });
  });
});
