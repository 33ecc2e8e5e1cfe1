import { deno } from "./deno.ts";

/** Milliseconds after which nobody should need again what was let go, and the runtime has collected it. */
const QUIET_MS = 30_000;

/** The part of Deno by which it calls a library of the system. */
interface Libraries {
  dlopen(
    file: string,
    functions: { malloc_trim: { parameters: ["usize"]; result: "i32" } },
  ): { symbols: { malloc_trim(pad: number): number }; close(): void };
}

let timer: NodeJS.Timeout | undefined;

/** Much memory has been let go: {@link freeMemory} is to be called when this was said some time ago. */
export function freeMemorySoon(): void {
  if (!deno) return;
  if (timer) timer.refresh();
  else timer = setTimeout(afterQuiet, QUIET_MS).unref();
}

function afterQuiet(): void {
  timer = undefined;
  freeMemory();
}

/**
 * Gives the system the memory back that lies free in the C library's heap, which by itself shrinks only from its end: on
 * Deno, where buffers lie among small things, an idle dfdaemon has 25 to 30 MB less since. Takes some milliseconds.
 *
 * @returns whether there was some; never on Node, which cannot call the library
 */
export function freeMemory(): boolean {
  if (!deno) return false;
  try {
    const library = (deno as unknown as Libraries).dlopen("libc.so.6", {
      malloc_trim: { parameters: ["usize"], result: "i32" },
    });
    const freed = library.symbols.malloc_trim(0);
    library.close();
    return freed !== 0;
  } catch {
    // Another C library, or no leave to call it: the memory stays where it is.
    return false;
  }
}
