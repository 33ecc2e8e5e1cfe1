/** A configuration that cannot be used; the message says file, line, key and what was expected. */
export class ConfigError extends Error {
  override name = "ConfigError";
}
