#!/bin/sh
# Which tools are there; and whether the parameters arrived as they were written.

. ../../lib/results.sh
start_results "$(pwd)/output"

while getopts "t:s:v:q:n:" option; do
    case $option in
    t) tools=$OPTARG ;;
    s) check param-false [ "$OPTARG" = False ] ;;
    v) check param-version [ "$OPTARG" = 1.10 ] ;;
    q) check param-quoted [ "$OPTARG" = "it's \"so\" \$HOME" ] ;;
    n) check param-empty [ -z "$OPTARG" ] ;;
    *) exit 2 ;;
    esac
done

echo "$tools" | tr ',' '\n' | while read -r tool rest; do
    if command -v "$tool" >/dev/null 2>&1; then report "$tool" pass; else report "$tool" skip; fi
done
check program-of-the-collection sh -c '[ "$(wc -c <../../bin/blob)" -ge 65536 ]'
check link-inside-the-collection grep -q 'start_results' ./lib-by-link.sh
check folder-by-link [ -x ./utils-by-link/hand-on.sh ]
