/** What the supernode says in the `code` of an envelope (protocol §1, Codes). */
export const Code = {
  success: 200,
  systemError: 500,
  badParameter: 501,
  targetNotFound: 502,
  finished: 600,
  continue: 601,
  wait: 602,
  peerLimited: 603,
  supernodeSyncFailed: 604,
  unknownError: 605,
  taskConflict: 606,
  urlNotReachable: 607,
  needAuth: 608,
  waitAuth: 609,
  sourceError: 610,
  pieceReported: 611,
  serviceDownReported: 612,
} as const;
export type Code = (typeof Code)[keyof typeof Code];

/** How a piece went, as the client tells it in `result` (protocol §1). */
export const PieceResult = {
  failed: 500,
  success: 501,
  invalid: 502,
  semiSuccess: 503,
} as const;
export type PieceResult = (typeof PieceResult)[keyof typeof PieceResult];

/** Where a client stands with its task, as it tells it in `status` (protocol §1). */
export const ClientStatus = {
  started: 700,
  running: 701,
  finished: 702,
} as const;
export type ClientStatus = (typeof ClientStatus)[keyof typeof ClientStatus];
