import type { Measure } from "../measure.ts";
export const growth: Measure = { what: "", target: "", run: async () => [] };
