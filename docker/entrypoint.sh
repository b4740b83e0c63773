#!/bin/sh
# Runs greekstream, passes SIGTERM and SIGINT on, and turns exit status 66 into 0.
#
# 66 is an ingest, or a service of dealer flow, that gave way to a newer one.  Under `restart: on-failure` it would be
# started again and take the claim back, and the two would go on like that for ever.
greekstream "$@" &
child=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM INT
wait "$child"
status=$?
# A signal ends the first wait, not the child: wait until it is really gone, and take its own status.
while kill -0 "$child" 2>/dev/null; do
    wait "$child"
    status=$?
done
[ "$status" -eq 66 ] && exit 0
exit "$status"
