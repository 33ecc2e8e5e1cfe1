import { describe, expect, it } from "vitest";
import { ReaderBuffers } from "./reader_buffers.ts";

const MiB = 1024 * 1024;

describe("buffers of readers", () => {
  it("are large for a few readers, small for many, and large again once these are gone", () => {
    const buffers = new ReaderBuffers();
    const few = Array.from({ length: 32 }, () => buffers.enter());
    expect(buffers.take(5 * MiB).byteLength).toBe(MiB);
    const last = buffers.enter();
    expect(buffers.take(5 * MiB).byteLength).toBe(128 * 1024);
    last();
    expect(buffers.take(5 * MiB).byteLength).toBe(MiB);
    for (const leave of few) leave();
    expect(buffers.take(3).byteLength).toBe(3);
  });

  it("are used again, small or large", () => {
    const buffers = new ReaderBuffers();
    const large = buffers.take(MiB);
    buffers.give(large);
    expect(buffers.take(MiB).buffer).toBe(large.buffer);
    for (let readers = 0; readers < 33; readers++) buffers.enter();
    const small = buffers.take(MiB);
    buffers.give(small);
    expect(buffers.take(MiB).buffer).toBe(small.buffer);
  });
});
