/** Every flag of v1.0.6's three programs, as `--help` of each lists them. */
export type SupernodeFlag =
  | "advertise-ip"
  | "cdn-pattern"
  | "config"
  | "debug"
  | "down-limit"
  | "download-port"
  | "fail-access-interval"
  | "gc-initial-delay"
  | "gc-meta-interval"
  | "home-dir"
  | "max-bandwidth"
  | "peer-gc-delay"
  | "pool-size"
  | "port"
  | "profiler"
  | "system-bandwidth"
  | "task-expire-time"
  | "up-limit";

export type DfdaemonFlag =
  | "certpem"
  | "config"
  | "dfpath"
  | "hostIp"
  | "keypem"
  | "localrepo"
  | "maxprocs"
  | "node"
  | "peerPort"
  | "port"
  | "ratelimit"
  | "registry"
  | "streamMode"
  | "verbose"
  | "workHome";

export type DfgetFlag =
  | "alivetime"
  | "cacerts"
  | "callsystem"
  | "clientqueue"
  | "console"
  | "dfdaemon"
  | "expiretime"
  | "filter"
  | "header"
  | "home"
  | "identifier"
  | "insecure"
  | "ip"
  | "locallimit"
  | "md5"
  | "minrate"
  | "node"
  | "notbs"
  | "output"
  | "pattern"
  | "port"
  | "showbar"
  | "timeout"
  | "totallimit"
  | "url"
  | "verbose";

/** The flags that have one letter besides. */
export const SHORT_FORMS = {
  debug: "D",
  filter: "f",
  identifier: "i",
  locallimit: "s",
  md5: "m",
  node: "n",
  output: "o",
  pattern: "p",
  showbar: "b",
  timeout: "e",
  url: "u",
} as const satisfies Partial<Record<SupernodeFlag | DfgetFlag, string>>;
