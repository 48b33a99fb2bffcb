"""Shell text that runs on the host. POSIX sh only; tested on dash and busybox ash.

Templates are filled by `str.format` with words that `devices.drivers.shell.quote` has quoted.
"""

from __future__ import annotations

NOT_CLEAN = 3
"""Exit status of `MAKE_PLACE` when the job's folder is there already."""

MAKE_PLACE = """
set -e; umask 077
mkdir -p {work} {cache} {work}/jobs
[ -O {work} ] || {{ echo "{work} belongs to somebody else" >&2; exit 1; }}
had= boot=
{{ read -r had <{folder}/handle; }} 2>/dev/null || :
if [ "$had" != {handle} ]; then
  [ ! -e {folder} ] || exit 3
  mkdir {folder}
  printf '%s\\n' {handle} >{folder}/handle
fi
printf '%s\\n' {network} >{folder}/network
{{ read -r boot </proc/sys/kernel/random/boot_id; }} 2>/dev/null || :
echo "machine=$(uname -m)"
echo "boot=$boot"
if [ -r /dev/kvm ] && [ -w /dev/kvm ]; then echo kvm=yes; else echo kvm=no; fi
for program in {programs}; do
  if command -v "$program" >/dev/null 2>&1; then echo "have $program"; fi
done
cd {cache} && for file in *; do
  [ ! -f "$file" ] || case $file in
  kvm-*) echo "$file=$(cat "$file")" ;;
  *) echo cache=used ;;
  esac
done
:
"""

# In the cache's folder: link its contents into the job's folder. `right`: patterns of "SIZE NAME", as they
# have to be. Says the names of those that it has not. A process for each thing to do, not for each file.
TAKE = """
good=
set -- $(wc -c {names} 2>/dev/null)
while [ $# -ge 2 ]; do
  case "$1 $2" in {right}) good="$good $2";; esac
  shift 2
done
if [ -n "$good" ]; then
  touch $good && {{ ln -f $good {folder}/ 2>/dev/null || cp $good {folder}/; }} || good=
fi
for name in {names}; do
  case "$good " in *" $name "*) ;; *) echo $name;; esac
done
"""

# In the cache's folder. Contents are named by their digest; partial copies are left alone for an hour.
TRIM = """
total=0
TIME_STYLE=locale LC_ALL=C ls -lnt | while read -r mode links user group size month day time name; do
  case $name in
  *.part) [ -z "$(find "$name" -prune -mmin +60)" ] || rm -f "$name"; continue ;;
  ''|*[!0-9a-f]*) continue ;;
  esac
  total=$((total + size))
  [ $total -le {limit} ] || rm -f "$name"
done
:
"""

# Several jobs may change the file at once: a folder is a lock that every system has. One that is older than a
# minute was left by somebody who died.
_LOCKED = """
set -e; umask 077
file={file}
case $file in /*) ;; *) file=$HOME/$file;; esac
mkdir -p "${{file%/*}}"
lock=$file.labbook-lock
tries=0
trap 'exit 1' INT TERM HUP
until mkdir "$lock" 2>/dev/null; do
  tries=$((tries + 1))
  if [ $tries -gt 100 ] || [ -n "$(find "$lock" -prune -mmin +1 2>/dev/null)" ]; then
    rmdir "$lock" 2>/dev/null || :
  fi
  sleep 0.1 2>/dev/null || sleep 1
done
trap 'rmdir "$lock"' EXIT
"""

AUTHORISE = (
    _LOCKED
    + """
line={key}
if ! grep -q -x -F -e "$line" "$file" 2>/dev/null; then
  if [ -s "$file" ] && [ -n "$(tail -c 1 "$file")" ]; then echo >>"$file"; fi
  printf '%s\\n' "$line" >>"$file"
fi
"""
)

# Written in place, not renamed over: owner and mode stay what they are.
UNAUTHORISE = (
    _LOCKED
    + """
if [ -e "$file" ]; then
  kept=$(grep -v -F -e {mark} "$file" || :)
  if [ -n "$kept" ]; then printf '%s\\n' "$kept" >"$file"; else : >"$file"; fi
  if grep -q -F -e {mark} "$file"; then echo "the key is still there" >&2; exit 1; fi
fi
"""
)

# The pty makes the shell that runs this the leader of a session and a process group of its own. Its pid and
# the moment it started (field 22 of stat: pids are used again) are the handle by which it is killed.
HANDLE = """
stat=$(cat /proc/$$/stat)
set -- ${{stat##*)}}
printf '%s %s\\n' $$ "${{20}}" >{pid_file}
set --
"""

# QEMU writes what a guest prints byte by byte, and sshd sends each read as a packet: ten thousand packets a
# second are too many for the other side. So the first bytes go on at once, and what follows is gathered: for
# 2 ms after a silence, longer and longer while it goes on, up to 20 ms. A question to the lab, after which
# the guest waits, is not held up; a stream costs fifty packets a second. Where there is no perl, a loop of dd
# does it, always for 20 ms; it needs three short processes for each piece.
# The terminal is opened anew: QEMU makes its stdin non-blocking, and with it every copy of that descriptor.
RELAY = """
terminal=$(tty) || terminal=/proc/self/fd/1
relay() {{
  exec >"$terminal"
  if command -v perl >/dev/null 2>&1; then
    exec perl -e '
      vec($stdin, 0, 1) = 1;
      $pause = 0.002;
      while (sysread(STDIN, $piece, 65536)) {{
        for ($sent = 0; $sent < length($piece); $sent += $count) {{
          $count = syswrite(STDOUT, $piece, length($piece) - $sent, $sent) or exit;
        }}
        select(undef, undef, undef, $pause);
        $pause = select($ready = $stdin, undef, undef, 0.01) ? ($pause < 0.01 ? 2 * $pause : 0.02) : 0.002;
      }}'
  fi
  exec 3>&1
  while :; do
    case $(LC_ALL=C dd bs=65536 count=1 2>&1 >&3) in 0+0*|'') break;; esac
    sleep 0.02 2>/dev/null || :
  done
}}
{command} | relay
"""

KILL = """
for file in {pid_files}; do
  [ -s "$file" ] || continue
  read -r pid started <"$file"
  stat=$(cat "/proc/$pid/stat" 2>/dev/null) || continue
  set -- ${{stat##*)}}
  [ "${{20}}" = "$started" ] || continue
  kill -s {signal} -- "-$pid" 2>/dev/null || kill -s {signal} "$pid" 2>/dev/null || :
done
"""

ALIVE = """
for file in {pid_files}; do
  [ -s "$file" ] || continue
  read -r pid started <"$file"
  stat=$(cat "/proc/$pid/stat" 2>/dev/null) || continue
  set -- ${{stat##*)}}
  [ "${{20}}" = "$started" ] && [ "$1" != Z ] && echo "$pid"
done
:
"""

# Processes first by the recorded process groups, then by the handle that every process of the job has in its
# environment: what a test left in the background is found as well. Each finding is one line, ``name=words``.
CLEAN = (
    """
folder={folder} left= stopped=
handle=$(cat "$folder/handle" 2>/dev/null)
mine() {{
  for file in $(grep -l -F "LABBOOK_HANDLE=$handle" /proc/[0-9]*/environ 2>/dev/null); do
    pid=${{file#/proc/}}; pid=${{pid%/environ}}
    case $(cat "/proc/$pid/stat" 2>/dev/null) in *") Z "*|'') ;; *) printf '%s ' "$pid";; esac
  done
}}
if [ -n "$handle" ]; then
  for file in "$folder"/*.stop; do
    [ -e "$file" ] || continue
    problem=$(sh "$file" </dev/null 2>&1) || stopped="$stopped${{file##*/}} ended with status $?: $problem; "
    echo "stopped=$stopped" | tr '\\n' ' '; echo
  done
"""
    + KILL.replace("{signal}", "KILL").replace("{pid_files}", '"$folder"/*.pid')
    + """
  killed=$(mine)
  left=$killed
  tries=0
  while [ -n "$left" ] && [ $tries -lt 60 ]; do
    for pid in $left; do kill -s KILL "$pid" 2>/dev/null || :; done
    [ $tries = 0 ] || sleep 0.05 2>/dev/null || sleep 1
    tries=$((tries + 1))
    left=$(mine)
  done
  echo "killed=$killed"
  echo "left=$left"
  network=$(cat "$folder/network" 2>/dev/null)
  if [ -n "$network" ]; then
    tries=0
    while users=$(grep -i -c " $network " /proc/net/udp); [ "$users" != 0 ] && [ $tries -lt 20 ]; do
      tries=$((tries + 1)); sleep 0.05 2>/dev/null || sleep 1
    done
    echo "network=$users"
  fi
fi
chmod -R u+w "$folder" 2>/dev/null
# With the folder the handle would be gone, by which the next clean-up finds what is still there.
if [ -n "$left$stopped" ]; then problem="kept, as not everything of the job has ended"
else problem=$(rm -rf "$folder" 2>&1); fi
if [ -e "$folder" ]; then echo "folder=still there: $problem" | tr '\\n' ' '; echo; else echo "folder="; fi
echo "boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
problem=$( (
"""
    + UNAUTHORISE
    + """
) 2>&1 ) && echo "key=" || echo "key=could not be removed: $problem"
"""
)
