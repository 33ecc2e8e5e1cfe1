/** What a parameter may be given by somebody who means no good, or whose program is broken. */
export const HOSTILE_VALUES: Record<string, string> = {
  "nothing at all": "",
  "a word": "nonsense",
  "a negative number": "-1",
  "a number beyond 2^53": "9007199254740993123456789",
  "a number beyond all bounds": "1e999",
  "a NUL": "a%00b",
  "bytes that are no UTF-8": "%ff%fe",
  "a broken escape": "%zz%",
  "a way out": "..%2f..%2f..%2fetc%2fpasswd",
  "a line break": "a%0d%0aX-Evil:%201",
  "a long text": "x".repeat(20_000),
  "an object's own name": "__proto__",
  markup: "%3Cscript%3E",
};

/** Bodies where JSON should be. */
export const HOSTILE_BODIES: Record<string, string | Uint8Array> = {
  "nothing at all": "",
  "half an object": '{"rawUrl": "http://127.0.0.1:1/x"',
  "no JSON": "nonsense",
  null: "null",
  "a number": "5",
  "a list": "[]",
  "a list of a list of …": "[".repeat(200_000) + "]".repeat(200_000),
  "an object in an object in …": `${'{"headers":'.repeat(100_000)}1${"}".repeat(100_000)}`,
  "everything of the wrong type":
    '{"rawUrl":[],"taskUrl":{},"cid":5,"ip":true,"port":"x","headers":"x","type":1,"url":[],"IP":{},"fileLength":"x"}',
  "huge numbers":
    '{"rawUrl":"http://127.0.0.1:1/x","cid":"c","ip":"127.0.0.1","port":1e400,"fileLength":123456789012345678901234567890,"duration":1e400}',
  "bytes that are no UTF-8": Buffer.concat([
    Buffer.from('{"rawUrl":"http://127.0.0.1:1/'),
    Buffer.from([0xff, 0xfe]),
    Buffer.from('","cid":"c","ip":"127.0.0.1","type":"file","url":"http://127.0.0.1:1/"}'),
  ]),
  "a prototype": '{"__proto__":{"polluted":true},"constructor":{"prototype":{}}}',
  "a text of 1 MB": `{"cid":"${"x".repeat(1_000_000)}","hostName":"${"x".repeat(10)}","url":"${"x".repeat(10)}"}`,
};
