"""Somebody elsewhere, who writes down every request that reaches him."""

import contextlib
import http.server
import threading


@contextlib.contextmanager
def elsewhere(answer=None):
    """Serve on loopback; `heard` has the paths of all requests, `url` where it is. `answer` is a page for everybody."""
    heard = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            heard.append(self.path)
            self.send_response(204 if answer is None else 200)
            if answer is not None:
                self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(answer or b"")

        do_POST = do_GET  # noqa: N815 - the base class's name

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        listening.heard, listening.url = heard, f"http://127.0.0.1:{listening.server_port}"
        try:
            yield listening
        finally:
            listening.shutdown()
            thread.join()
