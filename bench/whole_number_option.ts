import { InvalidArgumentError, Option } from "commander";

/** A flag that takes a whole number from `min` to `max`. */
export function wholeNumberOption(
  flags: string,
  help: string,
  min: number,
  max: number,
  preset: number,
): Option {
  return new Option(flags, help)
    .argParser((text: string) => {
      const value = Number(text);
      if (/^\d+$/.test(text) && value >= min && value <= max) return value;
      throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
    })
    .default(preset);
}
