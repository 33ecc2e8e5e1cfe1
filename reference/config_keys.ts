import * as z from "zod";
import type { KeyNotes } from "../runtime/key_notes.ts";

/** One key of a configuration file, as a reader looks it up. */
export interface ConfigKey {
  /** With those above it: `base.console.enabled`, `proxies[].regx`. */
  path: string;
  ours: boolean;
  type: string;
  /** What holds where it is not given; empty: nothing. */
  default: string;
  what: string;
}

/**
 * The keys of a configuration's schema, each block before what is in it.
 *
 * @throws {Error} naming a key of which no schema says what it does
 */
export function configKeys(schema: z.ZodType, above = "", ours = false): ConfigKey[] {
  const block = blockOf(schema);
  if (!block) return [];
  return Object.entries(block.shape).flatMap(([name, value]) => {
    const path = above === "" ? name : `${above}.${name}`;
    const notes = notesOf(value);
    const isOurs = ours || notes.ours === true;
    const inner = innermost(value);
    const list = inner instanceof z.ZodArray ? blockOf(inner.element as z.ZodType) : undefined;
    const below = list
      ? configKeys(list, `${path}[]`, isOurs)
      : configKeys(value as z.ZodType, path, isOurs);
    if (notes.description === undefined) {
      if (below.length > 0) return below;
      throw new Error(`${path}: no schema says what it does`);
    }
    const key = {
      path,
      ours: isOurs,
      type: notes.type ?? (list ? "list of blocks" : kindOf(inner)),
      default: notes.default === undefined ? "" : textOf(notes.default),
      what: notes.description,
    };
    return [key, ...below];
  });
}

type Notes = KeyNotes & { description?: string };

/** What a schema and those within it say; the outer ones count first. */
function notesOf(schema: z.core.$ZodType): Notes {
  const found: Notes = {};
  let byDefault: unknown;
  for (let one: z.core.$ZodType | undefined = schema; one; one = within(one)) {
    const { description, ours, type, default: given } = z.globalRegistry.get(one) ?? {};
    found.description ??= description;
    found.ours ??= ours as boolean | undefined;
    found.type ??= type as string | undefined;
    found.default ??= given;
    const { def } = one._zod;
    if (isDefault(def)) byDefault ??= def.defaultValue;
  }
  found.default ??= byDefault;
  return found;
}

function isDefault(def: z.core.$ZodTypeDef): def is z.core.$ZodDefaultDef | z.core.$ZodPrefaultDef {
  return def.type === "default" || def.type === "prefault";
}

/** The schema that another one wraps: of a default, an option, or what is read before it is checked. */
function within(schema: z.core.$ZodType): z.core.$ZodType | undefined {
  const { def } = schema._zod;
  if (def.type === "pipe") {
    const { in: before, out } = def as z.core.$ZodPipeDef;
    return before._zod.def.type === "transform" ? out : before;
  }
  return (def as Partial<z.core.$ZodOptionalDef>).innerType;
}

function innermost(schema: z.core.$ZodType): z.core.$ZodType {
  const inner = within(schema);
  return inner ? innermost(inner) : schema;
}

function blockOf(schema: z.core.$ZodType): z.ZodObject | undefined {
  const inner = innermost(schema);
  return inner instanceof z.ZodObject ? inner : undefined;
}

function kindOf(schema: z.core.$ZodType): string {
  if (schema instanceof z.ZodEnum) return schema.options.map((one) => `\`${one}\``).join(" or ");
  if (schema instanceof z.ZodBoolean) return "true or false";
  if (schema instanceof z.ZodNumber)
    return /int/.test(schema.format ?? "") ? "whole number" : "number";
  if (schema instanceof z.ZodString) return "text";
  if (schema instanceof z.ZodArray) return "list";
  if (schema instanceof z.ZodRecord) return "map";
  if (schema instanceof z.ZodObject) return "block";
  throw new Error(`a schema of kind ${schema._zod.def.type} needs a type in its notes`);
}

function textOf(value: unknown): string {
  if (value === null || value === "") return "";
  if (Array.isArray(value)) return value.length === 0 ? "" : JSON.stringify(value);
  return typeof value === "object" ? "" : String(value);
}
