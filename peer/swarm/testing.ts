/** What tests of the swarm share: the node itself, as its neighbours see it. */
export const SELF = {
  cid: "self",
  ip: "127.0.0.1",
  hostName: "self",
  port: 1,
  path: "/peer/file/x",
};
