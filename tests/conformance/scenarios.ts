/**
 * What the Go dfget and curl said to servers: played to ours, in the order in which it was recorded, for
 * later ones meet what earlier ones left.
 */
export const PLAYED_TO_OUR_SERVERS = [
  "cold-three",
  "second-three",
  "empty",
  "tiny",
  "p4m",
  "p4m5",
  "p4m1",
  "big",
  "big-second",
  "missing",
  "auth-none",
  "auth-ok",
  "md5-wrong",
  "md5-right",
  "identifier",
  "filter",
  "pattern-cdn",
  "raw-api",
  "before-raw-peer",
  "raw-peer",
  "kill-midway",
] as const;

/** What servers said to the Go dfget: played to ours. */
export const PLAYED_TO_OUR_DFGET = [
  "tiny",
  "cold-three",
  "second-three",
  "empty",
  "p4m",
  "p4m5",
  "p4m1",
  "big",
  "big-second",
  "kill-midway",
  "missing",
  "auth-none",
  "auth-ok",
  "md5-wrong",
  "md5-right",
  "identifier",
  "filter",
  "pattern-cdn",
  "before-raw-peer",
  "no-supernode",
  "notbs",
] as const;

/** Recordings that have nothing to play to our servers, and why. */
export const NOT_FOR_SERVERS: Readonly<Record<string, string>> = {
  "no-supernode": "no supernode was there",
  notbs: "no supernode was there",
  "idle-shutdown": "no supernode was there any more: our_dfget.test.ts has our peer server say it",
};

/** Recordings that have nothing to play to our dfget, and why. */
export const NOT_FOR_DFGET: Readonly<Record<string, string>> = {
  "raw-api": "curl asked",
  "raw-peer": "curl asked",
  "idle-shutdown": "the peer server's part: our_dfget.test.ts has ours say it",
};

/** The other files of the recordings: the file of ours that reads each, and how it names it there. */
export const OTHER_RECORDINGS: Readonly<Record<string, [reader: string, name: string]>> = {
  "README.md": ["README.md", "README"],
  "dfdaemon.json": ["our_servers.test.ts", 'readTranscript("dfdaemon")'],
  "dfdaemon-answers.txt": ["dfdaemon_answers.ts", '"dfdaemon-answers.txt"'],
  "dfdaemon-dfget-args.txt": ["dfdaemon_calls.test.ts", '"dfdaemon-dfget-args.txt"'],
  "dfdaemon-origin.json": ["our_dfdaemon.test.ts", '"dfdaemon-origin.json"'],
  "help.txt": ["../command_lines/v1_help.ts", '"help.txt"'],
  "dfdaemon-config-default.yml": ["../command_lines/sub_commands.test.ts", "-config-default.yml"],
  "supernode-config-default.yml": ["../command_lines/sub_commands.test.ts", "-config-default.yml"],
  "supernode-metrics.txt": ["our_servers.test.ts", '"supernode-metrics.txt"'],
};
