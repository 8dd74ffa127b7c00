#!/bin/sh
# Runs a job's command inside its container and leaves behind how it ended.
#
#   wrapper.sh COMMAND...      with  /mlops-desk/in/{attempt,gpus,minors,hold},  /mlops-desk/out/  and  /run/mlops-desk/token
#
# Run by the shell that the desk brings along (/mlops-desk/busybox), or else by the image's own, where no
# program is taken for granted: the image may hold a shell and nothing else. POSIX sh but for `exec -a`,
# which only the desk's shell is asked for. Ends with the command's own exit code, or with 96 when the
# visible GPUs are not the leased ones.

IN=/mlops-desk/in
OUT=/mlops-desk/out
LOGINS=/run/mlops-desk
OWN=/mlops-desk/busybox
DEV=/dev
DRIVER=/proc/driver/nvidia/gpus

# What the desk's shell has in its environment and the command would not have without it.
[ -x "$OWN" ] && unset SHLVL || OWN=

# tool NAME ...: a small program, the desk's where it is, else the image's.
tool() { if [ -n "$OWN" ]; then "$OWN" "$@"; else "$@"; fi; }

now() { tool date +%s 2>/dev/null || echo null; }

# Seconds since the machine began: no setting of the clock moves them.
uptime() { if read -r seconds _ <"/proc/uptime"; then echo "$seconds"; else echo null; fi 2>/dev/null; }

has() { [ -n "$OWN" ] || command -v "$1" >/dev/null 2>&1; }

# find NAME: set $found to the file that PATH names. The desk's shell would take a program of its own before
# the image's, and any shell its own words (echo, test).
find() {
    found=$1 rest=$PATH:
    case $1 in */*) return 0 ;; esac
    while [ -n "$rest" ]; do
        place=${rest%%:*} rest=${rest#*:}
        found=${place:-.}/$1
        [ -f "$found" ] && [ -x "$found" ] && return 0
    done
    return 1
}

# leave EXIT_CODE PROOF VISIBLE: write, sync and rename, so that a reader finds all of it or nothing.
leave() {
    line="{\"attempt\": \"$attempt\", \"exit_code\": $1, \"started_at\": $started_at, \"ended_at\": $(now), \"started_uptime\": $started_uptime, \"ended_uptime\": $(uptime), \"signal\": $signal, \"gpu_proof\": \"$2\", \"visible_gpus\": \"$3\"}"
    if has mv; then
        # Over what the desk has laid there and not anew: its place on the disk is taken, however full that is by now.
        printf '%s\n' "$line" 1<>"$OUT/.outcome.new" || return
        tool sync "$OUT/.outcome.new" 2>/dev/null || tool sync 2>/dev/null
        tool mv -f "$OUT/.outcome.new" "$OUT/outcome.json"
    else
        printf '%s\n' "$line" >"$OUT/outcome.json"
    fi
}

# Both TERM and INT reach the command as TERM: a shell starts background programs with INT ignored.
# The group is the whole container as far as it did not make groups of its own.
forward() {
    signal="\"$1\""
    interrupted=1
    trap '' TERM INT
    kill -TERM 0
    trap 'forward TERM' TERM
    trap 'forward INT' INT
}

# The others tell the command something and end nothing by themselves: it gets them as they are.
hand_on() {
    interrupted=1
    trap '' "$1"
    kill -"$1" 0
    trap "hand_on $1" "$1"
}

# Prove that the GPUs in here are the leased ones: sets $proof to how that was told (uuid, minor, none: nothing tells)
# or to failed, and $visible to what is seen. Any word but none comes from what is here, none of them from a setting.
prove() {
    proof=none
    [ -s "$IN/gpus" ] || return 0
    leased=" " slices=
    while read -r uuid; do
        leased="$leased$uuid "
        case $uuid in MIG-*) slices=1 ;; esac
    done <"$IN/gpus"
    if find nvidia-smi; then
        by_program
    elif [ -n "$slices" ] || ! by_files; then
        by_nodes
    fi
}

# Compare the UUIDs that nvidia-smi shows with the leased ones. The parent of a leased slice is no stranger.
by_program() {
    if has timeout; then shown=$(tool timeout 60 "$found" -L 2>&1); else shown=$("$found" -L 2>&1); fi
    visible=" " foreign=
    while read -r line; do
        case $line in *"(UUID: "*) ;; *) continue ;; esac
        uuid=${line##*"(UUID: "}
        uuid=${uuid%%")"*}
        case $uuid in *[!A-Za-z0-9/:._-]*) uuid=garbled ;; esac
        visible="$visible$uuid "
        case $leased in *" $uuid "*) continue ;; esac
        case $uuid in GPU-*) [ -n "$slices" ] && continue ;; esac
        foreign=1
    done <<END
$shown
END
    judge uuid "$leased"
}

# judge LEVEL WANTED: is all of WANTED visible, and was nothing foreign seen?
judge() {
    proof=$1
    for one in $2; do
        case $visible in *" $one "*) ;; *) foreign=1 ;; esac
    done
    [ -z "$foreign" ] || proof=failed
}

# Compare the UUIDs in the driver's files with the leased ones. NVIDIA's hook leaves only the container's GPUs there,
# CDI all of the machine: then they tell the leased ones' device files, which are looked at next. A driver that sleeps
# names none.
by_files() {
    visible=" " wanted=" " foreign=
    for file in "$DRIVER"/*/information; do
        [ -r "$file" ] || return 1
        uuid= minor=
        while read -r one two three _; do
            case "$one $two" in "GPU UUID:") uuid=$three ;; "Device Minor:") minor=$three ;; esac
        done <"$file"
        case $uuid in "" | *[!A-Za-z0-9-]*) return 1 ;; esac
        visible="$visible$uuid "
        case $leased in *" $uuid "*) wanted="$wanted$minor " ;; *) foreign=1 ;; esac
    done
    extra=$foreign foreign=
    judge uuid "$leased"
    [ "$proof" = failed ] || [ -z "$extra" ]
}

# Compare the device files in here with those of the leased GPUs, as the desk or the driver's files named them.
by_nodes() {
    if [ -s "$IN/minors" ]; then
        wanted=" "
        while read -r minor; do wanted="$wanted$minor "; done <"$IN/minors"
    fi
    proof=none
    case ${wanted:-} in *[0-9]*) ;; *) return 0 ;; esac
    visible=" " foreign=
    for node in "$DEV"/nvidia[0-9]*; do
        [ -e "$node" ] || continue
        number=${node##*/nvidia}
        case $number in *[!0-9]*) continue ;; esac
        visible="$visible$number "
        case $wanted in *" $number "*) ;; *) foreign=1 ;; esac
    done
    judge minor "$wanted"
    seen=$visible visible=
    for number in $seen; do visible="$visible/dev/nvidia$number "; done
    [ "$proof" = minor ] || leased="/dev/nvidia with one of$wanted"
}

# list_packages COMMAND: have the image's Python (the command's, where it is one) say what is installed for it, beside the
# command, which does not wait for it. It is the first that the kernel ends where memory is short.
list_packages() {
    [ -r "$IN/packages.py" ] || return 0
    case $1 in *python*) find "$1" || return 0 ;; *) find python3 || find python || return 0 ;; esac
    lister=$found
    {
        echo 1000 >/proc/self/oom_score_adj
        "$lister" "$IN/packages.py" >"$OUT/.packages.new" && tool mv -f "$OUT/.packages.new" "$OUT/packages.txt"
        : >"$OUT/.packages.done"
    } >/dev/null 2>&1 &
    listing=1
}

# A command that ended first waits for the list, for as long as a slow disk takes to load a Python.
await_packages() {
    left=50
    while [ -n "$listing" ] && [ "$left" -gt 0 ] && [ ! -e "$OUT/.packages.done" ]; do
        has sleep && tool sleep 0.1 2>/dev/null || return 0
        left=$((left - 1))
    done
}

# What the container took as a whole, by the kernel's own count, in either sort of cgroup.
measure() {
    for file in cpu.stat cpuacct/cpuacct.usage memory.peak memory/memory.max_usage_in_bytes; do
        { read -r line <"/sys/fs/cgroup/$file"; } 2>/dev/null && echo "$file $line"
    done >"$OUT/usage"
}

# Nothing of the image runs before the desk has seen that what is mounted here is what may be. An image without
# a program that sleeps is asked about all the time: it takes some hundredths of a second.
while [ -e "$IN/hold" ]; do
    ! has sleep || tool sleep 0.05 2>/dev/null || tool sleep 1
done

read -r attempt <"$IN/attempt"
started_at=$(now)
started_uptime=$(uptime)
signal=null
visible=
wanted=

prove
if [ "$proof" = failed ]; then
    echo "mlops-desk: the GPUs visible in here ($visible) are not the leased ones ($leased); the command was not started." >&2
    leave 96 failed "$visible"
    exit 96
fi
[ ! -s "$IN/gpus" ] || echo "$proof" >"$OUT/proof"
listing=
list_packages "$1"
# MLflow finds its login in the home. What an environment holds, logs and traces hold too, sooner or later, so it gets
# the token there only where it has no such file, or the job asks for it: for a client that reads no file.
if [ -r "$LOGINS/token" ] && { [ -n "${MLD_TOKEN_IN_ENV:-}" ] || [ ! -r "${HOME:-}/.mlflow/credentials" ]; }; then
    IFS= read -r MLFLOW_TRACKING_TOKEN <"$LOGINS/token"
    export MLFLOW_TRACKING_TOKEN
fi
# Programs expect to be interruptible, and to start others that are. What has a = in its name, env would not start.
case $1 in
*=*) ;;
*)
    if find env && "$found" --default-signal=INT,QUIT --version >/dev/null 2>&1; then
        set -- "$found" --default-signal=INT,QUIT "$@"
    fi
    ;;
esac

trap 'forward TERM' TERM
trap 'forward INT' INT
for told in HUP USR1 USR2; do trap "hand_on $told" "$told"; done
if [ -z "$OWN" ]; then
    "$@" &
elif find "$1"; then
    name=$1
    shift
    (exec -a "$name" "$found" "$@") &
else
    echo "mlops-desk: $1: not found in the image" >&2
    (exit 127) &
fi
child=$!

# A trap ends `wait` early. Asked again, a shell may have forgotten a child that ended just then (127):
# then the earlier answer was the true one.
asked=
while :; do
    interrupted=
    wait "$child"
    answer=$?
    [ -n "$asked" ] && [ "$answer" -eq 127 ] || code=$answer
    [ -n "$interrupted" ] || break
    asked=1
done

await_packages
measure
leave "$code" "$proof" "$visible"
exit "$code"
