import { expect, it } from "vitest";
import { UploadOrder } from "./upload_order.ts";

it("serves first what brings a block to where nobody has it", () => {
  const order = new UploadOrder(10);
  expect(order.isUrgent(3, false)).toBe(true);
  expect(order.isUrgent(3, false)).toBe(false);
  expect(order.isUrgent(3, true)).toBe(true);
  expect(order.isUrgent(4, false)).toBe(true);
});
