# A console of init's has no login that would set these, and a serial line no size: long lines would be folded.
export HOME=/root
[ -t 0 ] && stty rows 50 cols 500
cd || :
