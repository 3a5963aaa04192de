"""A webhook receiver that misbehaves on purpose: the path of the request says how.

receiver.py FOLDER [CERTIFICATE KEY]: serves on a free port of 127.0.0.1, writes it to FOLDER/port, and appends each
request to FOLDER/requests as one line of JSON, with the verdict of its own check of the signatures.
"""
import base64
import hashlib
import hmac
import http.server
import json
import os
import ssl
import sys
import time
from email.utils import formatdate

FOLDER = sys.argv[1]
SECRET = b"a-shared-secret-of-many-bytes"


def mac(body):
    return hmac.new(SECRET, body, hashlib.sha256)


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def note(self, body):
        headers = {name.lower(): value for name, value in self.headers.items()}
        signed = b".".join([headers.get("webhook-id", "").encode(), headers.get("webhook-timestamp", "").encode(), body])
        standard = "v1," + base64.b64encode(mac(signed).digest()).decode()
        record = {
            "path": self.path,
            "headers": headers,
            "body": body.decode(),
            "x_signature_good": hmac.compare_digest(headers.get("x-signature", ""), "sha256=" + mac(body).hexdigest()),
            "standard_good": hmac.compare_digest(headers.get("webhook-signature", ""), standard),
        }
        with open(os.path.join(FOLDER, "requests"), "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.note(body)
        kind = self.path.strip("/")
        if kind == "ok":
            self.answer(204)
        elif kind == "late":
            time.sleep(1)
            self.answer(200, b"ok")
        elif kind == "hang":
            time.sleep(30)
        elif kind == "limit":
            self.answer(429, b"slow down", Retry_After="7")
        elif kind == "limit-date":
            self.answer(429, Retry_After=formatdate(time.time() + 120, usegmt=True))
        elif kind == "limit-long":
            self.answer(429, Retry_After="999999")
        elif kind == "busy":
            self.answer(503, b"busy\x1b[31m", Retry_After="3")
        elif kind == "redirect":
            self.answer(307, Location="/ok")
        elif kind == "truncated":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"half")
            self.close_connection = True
        elif kind == "cut":
            self.close_connection = True
        elif kind.isdigit():
            self.answer(int(kind), b"x" * 3000)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", 0), Receiver)
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
with open(os.path.join(FOLDER, "port.new"), "w", encoding="utf-8") as port_file:
    port_file.write(str(server.server_address[1]))
os.rename(os.path.join(FOLDER, "port.new"), os.path.join(FOLDER, "port"))
server.serve_forever()
