import { expect, it } from "vitest";
import { MeasuredRates } from "./measured_rates.ts";

it("measures from one report to the next", () => {
  const rates = new MeasuredRates(0);
  rates.gained(1000);
  rates.gained(500);
  expect(rates.take(300, 500)).toEqual({ downRate: 3000, upRate: 600 });
  expect(rates.take(300, 1000)).toEqual({ downRate: 0, upRate: 0 });
  rates.gained(10);
  expect(rates.take(320, 3000)).toEqual({ downRate: 5, upRate: 10 });
});
