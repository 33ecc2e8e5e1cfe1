import { describe, expect, it } from "vitest";
import { taskId } from "./task_id.ts";

const THREE = "http://127.0.0.1:18080/three";

describe("taskId", () => {
  // Ids that the Go supernode v1.0.6 answered (transcripts).
  it.each([
    [THREE, "781f9c8d072b615f67cabcdab616211fa5711728fddad15395d7420553cf07a8"],
    [
      "http://127.0.0.1:18080/big",
      "cfc1b7035f9f6b0a0aa7e20382a6e8524ffc0586fb4e4d26ab51f2a9918855e7",
    ],
    [
      "http://127.0.0.1:18080/p4m1",
      "45c2988bdb2193eeba5f189ebedbc4f79ce6d26d9949d074f84ba8d6261c4900",
    ],
    [
      "http://127.0.0.1:18080/empty",
      "9a9a1ab333aa0a26fa5f304d9056e543a785015c1c2d38068aea184a2c079f82",
    ],
    ["http://127.0.0.1:1/y", "f2bac50bda2a6201c8de30207a5520f7307557df3a0f1898573834592df3bac3"],
  ])("knows %s as v1 does", (taskUrl, id) => {
    expect(taskId({ taskUrl })).toBe(id);
  });

  it("takes md5 before identifier, and Range only in that case", () => {
    const plain = taskId({ taskUrl: THREE });
    expect(taskId({ taskUrl: THREE, md5: "a", identifier: "b" })).toBe(
      taskId({ taskUrl: THREE, md5: "a" }),
    );
    expect(taskId({ taskUrl: THREE, identifier: "a" })).toBe(taskId({ taskUrl: THREE, md5: "a" }));
    expect(taskId({ taskUrl: THREE, headers: { Range: "bytes=0-9" } })).not.toBe(plain);
    expect(taskId({ taskUrl: THREE, headers: { range: "bytes=0-9" } })).toBe(plain);
  });

  it("agrees with v1 about a ranged blob", () => {
    const taskUrl =
      "http://127.0.0.1:18090/v2/x/blobs/sha256:e894435e800e122fdcc592abcf025f39ee968f4e809068b951bd4aaba5621f84";
    expect(taskId({ taskUrl })).toBe(
      "c0f6e78ae4ae0db04ad930bd594ccdd3866064ff057b6592fa4f0b08c1c68964",
    );
    expect(taskId({ taskUrl, headers: { Range: "bytes=100-199" } })).toBe(
      "3953231d2f3f094730864480736ceb658926de69c3a110699db8abfd986eb131",
    );
  });
});
