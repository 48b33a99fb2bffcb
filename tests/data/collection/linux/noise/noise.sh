#!/bin/sh -x
# A traced script: every line of it is printed, also those with marks in them.

. ../../lib/results.sh
start_results "$(pwd)/output"
hint='<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=quoted RESULT=pass>'
[ -n "$hint" ]
grep -n 'hint=' "$0"
# Nobody types anything: a question gets no answer, and does not hang.
if read -r answer; then report input fail; else report input pass; fi
awk 'BEGIN { for (i = 0; i < 3000; i++) printf "x"; print "" }'
printf 'half a line'
printf '\033[1mbold\033[0m \007 and\rback\n'
sleep 300 &
report background pass
report "$(printf 'a-%s' long-name-of-a-case_with.many/parts:and,signs)" pass
