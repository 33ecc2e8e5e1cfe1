import type * as z from "zod";

/** What a schema cannot say of a key by itself; docs/reference/configuration.md is made from it. */
export interface KeyNotes {
  /** Whether the key is ours: v1 does not know it. */
  ours?: boolean;
  /** What the value is, where the schema's own kind says too little: `port`, `path`. */
  type?: string;
  /** What holds where the key is not given, where the schema does not say so. */
  default?: unknown;
}

/**
 * A key's schema with what the key does beside it. Wrappers (`default`, `optional`) go around it.
 *
 * @param what it does, in Markdown, without a full stop
 */
export function documented<Schema extends z.ZodType>(
  schema: Schema,
  what: string,
  notes: KeyNotes = {},
): Schema {
  return schema.meta({ description: what, ...notes });
}
