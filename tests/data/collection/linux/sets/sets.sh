#!/bin/sh -e
# A measurement in each of several sets.

. ../../lib/results.sh
start_results "$(pwd)/output"
rounds=$1
round=0
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    set_start "round-$round"
    report before pass
    report speed pass "$(awk -v n="$round" 'BEGIN { print n * 1.5 }')" MB/s
    report count pass "$round"
    set_stop
done
report outside pass
