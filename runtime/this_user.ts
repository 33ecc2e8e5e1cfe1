import { userInfo } from "node:os";

/** Who this program runs as, for a person: a user of a container may have no name. */
export function thisUser(): string {
  try {
    return `user ${userInfo().username}`;
  } catch {
    return `user ${process.getuid?.()}`;
  }
}
