"""Serves a folder on localhost for tests of transfers, and behaves as the first part of the address says.

plain      answers ranges
cut        answers ranges, and breaks off after a thousand bytes
deaf       knows no ranges, and breaks off the first time
damaged    changes a byte in the middle
tired      breaks off after a thousand bytes the first time, and then has no time for anybody

Prints its port, then a line for each request: the address and the range asked for.
"""
import http.server
import os
import sys

folder = sys.argv[1]
seen = set()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        wanted = self.headers.get("Range", "")
        print(self.path, wanted, flush=True)
        manner, name = self.path.lstrip("/").split("/", 1)
        path = os.path.join(folder, name)
        is_first = self.path not in seen
        seen.add(self.path)
        if not os.path.isfile(path):
            self.send_error(404)
            return
        if manner == "tired" and not is_first:
            self.send_error(503)
            return
        with open(path, "rb") as file:
            content = bytearray(file.read())
        if manner == "damaged":
            content[len(content) // 2] ^= 1
        start = 0
        if wanted and manner != "deaf":
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        breaks = manner in ("cut", "tired") or manner == "deaf" and is_first
        self.wfile.write(content[start:start + 1000] if breaks else content[start:])

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
