#!/bin/sh
# @PROGRAM@, on the Deno runtime of the package dragonfly-runtime. Nothing is fetched, and no
# configuration of Deno's own is read.
DENO_NO_UPDATE_CHECK=1
DENO_NO_PROMPT=1
export DENO_NO_UPDATE_CHECK DENO_NO_PROMPT
exec /usr/lib/dragonfly/deno run --quiet --allow-all --no-config --no-remote --no-npm \
  /usr/lib/dragonfly/@PROGRAM@.js "$@"
