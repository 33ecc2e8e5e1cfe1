import { afterAll, beforeAll, expect, it } from "vitest";
import { HttpClient, readBody } from "../../runtime/http_client.ts";
import { createImage, type Image, MB } from "./image.ts";
import { describeWithPrograms } from "./programs.ts";
import { Registry } from "./registry.ts";
import { Scratch } from "./scratch.ts";
import { expectImage, startSkopeoPull } from "./skopeo.ts";

describeWithPrograms("the registry's log", { programs: ["docker-registry", "skopeo"] }, () => {
  const repository = "library/small";
  let scratch: Scratch;
  let registry: Registry;
  let image: Image;

  beforeAll(async () => {
    scratch = await Scratch.open("registry");
    registry = await Registry.start(scratch);
    image = await createImage(scratch, "small", [MB, 3 * MB]);
    await registry.push(image, repository);
  });
  afterAll(() => scratch?.close());

  it("counts three direct pulls as three times the bytes", async () => {
    const egress = await registry.egress();
    await Promise.all(
      ["a", "b", "c"].map(async (name) => {
        const into = `${scratch.dir}/pulled-${name}`;
        const trust = registry.authority.directory;
        const pull = startSkopeoPull(scratch, { registry, repository, into, trust });
        await expectImage(pull, into, image);
      }),
    );
    for (const layer of image.layers) expect(await egress.of(layer)).toBe(3 * layer.size);
  });

  it("counts partial answers by what they sent", async () => {
    const egress = await registry.egress();
    const layer = image.layers[1]!;
    const url = `https://${registry.address}:${registry.port}/v2/library/small/blobs/${layer.digest}`;
    const client = new HttpClient();
    scratch.defer(() => client.close());
    const response = await client.request(url, {
      headers: { Range: "bytes=100-1123" },
      tls: { ca: [registry.authority.files.pair.cert] },
    });
    expect(response.status).toBe(206);
    expect(await readBody(response, MB)).toHaveLength(1024);
    expect(await egress.of(layer)).toBe(1024);
  });
});
