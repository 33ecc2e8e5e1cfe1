import type { Measure } from "./measure.ts";
import { cluster } from "./measures/cluster.ts";
import { get } from "./measures/get.ts";
import { getV1 } from "./measures/get_v1.ts";
import { growth } from "./measures/growth.ts";
import { idle } from "./measures/idle.ts";
import { limits } from "./measures/limits.ts";
import { many } from "./measures/many.ts";
import { parts } from "./measures/parts.ts";
import { pull } from "./measures/pull.ts";
import { seed } from "./measures/seed.ts";
import { serve } from "./measures/serve.ts";
import { start } from "./measures/start.ts";
import { ttfb } from "./measures/ttfb.ts";
import { tunnel } from "./measures/tunnel.ts";
import { warm } from "./measures/warm.ts";

/** All measurements, by the name that `npm run bench` takes. */
export const MEASURES: Readonly<Record<string, Measure>> = {
  serve,
  get,
  "get-v1": getV1,
  seed,
  pull,
  ttfb,
  parts,
  warm,
  tunnel,
  start,
  idle,
  cluster,
  many,
  limits,
  growth,
};
