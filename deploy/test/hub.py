"""A stand-in for the model hub: one folder of files, a file at whatever path ends with its name.

python3 hub.py ADDRESS PORT FOLDER LOG    appends a line to LOG for each file that it gives away
"""

import http.server
import pathlib
import shutil
import sys

address, port, folder, log = sys.argv[1:]


class Hub(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        file = pathlib.Path(folder) / pathlib.PurePosixPath(self.path).name
        if not file.is_file():
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(file.stat().st_size))
        self.end_headers()
        with open(log, "a") as lines:
            print(self.path, file=lines)
        with file.open("rb") as content:
            shutil.copyfileobj(content, self.wfile)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer((address, int(port)), Hub).serve_forever()
