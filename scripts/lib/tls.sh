# shellcheck shell=bash
# The control plane's own certificate, from a small CA that only the quickstart's clients trust.

# make_server_certificate: TLS files of the server; made anew when they end within 30 days.
make_server_certificate() {
  local tls=$DIR/tls
  if openssl x509 -in "$tls/server.crt" -noout -checkend $((30 * 86400)) >/dev/null 2>&1 && [[ -s $tls/server.key ]]; then
    return
  fi
  if ! openssl x509 -in "$DIR/ca.crt" -noout -checkend $((400 * 86400)) >/dev/null 2>&1 || [[ ! -s $DIR/secrets/ca.key ]]; then
    make_key "$DIR/secrets/ca.key"
    openssl req -x509 -new -sha256 -key "$DIR/secrets/ca.key" -days 3650 -config <(request_settings) -extensions ca \
      -subj '/CN=certctl quickstart control plane CA' -out "$DIR/ca.crt.new"
    chmod 0644 -- "$DIR/ca.crt.new"
    mv -- "$DIR/ca.crt.new" "$DIR/ca.crt"
  fi
  make_key "$tls/server.key.new"
  openssl req -new -sha256 -key "$tls/server.key.new" -config <(request_settings) -subj '/CN=certctl-server' |
    openssl x509 -req -sha256 -days 397 -CA "$DIR/ca.crt" -CAkey "$DIR/secrets/ca.key" \
      -set_serial "0x$(openssl rand -hex 16)" -extfile <(request_settings) -extensions server \
      -out "$tls/server.crt.new" 2>/dev/null
  chmod 0644 -- "$tls/server.crt.new"
  mv -- "$tls/server.key.new" "$tls/server.key"
  mv -- "$tls/server.crt.new" "$tls/server.crt"
  terminate server 60  # it could not read the new pair any more
}

make_key() {
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null
  chmod 0600 -- "$1"
}

# Complete in itself: the machine's openssl.cnf may say anything.
request_settings() {
  cat <<'END'
[req]
distinguished_name = name
prompt = no
[name]
CN = certctl
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, DNS:certctl-server, IP:127.0.0.1, IP:::1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[site]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:localhost
END
}
