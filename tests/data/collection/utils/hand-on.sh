#!/bin/sh
# hand-on.sh FILE: tell whoever runs the test what the file of results says.

if [ ! -f "$1" ]; then
    echo "there are no results in $1"
    exit 1
fi
helped=no
command -v lava-test-case >/dev/null 2>&1 && helped=yes

while read -r case result number units; do
    if [ "$case" = set ] && [ "$result" = start ]; then
        if [ $helped = yes ]; then lava-test-set start "$number"; else echo "<LAVA_SIGNAL_TESTSET START $number>"; fi
    elif [ "$case" = set ]; then
        if [ $helped = yes ]; then lava-test-set stop; else echo "<LAVA_SIGNAL_TESTSET STOP>"; fi
    elif [ -n "$number" ] && [ $helped = yes ]; then
        lava-test-case "$case" --result "$result" --measurement "$number" ${units:+--units "$units"}
    elif [ -n "$number" ]; then
        echo "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=$case RESULT=$result MEASUREMENT=$number UNITS=$units>"
    elif [ $helped = yes ]; then
        lava-test-case "$case" --result "$result"
    else
        echo "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=$case RESULT=$result>"
    fi
done <"$1"
