import { expect, it } from "vitest";
import { BodyCount } from "./body_count.ts";
import { PartsBody } from "./parts_body.ts";

it("reads on while a part is kept, but not where many bodies are read at once", async () => {
  const bodies = new BodyCount();
  let kept: () => void = () => {};
  const keeping = new Promise<void>((resolve) => {
    kept = resolve;
  });
  const body = new PartsBody([10, 10], { bodies, onPart: () => keeping });
  expect(body.add(Buffer.alloc(10))).toBeUndefined();
  for (let others = 0; others < 16; others++) bodies.enter();
  const room = body.add(Buffer.alloc(5));
  expect(room).toBeInstanceOf(Promise);
  kept();
  await room;
  expect(body.add(Buffer.alloc(1))).toBeUndefined();
  body.drop();
  expect(bodies.isMany).toBe(false);
});
