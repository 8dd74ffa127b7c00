#!/bin/sh
# Runs a job's command inside its container and leaves behind how it ended.
#
#   wrapper.sh COMMAND...      with  /mlops-desk/in/{attempt,gpus,token}  and  /mlops-desk/out/
#
# POSIX sh only, and no program is taken for granted: the image may hold a shell and nothing else.
# Ends with the command's own exit code, or with 96 when the visible GPUs are not the leased ones.

IN=/mlops-desk/in
OUT=/mlops-desk/out

now() { date +%s 2>/dev/null || echo null; }

has() { command -v "$1" >/dev/null 2>&1; }

# leave EXIT_CODE PROOF VISIBLE: write, sync and rename, so that a reader finds all of it or nothing.
leave() {
    line="{\"attempt\": \"$attempt\", \"exit_code\": $1, \"started_at\": $started_at, \"ended_at\": $(now), \"signal\": $signal, \"gpu_proof\": \"$2\", \"visible_gpus\": \"$3\"}"
    if has mv; then
        printf '%s\n' "$line" >"$OUT/.outcome.new" || return
        sync "$OUT/.outcome.new" 2>/dev/null || sync 2>/dev/null
        mv -f "$OUT/.outcome.new" "$OUT/outcome.json"
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

# Compare the UUIDs that the driver shows in here with the leased ones. The parent of a leased slice is no stranger.
prove() {
    [ -s "$IN/gpus" ] || { proof=none; return 0; }
    has nvidia-smi || { proof=unchecked; return 0; }
    leased=" " slices=
    while read -r uuid; do
        leased="$leased$uuid "
        case $uuid in MIG-*) slices=1 ;; esac
    done <"$IN/gpus"
    if has timeout; then shown=$(timeout 60 nvidia-smi -L 2>&1); else shown=$(nvidia-smi -L 2>&1); fi
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
    for uuid in $leased; do
        case $visible in *" $uuid "*) ;; *) foreign=1 ;; esac
    done
    proof=ok
    [ -z "$foreign" ] || proof=failed
}

read -r attempt <"$IN/attempt"
started_at=$(now)
signal=null
visible=

prove
if [ "$proof" = failed ]; then
    echo "mlops-desk: the GPUs visible in here ($visible) are not the leased ones ($leased); the command was not started." >&2
    leave 96 failed "$visible"
    exit 96
fi
if [ -r "$IN/token" ]; then
    IFS= read -r MLFLOW_TRACKING_TOKEN <"$IN/token"
    export MLFLOW_TRACKING_TOKEN
fi
# Programs expect to be interruptible, and to start others that are.
if env --default-signal=INT,QUIT true 2>/dev/null; then
    set -- env --default-signal=INT,QUIT "$@"
fi

trap 'forward TERM' TERM
trap 'forward INT' INT
"$@" &
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

leave "$code" "$proof" "$visible"
exit "$code"
