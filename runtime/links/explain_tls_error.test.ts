import { expect, it } from "vitest";
import { explainTlsError } from "./explain_tls_error.ts";

const failed = (code: string, message: string) => Object.assign(new Error(message), { code });
const WRONG_VERSION =
  "800CEF2E6F7F0000:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/openssl/ssl3_record.c:350:\n";

it.each([
  ["ERR_SSL_WRONG_VERSION_NUMBER", WRONG_VERSION],
  // As Node has it where it was about to write.
  ["EPROTO", `write EPROTO ${WRONG_VERSION}`],
])("a server without TLS is called so, whatever the code: %s", (code, message) => {
  const error = failed(code, message);
  expect(explainTlsError(error)).toMatch(/does not speak TLS \(no tls: in its conf/);
  expect(explainTlsError(error, false)).toMatch(/does not speak TLS: is it http there/);
});

it("what has no words of ours is told in the library's, without its numbers and places", () => {
  const message =
    "write EPROTO 00:error:0A000410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:../x.c:1:SSL alert number 40\n";
  expect(explainTlsError(failed("EPROTO", message))).toBe("sslv3 alert handshake failure");
  expect(explainTlsError(failed("ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:1"))).toBe(
    "connect ECONNREFUSED 127.0.0.1:1",
  );
});
