# shellcheck shell=bash
# Calls of the REST API. The key goes to curl through a descriptor: a command line is readable by everybody.

curl_server() { curl -sS --noproxy '*' --cacert "$DIR/ca.crt" --connect-timeout 5 --max-time 60 "$@"; }

# api METHOD PATH [JSON]: true on 2xx. Sets API_STATUS (000: no answer) and API_BODY.
api() {
  local body=()
  if (($# > 2)); then body=(-H 'Content-Type: application/json' --data-binary "$3"); fi
  API_BODY=$(curl_server -X "$1" -K <(printf 'header = "Authorization: Bearer %s"\n' "$(<"$DIR/secrets/admin-key")") \
    -w '\n%{http_code}' "${body[@]}" "$SERVER_URL/api/v1$2" 2>/dev/null) || true
  API_STATUS=${API_BODY##*$'\n'}
  API_BODY=${API_BODY%$'\n'*}
  [[ $API_STATUS == 2?? ]]
}

# answer FILTER: a jq filter over the last answer, raw text, nothing for null.
answer() { jq -r "$1 // empty" <<<"$API_BODY" 2>/dev/null || true; }

# must METHOD PATH [JSON]: api(), or the script ends with what the server said.
must() {
  api "$@" && return
  local message
  message=$(answer '([.message] + [(.errors // [])[] | "\(.field): \(.message)"]) | join("; ")')
  fail "$1 $2 was answered $API_STATUS: ${message:-$API_BODY}" 'see the logs' "$DIR/logs/server.log"
}

# ensure COLLECTION ID JSON: creates it unless it is there.
ensure() {
  api GET "/$1/$2" && return
  [[ $API_STATUS == 404 ]] || must GET "/$1/$2"
  must POST "/$1" "$(jq -n --arg id "$2" "$3"' + {id: $id}')"
}
