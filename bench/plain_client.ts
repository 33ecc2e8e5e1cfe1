import { connect, type Socket } from "node:net";

/** HTTP on one connection, a request at a time, with as little work as can be. */
export class PlainClient {
  readonly #socket: Socket;
  #received = "";
  #settle: { resolve(body: string): void; reject(error: Error): void } | undefined;

  /** @param from loopback address that it comes from: a server bounds the connections of each */
  constructor(port: number, from = "127.0.0.1") {
    this.#socket = connect({ port, host: "127.0.0.1", localAddress: from, noDelay: true });
    this.#socket.setEncoding("latin1");
    this.#socket.on("data", (text: string) => this.#take(text));
    this.#socket.on("error", (error) => this.#settle?.reject(error));
    this.#socket.on("close", () => this.#settle?.reject(new Error("the connection was closed")));
  }

  /** Resolves to the answer's body. */
  ask(method: string, path: string, body = ""): Promise<string> {
    const head = body
      ? `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`
      : "";
    this.#socket.write(`${method} ${path} HTTP/1.1\r\nhost: supernode\r\n${head}\r\n${body}`);
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(text: string): void {
    this.#received += text;
    const end = this.#received.indexOf("\r\n\r\n");
    if (end < 0) return;
    const length = Number(/content-length: *(\d+)/i.exec(this.#received.slice(0, end))?.[1] ?? 0);
    if (this.#received.length < end + 4 + length) return;
    const body = this.#received.slice(end + 4);
    this.#received = "";
    this.#settle?.resolve(body);
  }
}
