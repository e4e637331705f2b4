#!/bin/bash
# Ends with status 0 if http://127.0.0.1:PORT/PATH answers 200. A health check that needs no curl and no interpreter's
# start:  http-ok PORT PATH
set -eu
exec 3<>"/dev/tcp/127.0.0.1/$1"
printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3
read -r -t 5 _ status _ <&3
[[ $status == 200 ]]
