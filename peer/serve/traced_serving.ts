import type { ServerResponse } from "node:http";
import {
  isTracing,
  type Span,
  type SpanAttributes,
  startSpan,
} from "../../runtime/tracing/tracing.ts";

/** One neighbour that listens to us, and what it has got meanwhile. */
interface Conversation {
  span: Span;
  blocks: number;
  bytes: number;
}

/**
 * What this node hands to others, in their traces. A neighbour sends the same `traceparent` with each block that
 * it asks for as when it began to listen: its blocks are counted in one span, for as long as it listens. Who does
 * not listen, as with v1's schedule, gets a span a piece.
 */
export class TracedServing {
  readonly #conversations = new Map<string, Conversation>();

  /** A neighbour begins to listen to what this node holds of a file. */
  listens(traceparent: string | undefined, outgoing: ServerResponse, about: SpanAttributes): void {
    if (traceparent === undefined || !isTracing()) return;
    const span = startSpan("serve neighbour", {
      kind: "server",
      parent: traceparent,
      attributes: about,
    });
    const conversation: Conversation = { span, blocks: 0, bytes: 0 };
    this.#conversations.set(traceparent, conversation);
    outgoing.once("close", () => {
      const { blocks, bytes } = conversation;
      span.set({ "dragonfly.blocks": blocks, "dragonfly.bytes.served": bytes });
      span.end();
      if (this.#conversations.get(traceparent) === conversation)
        this.#conversations.delete(traceparent);
    });
  }

  /** Bytes of a piece are on their way. */
  serves(
    traceparent: string | undefined,
    outgoing: ServerResponse,
    bytes: number,
    about: SpanAttributes,
  ): void {
    if (traceparent === undefined || !isTracing()) return;
    const conversation = this.#conversations.get(traceparent);
    if (conversation) {
      conversation.blocks += 1;
      conversation.bytes += bytes;
      return;
    }
    const attributes = { ...about, "dragonfly.bytes.served": bytes };
    const span = startSpan("serve piece", { kind: "server", parent: traceparent, attributes });
    if (outgoing.closed) span.end();
    else outgoing.once("close", () => span.end());
  }
}
