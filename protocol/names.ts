/** Everything that has a composed name on the wire (protocol §2, Names). */

/** `<pid>-<unix seconds with 3 decimals>`: tells one run of a client from another. */
export function clientSign(pid: number, nowMs: number): string {
  return `${pid}-${(nowMs / 1000).toFixed(3)}`;
}

/** The id of one download by one node: `<ip>-<sign>`. */
export function clientId(ip: string, sign: string): string {
  return `${ip}-${sign}`;
}

/** The name under which the peer server knows a download: `<base name of the output>-<sign>`. */
export function taskFileName(outputBaseName: string, sign: string): string {
  return `${outputBaseName}-${sign}`;
}

/** The `path` by which other peers ask for the pieces of a download. */
export function peerFilePath(fileName: string): string {
  return `/peer/file/${fileName}`;
}

/** The client id of the supernode's own copy. */
export function seedClientId(supernodeIp: string, taskId: string): string {
  return `cdnnode:${supernodeIp}~${taskId}`;
}

/** The path of the supernode's own copy on its file port: `/download/<first 3 characters>/<task id>`. */
export function seedFilePath(taskId: string): string {
  return `/download/${taskId.slice(0, 3)}/${taskId}`;
}
