# Sourced by the buildpacks whose result is a folder of files: writes .paas/static/nginx.conf and .paas/static/serve, which serves it on $PORT.
# shellcheck shell=bash disable=SC2154 # lib is pack.sh's

# static_site FOLDER pages|spa: unless static.json or Staticfile say otherwise; spa answers unknown paths with index.html.
static_site() {
    command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || fail 'nginx is not on this machine; on Debian: apt-get install nginx-light'
    mkdir -p .paas/static
    perl "$lib/static.pl" "$1" "$2" >.paas/static/nginx.conf || fail 'static.json cannot be read'
    printf '%s\n%s\n' "$1" "$2" >.paas/static/site
    cp "$lib/static-serve" .paas/static/serve
    cp "$lib/static.pl" .paas/static/static.pl
    chmod 755 .paas/static/serve
    tell "serves $(sed -n 's/^# serves //p' .paas/static/nginx.conf)"
}
