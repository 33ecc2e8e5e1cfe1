import * as z from "zod";

/**
 * Wraps an object schema so that it takes its keys in any case, as Go's JSON decoder does: clients
 * send `rawUrl`, `cid`, `ip` where the server's model says `rawURL`, `cID`, `IP` (protocol §1).
 * Unknown keys are dropped.
 */
export function caseBlind<Shape extends z.ZodRawShape>(schema: z.ZodObject<Shape>) {
  const canonical = new Map(Object.keys(schema.shape).map((key) => [key.toLowerCase(), key]));
  return z.preprocess((input) => {
    if (typeof input !== "object" || input === null || Array.isArray(input)) return input;
    const output: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(input)) {
      const name = canonical.get(key.toLowerCase());
      // Go decodes `null` into a field as "leave it alone".
      if (name !== undefined && value !== null) output[name] = value;
    }
    return output;
  }, schema);
}
