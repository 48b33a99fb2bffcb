# Sourced by the tests: results go to the file $RESULTS, a line each.

start_results() { # start_results FOLDER: begin with an empty file in it
    rm -rf "$1"
    mkdir -p "$1"
    RESULTS=$1/result.txt
    : >"$RESULTS"
}

report() { # report CASE RESULT [NUMBER [UNITS]]
    echo "$@" | tee -a "$RESULTS"
}

check() { # check CASE COMMAND...
    name=$1
    shift
    if "$@" >/dev/null 2>&1; then report "$name" pass; else report "$name" fail; fi
}

set_start() { echo "set start $1" >>"$RESULTS"; }
set_stop() { echo "set stop" >>"$RESULTS"; }
