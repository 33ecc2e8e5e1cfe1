import { copyFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { stringify } from "yaml";
import { Authority } from "../support/authority.ts";
import { bytesOnDisk, filesBelow } from "../support/files_below.ts";
import { createImage, MB } from "../support/image.ts";
import { ourProgram } from "../support/our_programs.ts";
import { RunningProgram } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { REGISTRY_NAME, Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage } from "../support/skopeo.ts";

const FIXTURES = resolve(import.meta.dirname, "../fixtures/wikimedia");

/** A host with the addresses, names, files and ports of production, made of Linux namespaces. */
const HOST = `
set -eu
ip link set lo up
for address in 10.64.0.1 10.64.0.10 10.64.0.11; do ip address add $address/32 dev lo; done
mount --bind "$1/etc" /etc
mount --bind "$1/var-lib" /var/lib
listens() { until (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; do sleep 0.05; done; }
docker-registry serve /etc/registry.yml &
$SUPERNODE --home-dir /var/lib/dragonfly-supernode &
listens 10.64.0.1 443
listens dragonfly-supernode1001.eqiad.wmnet 8002
$DFDAEMON --workHome /var/lib/dragonfly-dfdaemon &
listens 127.0.0.1 65001
HTTPS_PROXY=https://127.0.0.1:65001 skopeo copy --quiet --insecure-policy \\
  "--src-cert-dir=$2" docker://${REGISTRY_NAME}/wikimedia/mediawiki:latest "dir:$1/pulled"
`;

describeWithPrograms(
  "the files of Wikimedia's production, not a byte changed",
  { programs: ["skopeo", "docker-registry", "ip", "unshare"], namespaces: true },
  () => {
    let scratch: Scratch;
    beforeAll(async () => {
      scratch = await Scratch.open("wikimedia-unchanged");
    });
    afterAll(() => scratch?.close());

    it("bring an image by the ports and paths that are written there", async () => {
      const registry = await Registry.start(scratch);
      const image = await createImage(scratch, "mediawiki", [MB, 12 * MB]);
      await registry.push(image, "wikimedia/mediawiki");

      const etc = await scratch.directory("etc");
      const varLib = await scratch.directory("var-lib");
      await scratch.directory("etc/dragonfly/ssl");
      await scratch.directory("etc/ssl/certs");
      for (const name of ["supernode.yml", "dfget.yml", "dfdaemon.yml"]) {
        await copyFile(join(FIXTURES, name), join(etc, "dragonfly", name));
      }
      const authority = await Authority.create(scratch, "nodes");
      const node = await authority.leaf("node1001.eqiad.wmnet", REGISTRY_NAME, "127.0.0.1");
      const ssl = join(etc, "dragonfly/ssl/discovery__node1001_eqiad_wmnet");
      await copyFile(node.cert, `${ssl}.chained.pem`);
      await copyFile(node.key, `${ssl}-key.pem`);
      await copyFile(registry.authority.files.cert, join(etc, "ssl/certs/wmf-ca-certificates.crt"));
      await writeFile(join(etc, "nsswitch.conf"), "hosts: files\n");
      await writeFile(join(etc, "passwd"), "root:x:0:0:root:/root:/bin/sh\n");
      await writeFile(
        join(etc, "hosts"),
        `127.0.0.1 localhost
10.64.0.1 ${REGISTRY_NAME}
10.64.0.10 dragonfly-supernode1001.eqiad.wmnet
10.64.0.11 node1001.eqiad.wmnet
`,
      );
      const tls = await registry.authority.leaf(REGISTRY_NAME);
      await writeFile(
        join(etc, "registry.yml"),
        stringify({
          version: 0.1,
          storage: { filesystem: { rootdirectory: registry.storage } },
          http: { addr: "10.64.0.1:443", tls: { certificate: tls.cert, key: tls.key } },
        }),
      );

      const host = RunningProgram.start(
        scratch,
        [
          ...["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"],
          ...["bash", "-c", HOST, "host", scratch.dir, authority.directory],
        ],
        {
          env: {
            SUPERNODE: ourProgram("supernode").join(" "),
            DFDAEMON: ourProgram("dfdaemon").join(" "),
          },
        },
      );
      await expectImage(host, join(scratch.dir, "pulled"), image);

      expect(await bytesOnDisk(join(varLib, "dragonfly-dfdaemon/dfget"))).toBeGreaterThan(12 * MB);
      expect(await filesBelow(varLib)).toEqual(
        expect.arrayContaining(
          [
            "dragonfly-supernode/logs/app.log",
            "dragonfly-dfdaemon/logs/dfdaemon.log",
            "dragonfly-dfdaemon/dfget/logs/dfclient.log",
            "dragonfly-dfdaemon/dfget/logs/dfserver.log",
          ].map((path) => join(varLib, path)),
        ),
      );
    });
  },
);
