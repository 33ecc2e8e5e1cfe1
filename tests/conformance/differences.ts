import { pathKeySchema } from "../../protocol/path_pass.ts";
import { SWARM_VERSION } from "../../protocol/swarm/messages.ts";
import { VERSION } from "../../runtime/version.ts";
import type { Answer } from "./answer.ts";
import type { Found } from "./diff.ts";
import { LAYER_DIGEST } from "./origin.ts";

/**
 * - `moment`: a value of the moment or of the machine, which must differ; its form is checked.
 * - `words`: our own words in a text for people, which no program reads.
 * - `extension`: a word of our own that v1's programs ignore (docs/protocol.md, Extensions).
 * - `better`: v1's answer is wrong, or weaker than it could be without any v1 program noticing.
 */
export type Kind = "moment" | "words" | "extension" | "better";

/** One place where our programs may say something else than v1's, and what they say there. */
export interface Difference {
  kind: Kind;
  /** What was compared: `<scenario> <method> <path>`, `<scenario> pieces`, `<scenario> printed`. */
  of: RegExp;
  /** Where in it, as `diff.ts` names places. */
  at: RegExp;
  reason: string;
  /** Whether what we say there is what we mean to say. */
  holds(found: Found): boolean;
}

const bothTexts = ({ recorded, ours }: Found) =>
  typeof recorded === "string" && typeof ours === "string" && ours !== "";
const says = (value: unknown) => (found: Found) => Object.is(found.ours, value);
const upToError = (line: unknown) => String(line).split(" error:")[0]!;
const isForm =
  (form: RegExp) =>
  ({ recorded, ours }: Found) =>
    form.test(String(recorded)) && form.test(String(ours));

const isPathKey = ({ ours }: Found) => pathKeySchema.safeParse(ours).success;

/** Our supernode, its file port and our peer server, spoken to as the Go programs spoke to theirs. */
export const SERVER_DIFFERENCES: readonly Difference[] = [
  {
    kind: "words",
    of: /GET \/peer\/task/,
    at: /^body\.msg$/,
    reason:
      "the text of codes 500, 501, 502 and 602: clients go by the code, v1 prints Go's errors",
    holds: bothTexts,
  },
  {
    kind: "words",
    of: /(POST \/peer\/registry|GET \/peer\/piece\/suc|GET \/peer\/service\/down)/,
    at: /^body\.message$/,
    reason: "the text of a refusal, which the Go client only writes to its log",
    holds: bothTexts,
  },
  {
    kind: "words",
    of: /raw-peer GET \/(peer\/file|rate)\//,
    at: /^body$/,
    reason: "the text of a refusal by the peer server, which no client reads",
    holds: bothTexts,
  },
  {
    kind: "moment",
    of: /GET \/download\//,
    at: /^headers\.content-range$/,
    reason: "the bytes in the cache file at this moment: clients read start and end only",
    holds: ({ recorded, ours }) =>
      String(recorded).split("/")[0] === String(ours).split("/")[0] && ours !== undefined,
  },
  {
    kind: "moment",
    of: /raw-api GET \/version/,
    at: /^body\.(Version|GoVersion|Arch)$/,
    reason: "the recorded programs were built without a version, and by Go",
    holds: ({ ours }) => typeof ours === "string" && ours !== "",
  },
  {
    kind: "moment",
    of: /raw-api GET \/api\/v1\/peers/,
    at: /^headers\.content-length$/,
    reason: "v1 sends the longer ones of its JSON texts chunked",
    holds: says("that of the body"),
  },
  {
    kind: "moment",
    of: /raw-peer GET \/metrics/,
    at: /^(headers\.content-length|body\.(length|md5|last4_hex|first8_hex))$/,
    reason: "counters and times; names and labels are compared in our_servers.test.ts",
    holds: () => true,
  },
  {
    kind: "moment",
    of: /raw-api POST \/api\/v1\/peers/,
    at: /^body\.ID$/,
    reason: "holds the time in nanoseconds",
    holds: isForm(/^h8-127\.0\.0\.8-\d{19}$/),
  },
  {
    kind: "moment",
    of: /raw-api GET \/preheats$/,
    at: /^body\[0\]\.(StartTime|FinishTime)$/,
    reason: "times in ms since the epoch",
    holds: isForm(/^\d{13}$/),
  },
  {
    kind: "better",
    of: /raw-api GET \/preheats$/,
    at: /^body\[0\]\.(Status|ErrorMsg)$/,
    reason:
      "v1 preheats files with /usr/local/bin/dfget, which a supernode's host lacks; ours needs none",
    holds: ({ at, ours }) => ours === (at.endsWith("Status") ? "SUCCESS" : ""),
  },
  {
    kind: "better",
    of: /raw-peer GET \/peer\/file\/none/,
    at: /^status$/,
    reason: "at 404 a Go client tells the supernode that the file is gone, at v1's 500 it does not",
    holds: ({ recorded, ours }) => recorded === 500 && ours === 404,
  },
  {
    kind: "better",
    of: /raw-peer GET \/peer\/file\//,
    at: /^(status|headers\.content-(type|length))$/,
    reason: "beyond the end of the file v1 sends 206 and a frame of garbage, ours 416 and a reason",
    holds: ({ at, recorded, ours }) =>
      at === "status" ? recorded === 206 && ours === 416 : ours !== undefined,
  },
  {
    kind: "moment",
    of: /kill-midway pieces/,
    at: /^pieces\[\d+\]\.server$/,
    reason:
      "two nodes hold every piece, and are equally busy: which one serves is chosen at random",
    holds: isForm(/^(127\.0\.0\.[23])-[\d.-]+ \1:15001 \/peer\/file\/big(-second)?-big-[\d.-]+$/),
  },
  {
    kind: "better",
    of: /raw-api (GET|DELETE) \/api\/v1\/(peers|tasks)\/nope/,
    at: /^(status|body\.code)$/,
    reason: "v1 says 500 of an unknown peer or task, ours 404: no v1 program asks for one",
    holds: ({ recorded, ours }) => recorded === 500 && ours === 404,
  },
  {
    kind: "better",
    of: /raw-peer GET \/check\/x1/,
    at: /^(status|headers\.content-type|body)$/,
    reason:
      "v1 takes any file of its host on, ours in another data directory only what dfget names",
    holds: ({ at, ours }) => at !== "status" || ours === 400,
  },
  {
    kind: "better",
    of: /raw-api GET \/api\/v1\/peers/,
    at: /^body\.127\.0\.0\.1:28001$/,
    reason: "v1 counts its own file port among the peers, which it is not",
    holds: says(undefined),
  },
];

/** Answers that say the same in another way, and what they say. */
const MEANINGS: readonly { of: RegExp; reason: string; meaning(answer: Answer): Answer }[] = [
  {
    of: /raw-api GET \/api\/v1\/peers$/,
    reason:
      "v1 lists a node once for every registration, ours once; ids and dates are of the moment",
    meaning: (answer) => ({
      ...answer,
      body: Object.fromEntries(
        (answer.body as Record<string, unknown>[]).map(({ ID, created, ...peer }) => [
          `${peer.IP}:${peer.port}`,
          {
            ...peer,
            ID: String(ID).replace(/-\d{19}$/, "-<ns>"),
            created: String(created).replace(/^[\d-]{10}T[\d:]{8}\.\d{3}Z$/, "<time>"),
          },
        ]),
      ),
    }),
  },
];

/** Turns an answer about `subject` into one that is compared by its meaning. */
export function meaning(subject: string): (answer: Answer) => Answer {
  const entry = MEANINGS.find(({ of }) => of.test(subject));
  return entry ? entry.meaning : (answer) => answer;
}

/** Our dfget, answered as v1's was. */
export const DFGET_DIFFERENCES: readonly Difference[] = [
  {
    kind: "extension",
    of: /POST \/peer\/registry/,
    at: /^body\.pathKey$/,
    reason: "ours give a file to those only who have a pass, which v1's supernode does not know of",
    holds: isPathKey,
  },
  {
    kind: "extension",
    of: /POST \/peer\/registry/,
    at: /^body\.pieceSha256$/,
    reason: "ours check pieces by sha256 where the supernode can say it; v1's supernode ignores it",
    holds: says(true),
  },
  {
    kind: "moment",
    of: /POST \/(peer\/registry|task\/metrics)/,
    at: /^body\.port$/,
    reason: "the port of the peer server: any free one here, 15001 in the recordings",
    holds: ({ ours }) => Number(ours) >= 15000 && Number(ours) <= 65000,
  },
  {
    kind: "moment",
    of: /POST \/peer\/registry/,
    at: /^body\.version$/,
    reason: "the recorded programs were built without a version",
    holds: says(VERSION),
  },
  {
    kind: "moment",
    of: /GET \/(download|peer\/file)\//,
    at: /^headers\.user-agent$/,
    reason: "the recorded programs were built without a version",
    holds: says(`dfget/${VERSION}`),
  },
  {
    kind: "moment",
    of: / (GET|POST) \/(peer\/(registry|task|piece\/suc)|task\/metrics)/,
    at: /^headers\.user-agent$/,
    reason: "the name of Go's HTTP library, which no supernode reads",
    holds: ({ recorded, ours }) => recorded === "fasthttp" && ours === undefined,
  },
  {
    kind: "moment",
    of: /POST \/task\/metrics/,
    at: /^body\.duration$/,
    reason: "seconds that the download took",
    holds: isForm(/^\d+(\.\d+)?$/),
  },
  {
    kind: "words",
    of: /(missing|auth-none|notbs|md5-wrong) printed/,
    at: /^\[\d\]$/,
    reason:
      "why a download failed: in plain words, with the URL, where v1 prints Go's error as JSON",
    holds: ({ recorded, ours }) =>
      / error:\{"Code":1104,/.test(String(recorded)) &&
      / error:[^{]/.test(String(ours)) &&
      upToError(recorded) === upToError(ours),
  },
  {
    kind: "better",
    of: /local-md5-wrong printed/,
    at: /^\[8\]$/,
    reason: "the length of a file that was not kept: none, as for every other download that failed",
    holds: ({ ours }) => upToError(ours).endsWith("length:-1 reason:3"),
  },
  {
    kind: "better",
    of: /filter printed/,
    at: /^\[0\]$/,
    reason: "query strings may hold credentials: ours are not printed",
    holds: ({ ours }) => /tiny\?(.*=)?(\*+|…|<hidden>|REDACTED|redacted)/.test(String(ours)),
  },
  {
    kind: "better",
    of: /filter POST \/peer\/registry/,
    at: /^body\.path$/,
    reason: "v1 names the file that peers ask for after the output, `?` and `&` included",
    holds: says("/peer/file/filter-tiny_sign_1_key_2_x_3-<sign>"),
  },
  {
    kind: "words",
    of: /auth-ok POST \/peer\/registry/,
    at: /^body\.headers\[0\]$/,
    reason:
      "the space after the colon, which the supernode trims (v1's dfdaemon sends none either)",
    holds: says("Authorization:Basic dTpw"),
  },
  {
    kind: "better",
    of: /pattern-cdn POST \/peer\/registry/,
    at: /^body\.(pattern|port)$/,
    reason: "v1 keeps --pattern to itself: ours says it, and that it serves nobody",
    holds: ({ at, ours }) => ours === (at === "body.pattern" ? "cdn" : undefined),
  },
  {
    kind: "better",
    of: /pattern-cdn POST \/task\/metrics/,
    at: /^body\.port$/,
    reason: "with --pattern cdn there is no peer server",
    holds: says(undefined),
  },
  {
    kind: "better",
    of: /(md5-wrong|pattern-cdn) GET \/peer\/service\/down/,
    at: /^$/,
    reason: "who does not keep the file says so: v1 leaves the supernode to find out",
    holds: ({ ours }) => ours !== undefined,
  },
  {
    kind: "moment",
    of: /big(-second)? POST \/task\/metrics/,
    at: /^$/,
    reason: "of the longest downloads only the first 40 exchanges were kept",
    holds: ({ ours }) => ours !== undefined,
  },
  {
    kind: "better",
    of: /local-md5-wrong POST \/task\/metrics/,
    at: /^$/,
    reason: "v1 counts only downloads that went well, though it has a metric for the others",
    holds: ({ ours }) => ours !== undefined,
  },
  {
    kind: "better",
    of: /source-md5-wrong POST \/task\/metrics/,
    at: /^body\.(backsourceReason|duration|fileLength|success)$/,
    reason: "v1 takes a wrong file for a success in pattern `source`: ours reports that it failed",
    holds: ({ at, ours }) => ours === (at === "body.backsourceReason" ? "2" : undefined),
  },
  {
    kind: "better",
    of: /source-md5-wrong printed/,
    at: /^\[\d\]$/,
    reason: "v1 says SUCCESS and exits with 0 for a wrong md5 in pattern `source`, without a file",
    holds: ({ ours }) => !/SUCCESS|exit 0/.test(String(ours)),
  },
];

/** Our dfdaemon, asked as v1's was. */
export const DFDAEMON_DIFFERENCES: readonly Difference[] = [
  {
    kind: "better",
    of: /ns=docker\.io/,
    at: /^/,
    reason:
      "v1 asks the configured registry for the layer of another one that `ns` names; ours asks that one (which the test does not have)",
    holds: ({ at, ours }) => at !== "status" || ours === 502,
  },
  {
    kind: "better",
    of: /\/blobs\//,
    at: /^headers\.content-disposition$/,
    reason: "v1 shows where it keeps the file",
    holds: says(undefined),
  },
  {
    kind: "better",
    of: /\/blobs\//,
    at: /^headers\.last-modified$/,
    reason: "v1 gives the date of its own copy, ours what the registry gives: nothing here",
    holds: says(undefined),
  },
  {
    kind: "better",
    of: /\/blobs\//,
    at: /^headers\.(docker-content-digest|etag)$/,
    reason: "v1 loses the registry's headers",
    holds: ({ at, ours }) => ours === (at.endsWith("etag") ? '"e"' : LAYER_DIGEST),
  },
  {
    kind: "better",
    of: /Range: bytes=100-199/,
    at: /^(status|headers\.content-range)$/,
    reason: "v1 sends a part of the file as if it were the whole",
    holds: ({ at, ours }) => ours === (at === "status" ? 206 : "bytes 100-199/9000000"),
  },
  {
    kind: "moment",
    of: /\/(metrics|args|debug\/version)$/,
    at: /^(headers\.content-length|body\.(length|sha256))$/,
    reason: "counters, command line and version of another program",
    holds: ({ ours }) => ours !== undefined,
  },
  {
    kind: "better",
    of: /\/debug\/version$/,
    at: /^headers\.content-type$/,
    reason: "v1 calls its JSON text",
    holds: says("application/json"),
  },
  {
    kind: "moment",
    of: /registration/,
    at: /^(port|superNodeIp)$/,
    reason: "addresses of the moment",
    holds: isForm(/^(\d{5}|127(\.\d+){3})$/),
  },
  {
    kind: "moment",
    of: /registration/,
    at: /^path$/,
    reason: "v1 invents a name for each file, ours takes the layer's digest",
    holds: isForm(/^\/peer\/file\/([\da-f-]{36}|[\da-f]{64})-<sign>$/),
  },
  {
    kind: "moment",
    of: /registration/,
    at: /^version$/,
    reason: "the recorded programs were built without a version",
    holds: says(VERSION),
  },
  {
    kind: "extension",
    of: /registration/,
    at: /^pieceSha256$/,
    reason: "ours check pieces by sha256 where the supernode can say it; v1's supernode ignores it",
    holds: says(true),
  },
  {
    kind: "extension",
    of: /registration/,
    at: /^pathKey$/,
    reason: "ours give a file to those only who have a pass, which v1's supernode does not know of",
    holds: isPathKey,
  },
  {
    kind: "extension",
    of: /registration/,
    at: /^swarm$/,
    reason: "a node that can take part in our own swarm says so; v1's supernode ignores it",
    holds: ({ ours }) => (ours as { version?: unknown } | undefined)?.version === SWARM_VERSION,
  },
  {
    kind: "better",
    of: /registration/,
    at: /^headers\[3\]$/,
    reason: "v1 tells registry and supernode which of the node's users asks (X-Forwarded-For)",
    holds: says(undefined),
  },
];
