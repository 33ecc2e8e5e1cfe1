/** The public face of dfdaemon: what other programs may use of it, `dfctl` above all. */

export { type ConfigSources, DEFAULT_CONFIG_FILE, loadConfig } from "./config.ts";
export { type LoadedConfig, loadReferences, unreadableByDfdaemon } from "./credentials.ts";
export { compileGoRegexp } from "./go_regexp.ts";
export { readPeerOptions } from "./peer_options.ts";
export { hijackRuleFor, type Rules } from "./rules.ts";
export type { ProxyConfig } from "./settings.ts";
export { type ProxyOptions, type RunningProxy, startProxy } from "./start.ts";
