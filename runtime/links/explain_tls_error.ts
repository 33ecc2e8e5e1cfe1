const NOT_OURS = "its certificate is not of an authority in tls.ca";
const NO_TLS = "it does not speak TLS (no tls: in its configuration?)";
const REASONS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not good yet: are both clocks right?",
  DEPTH_ZERO_SELF_SIGNED_CERT: NOT_OURS,
  SELF_SIGNED_CERT_IN_CHAIN: NOT_OURS,
  UNABLE_TO_GET_ISSUER_CERT: NOT_OURS,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: NOT_OURS,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: NOT_OURS,
  ERR_SSL_HTTP_REQUEST: "it speaks plain HTTP (no tls: in its configuration?)",
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: "it shows no certificate",
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: "it wants a certificate (tls: in the configuration)",
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: "it does not know the authority of our certificate",
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: "it says that our certificate has expired",
};

/** What is said otherwise of servers that are not ours. */
const REASONS_OF_OTHERS: Readonly<Record<string, string>> = {
  [NOT_OURS]: "its certificate is not of an authority that is trusted here",
  [NO_TLS]: "it does not speak TLS: is it http there, and not https?",
};

/**
 * Why a TLS connection did not come about, in words that help; other errors as they are.
 *
 * @param own whether it was one between programs of ours, for which `tls.ca` counts
 */
export function explainTlsError(error: Error, own = true): string {
  const { code = "", message } = error as NodeJS.ErrnoException;
  // Errors of the library begin with numbers and end with a place in its source.
  const [, words] = /:error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):/.exec(message) ?? [];
  // Where a write finds the connection broken, Node has the one code for all.
  const told = words && `ERR_SSL_${words.toUpperCase().replaceAll(" ", "_")}`;
  const reason = REASONS[code === "EPROTO" && told ? told : code];
  if (reason === undefined) return words ?? message;
  return (own ? undefined : REASONS_OF_OTHERS[reason]) ?? reason;
}
