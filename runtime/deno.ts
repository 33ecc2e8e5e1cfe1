/**
 * What Deno tells of itself; absent on Node. Who must do something else there than here asks this, so that all places
 * where the two runtimes differ are found by it.
 */
export const deno = (
  globalThis as { Deno?: { readonly mainModule: string; readonly version: { deno: string } } }
).Deno;
