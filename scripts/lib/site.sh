# shellcheck shell=bash
# A private nginx: own configuration, port, logs and pid file. The machine's own nginx is never touched.

NGINX=$(PATH=$PATH:/usr/sbin command -v nginx || true)

# The command line that makes every call of nginx concern this instance only. -e: before the configuration is read
# nginx would open the machine's error log.
site_command() { printf '%s -e %s/logs/error.log -p %s/ -c %s/nginx.conf' "${NGINX:-/usr/sbin/nginx}" "$SITE" "$SITE" "$SITE"; }
nginx_here() (
  close_descriptors
  # shellcheck disable=SC2046  # split as the agent will split it
  exec $(site_command) "$@" >>"$DIR/logs/nginx.log" 2>&1 </dev/null
)

make_site() {
  mkdir -p -- "$SITE/html" "$SITE/logs" "$SITE/tmp" "$SITE/tls"
  chmod 0700 -- "$SITE/tls"
  write_page >"$SITE/html/index.html"
  write_configuration >"$SITE/nginx.conf"
  chmod 0755 -- "$SITE/html" "$SITE/tmp"
  chmod 0644 -- "$SITE/html/index.html" "$SITE/nginx.conf"
  if [[ ! -s $SITE/tls/site.crt || ! -s $SITE/tls/site.key ]]; then
    # A self-signed stand-in, so that nginx can run before the first deployment.
    make_key "$SITE/tls/site.key"
    openssl req -x509 -new -sha256 -key "$SITE/tls/site.key" -days 2 -config <(request_settings) -extensions site \
      -subj '/CN=not deployed yet' -out "$SITE/tls/site.crt"
  fi
}

write_configuration() {
  cat <<END
# Written by ./quickstart at each start.
pid $SITE/nginx.pid;
error_log $SITE/logs/error.log;
worker_processes 1;
$(if ((EUID == 0)); then printf 'user www-data;'; fi)
events { worker_connections 256; }
http {
  access_log $SITE/logs/access.log;
  client_body_temp_path $SITE/tmp/body;
  proxy_temp_path $SITE/tmp/proxy;
  fastcgi_temp_path $SITE/tmp/fastcgi;
  uwsgi_temp_path $SITE/tmp/uwsgi;
  scgi_temp_path $SITE/tmp/scgi;
  types { text/html html; }
  server {
    listen 127.0.0.1:$SITE_PORT ssl;
    server_name localhost;
    ssl_certificate $SITE/tls/site.crt;
    ssl_certificate_key $SITE/tls/site.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    root $SITE/html;
  }
}
END
}

write_page() {
  cat <<'END'
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>certctl quickstart</title>
<h1>It works</h1>
<p>The certificate of this page was requested, signed, deployed and verified by certctl, and will be renewed in time.</p>
</html>
END
}

# All processes of this instance, workers that outlived their master included: they hold its error log open.
site_processes() {
  local pid
  for pid in $(grep -lsx nginx /proc/[0-9]*/comm | cut -d / -f 3); do
    if [[ $(find "/proc/$pid/fd" -lname "$SITE/logs/error.log" -print -quit 2>/dev/null) ]]; then printf '%s\n' "$pid"; fi
  done
}

site_running() {
  local pid
  read -r pid 2>/dev/null <"$SITE/nginx.pid" || return 1
  [[ $(process_started "$pid") ]] && site_processes | grep -x "$pid" >/dev/null
}

site_configuration_is_good() { nginx_here -t; }

start_site() {
  make_site
  if site_running; then step_note 'running'; return; fi
  kill_site  # workers without a master hold the port
  port_is_free "$SITE_PORT" ||
    fail "port $SITE_PORT, chosen for the site, is taken by $(port_holder "$SITE_PORT")" \
      'stop that program, or begin anew: ./quickstart clean'
  : >"$DIR/logs/nginx.log"
  if ! site_configuration_is_good; then
    show_tail "$DIR/logs/nginx.log"
    fail 'nginx refuses its configuration' 'correct what it says; ./quickstart clean begins anew' "$DIR/logs/nginx.log"
  fi
  rm -f -- "$SITE/nginx.pid"
  nginx_here || {
    show_tail "$DIR/logs/nginx.log"
    fail 'nginx does not start' 'correct what it says and run ./quickstart again' "$DIR/logs/nginx.log"
  }
  wait_until 10 site_running || fail 'nginx ended at once' 'see its log' "$SITE/logs/error.log"
}

# A crash in the middle of a deployment can leave a certificate beside another one's key; the agent settles that as
# soon as it runs. Then, and only then, nginx waits for the agent.
site_can_start() {
  make_site
  site_running || site_configuration_is_good
}

stop_site() {
  local pid
  if site_running; then
    read -r pid <"$SITE/nginx.pid"
    kill -QUIT "$pid" 2>/dev/null || true
    wait_until 10 not site_running || true
  fi
  kill_site
}
kill_site() {
  local pids
  pids=$(site_processes)
  [[ $pids ]] || return 0
  # shellcheck disable=SC2086
  kill -KILL $pids 2>/dev/null || true
  wait_until 10 no_site_processes || true
}
no_site_processes() { [[ ! $(site_processes) ]]; }

# SHA-256 of the certificate that the site serves, lower-case hex; empty: it serves none.
served_fingerprint() {
  openssl s_client -connect "127.0.0.1:$SITE_PORT" -servername localhost </dev/null 2>/dev/null |
    openssl x509 -outform DER 2>/dev/null | sha256sum | cut -d ' ' -f 1 |
    grep -v e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 || true
}
