# Small words that the other scripts share. Messages go to stderr, one line each.

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# quietly SENTENCE COMMAND...: say the sentence, keep the command's output unless it fails,
# and show that time passes.
quietly() {
    sentence=$1
    shift
    log=$(mktemp)
    started=$(date +%s)
    "$@" >"$log" 2>&1 &
    child=$!
    trap 'kill "$child" 2>/dev/null; rm -f "$log"; exit 130' INT TERM
    [ -t 2 ] || say "$sentence ..."
    while kill -0 "$child" 2>/dev/null; do
        [ -t 2 ] && printf '\r%s ... %s s ' "$sentence" "$(($(date +%s) - started))" >&2
        sleep 1
    done
    code=0
    wait "$child" || code=$?
    trap - INT TERM
    took="$(($(date +%s) - started)) s"
    if [ "$code" -ne 0 ]; then
        [ -t 2 ] && say ''
        cat "$log" >&2
        rm -f "$log"
        say "$sentence: failed after $took. The lines above say why."
        return "$code"
    fi
    rm -f "$log"
    if [ -t 2 ]; then printf '\r%s: done in %s   \n' "$sentence" "$took" >&2; else say "$sentence: done in $took"; fi
}
