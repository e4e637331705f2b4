#!/bin/sh
# Starts nginx in the foreground. nginx looks up the API's address again while it runs (a restarted container may have
# another), but only if it is told whom to ask, which no configuration file can know: the name server is the container's.
#   API_URL   where the API is; its host must be a full name, as nginx adds no search domain (default http://api:8765)
set -eu
nameserver=$(awk '$1 == "nameserver" { print $2; exit }' /etc/resolv.conf)
case $nameserver in *:*) nameserver="[$nameserver]" ;; esac
printf 'resolver %s valid=5s;\nmap "" $api_url { default "%s"; }\n' \
    "$nameserver" "${API_URL:-http://api:8765}" >/tmp/upstream.conf
exec nginx -c /etc/saescope/nginx.conf -g 'daemon off;'
