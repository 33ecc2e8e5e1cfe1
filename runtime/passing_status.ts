/** Of a server that cannot do what it is asked, now or later: 501 Not Implemented, 505 HTTP Version Not Supported. */
const FOR_GOOD = new Set([501, 505]);

/**
 * Whether a server that answers so says "not now" rather than "no": it has too much to do, or is in trouble, and asking
 * again may help (RFC 9110 §15.6, RFC 6585 §4).
 */
export function isPassingStatus(status: number): boolean {
  return (status >= 500 && !FOR_GOOD.has(status)) || status === 408 || status === 429;
}
