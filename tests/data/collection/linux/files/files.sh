#!/bin/sh
# A log is kept with the results by whoever runs the test, or is only printed.

. ../../lib/results.sh
start_results "$(pwd)/output"
# Large files are shared among definitions; small ones are each definition's own.
check not-touched-by-others grep -q . ../tools/tools.sh
uname -a >./output/system.log
if command -v lava-test-case-attach >/dev/null 2>&1; then
    lava-test-case-attach log ./output/system.log text/plain
    lava-test-reference upload --result pass --reference "https://archive.example/system.log"
    lava-test-run-attach ./output/system.log
else
    cat ./output/system.log
    report upload pass
fi
report log pass
