/** Everything that has a composed name on the wire (protocol §2, Names). */

/** `<pid>-<unix seconds with 3 decimals>`: tells one run of a client from another. */
export function clientSign(pid: number, nowMs: number): string {
  return `${pid}-${(nowMs / 1000).toFixed(3)}`;
}

/**
 * The id of one download by one node: v1's `<ip>-<sign>`, with a secret in between by which nobody else
 * can speak in this client's name.
 */
export function clientId(ip: string, secret: string, sign: string): string {
  return `${ip}-${secret}-${sign}`;
}

/**
 * The name under which the peer server knows a download: v1's `<base name of the output>-<sign>`, with a
 * secret in between. Who knows the name gets the bytes: the supernode tells it to those whom the source
 * lets have them.
 */
export function taskFileName(outputBaseName: string, secret: string, sign: string): string {
  return `${outputBaseName}-${secret}-${sign}`;
}

/** The `path` by which other peers ask for the pieces of a download. */
export function peerFilePath(fileName: string): string {
  return `/peer/file/${fileName}`;
}

/** The client id of the supernode's own copy. */
export function seedClientId(supernodeIp: string, taskId: string): string {
  return `cdnnode:${supernodeIp}~${taskId}`;
}

/**
 * The path of the supernode's own copy: `/download/<first 3 characters>/<task id>`, in its cache and, with
 * a pass at its end, on its file port.
 */
export function seedFilePath(taskId: string, pass = ""): string {
  const path = `/download/${taskId.slice(0, 3)}/${taskId}`;
  return pass ? `${path}/${pass}` : path;
}
