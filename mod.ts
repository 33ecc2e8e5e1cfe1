/** What another program may import: the three parts of Dragonfly, to run inside its own process. */

export {
  type DfgetSettings,
  DownloadError,
  type DownloadSummary,
  type OpenFile,
  type OpenRequest,
  type Peer,
  type PeerOptions,
  startPeer,
  WrongDigestError,
} from "./peer/mod.ts";
export { startProxy } from "./proxy/start.ts";
export { startSupernode } from "./supernode/start.ts";
