#!/bin/sh
# @PROGRAM@, on the Deno runtime of the package dragonfly-runtime. Nothing is fetched, and no
# configuration of Deno's own is read. Young objects get 2 MiB: with as much as V8 would take a dfdaemon
# keeps a quarter more memory, and is no faster.
DENO_NO_UPDATE_CHECK=1
DENO_NO_PROMPT=1
export DENO_NO_UPDATE_CHECK DENO_NO_PROMPT
exec /usr/lib/dragonfly/deno run --quiet --allow-all --no-config --no-remote --no-npm \
  --v8-flags=--max-semi-space-size=2 /usr/lib/dragonfly/@PROGRAM@.js "$@"
