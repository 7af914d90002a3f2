#!/bin/sh
# Runs the CUDA compiler. ptxas tells of serialized wgmma (C7510, C7513, C7514), several times slower, as mere
# information: an error here.
output=$("$@" 2>&1)
code=$?
[ -z "$output" ] || printf '%s\n' "$output"
case "$output" in *C7510* | *C7513* | *C7514*) exit 1 ;; esac
exit $code
