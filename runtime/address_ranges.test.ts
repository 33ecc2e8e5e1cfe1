import { expect, it } from "vitest";
import { AddressRanges, ipv4Behind, plainAddress } from "./address_ranges.ts";

const ranges = new AddressRanges(["10.64.0.0/12", "192.168.1.7", "fd00::/8", "::1"]);

it.each([
  "10.64.0.1",
  "10.79.255.255",
  "::ffff:10.64.0.1",
  "::ffff:a40:1",
  "192.168.1.7",
  "fd12::1",
  "::1",
])("has %s", (address) => {
  expect(ranges.has(address)).toBe(true);
});

it.each(["10.80.0.0", "192.168.1.8", "fe80::1", "::ffff:10.80.0.1", "", "host", "10.64.0"])(
  "does not have %j",
  (address) => {
    expect(ranges.has(address)).toBe(false);
  },
);

it.each(["10.0.0.0/33", "fd00::/129", "10.0.0.0/", "host", "", "10.0.0.0/8/8"])(
  "refuses %j as a range",
  (range) => {
    expect(() => new AddressRanges([range])).toThrow("is no address range");
  },
);

it.each([
  ["169.254.169.254", "169.254.169.254"],
  ["::ffff:169.254.169.254", "169.254.169.254"],
  ["0:0:0:0:0:ffff:a9fe:a9fe", "169.254.169.254"],
  ["fe80::1%eth0", "fe80::1"],
  // Whoever has such an address is not this host.
  ["64:ff9b::7f00:1", "64:ff9b::7f00:1"],
  ["2002:7f00:1::1", "2002:7f00:1::1"],
  ["::7f00:1", "::7f00:1"],
])("%s is plainly %s", (address, plain) => {
  expect(plainAddress(address)).toBe(plain);
});

it.each([
  ["64:ff9b::a9fe:a9fe", "169.254.169.254"],
  ["2002:a9fe:a9fe::1", "169.254.169.254"],
  ["2002:a9fe::", "169.254.0.0"],
  ["::ffff:0:a9fe:a9fe", "169.254.169.254"],
  ["::169.254.169.254", "169.254.169.254"],
  ["fd00::a9fe:a9fe", undefined],
  ["::1", undefined],
  ["169.254.169.254", undefined],
])("behind %s is %s", (address, ipv4) => {
  expect(ipv4Behind(address)).toBe(ipv4);
});
