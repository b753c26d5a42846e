#!/bin/sh
# Programs that know nothing of shmlimit, behind one limit: `shmlimit run` holds a permit while a command runs.
#
#   pip install shmlimit
#   sh examples/shell_run.sh 0.2 0.2 0.2 0.2
#
# Kill a command: `run` ends with its status (128 + 9), the permit comes back. Kill `run` itself: its command runs on,
# and keeps the permit.
name=${LIMITER:-shell-example}

wrappers=
for seconds in "$@"; do
    shmlimit run "$name" --limit 2 --label "$seconds s" -- sleep "$seconds" &
    wrappers="$wrappers $!"
done

answered=0
for wrapper in $wrappers; do
    wait "$wrapper" && answered=$((answered + 1))
done
echo "$answered of $# calls answered"
