/**
 * To be imported before all else by programs that run for long: how the runtime is to keep its heap.
 *
 * Young objects are collected before their space grows. A supernode, which holds a little for each of thousands of
 * connections, takes 220 MB with 8,000 nodes instead of 295; a dfdaemon, whose chunks from the network wait for such a
 * collection, 108 MB while it pulls instead of 134. (`--optimize-for-size` saved as much, but a dfdaemon's first byte
 * came 70 ms later.) Once the space has grown it does not shrink again: hence before all else.
 *
 * Old objects may fill twice what was left of them. Node 20 holds the bytes of buffers against a limit that it has
 * made for objects alone, and so dfdaemon's blocks, 20 MB beside 14 of objects, had it collect everything time
 * and again: 64 times in a pull of 500 MB, a third of its processor time. With four times, a supernode with
 * 15,000 nodes and 2,000 clients of v1 takes 470 MB instead of 370, and a dfdaemon that serves 200 clients 380
 * instead of 330; a pull takes no more processor time with two.
 */
import { setFlagsFromString } from "node:v8";

try {
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--heap-growing-percent=100");
} catch {
  // Where the runtime does not know how, all works the same with more memory.
}
