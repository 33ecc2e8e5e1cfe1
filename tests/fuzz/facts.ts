/** What stands at a site, for requests that are nearly right. All addresses are of this host. */
export interface Facts {
  /** `http://address:port` of a web server. */
  plainOrigin: string;
  /** `origin.test:port`: its name for TLS, by which dfdaemon knows it. */
  secureOrigin: string;
  /** `/v2/…/blobs/sha256:…` of a blob that it has. */
  blobPath: string;
  /** A task of the supernode and one of its clients, as v1 has them. */
  task: { id: string; cid: string; pieceSize: number };
  /** Path of that task's copy on the file port, pass included. */
  copyPath: string;
  /** Name on the peer server of a file that it has; `framed` as v1 has it, or in blocks. */
  peerFile: string;
  /** An address where nobody listens. */
  deadPlace: string;
}
