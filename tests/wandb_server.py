"""A server that speaks as much of W&B's protocol as its client needs, or fails in the ways that servers do."""

import base64
import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

KEY = "k" * 40
Way = Literal["ok", "silent", "lost", "refuses", "broken"]
"""``silent`` never answers, ``lost`` answers who asks and nothing after; the others say 401 and 500."""


@dataclass
class Server:
    """What the server was told."""

    way: Way = "ok"
    port: int = 0
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """GraphQL operations with their variables."""
    history: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Rows of each run, at the place where the client said that they belong."""
    ends: dict[str, int] = field(default_factory=dict)
    """Exit code of each run that ended."""
    sweep: str = ""
    """The newest sweep's YAML."""
    commands: list[dict[str, Any]] = field(default_factory=list)
    """What agents are told, one a heartbeat."""
    open: set[str] = field(default_factory=set)
    at_once: int = 0
    """Most runs that were begun and had not ended."""
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def env(self) -> dict[str, str]:
        """The environment in which W&B's client talks to this server."""
        return {"WANDB_BASE_URL": f"http://127.0.0.1:{self.port}", "WANDB_API_KEY": KEY, "WANDB_MODE": "online"}

    def runs(self) -> dict[str, dict[str, Any]]:
        """What each run said of itself first."""
        found: dict[str, dict[str, Any]] = {}
        for name, told in self.asked:
            if name == "UpsertBucket":
                found.setdefault(told["name"], told)
        return found

    def told(self, name: str) -> list[dict[str, Any]]:
        """The variables of each operation of that name."""
        return [variables for asked, variables in self.asked if asked == name]

    def answer(self, name: str, query: str, told: dict[str, Any]) -> dict[str, Any]:
        """Data of the answer to one GraphQL operation."""
        self.asked.append((name, told))
        where = {"id": "p", "name": told.get("project") or "p", "entity": {"id": "e", "name": "me"}}
        if name == "UpsertBucket":
            self.open.add(told["name"])
            self.at_once = max(self.at_once, len(self.open))
            run = {"id": f"b-{told['name']}", "name": told["name"], "displayName": told.get("displayName")}
            more = {"description": "", "config": "{}", "sweepName": None, "project": where}
            more["historyLineCount"] = len(self.history.get(told["name"], ()))
            return {"upsertBucket": {"bucket": {**run, **more}, "inserted": True}}
        if name == "RunResumeStatus":
            return {"model": {**where, "bucket": self._known(told["name"])}}
        if name == "CreateRunFiles":
            files = [{"name": f, "uploadUrl": f"http://127.0.0.1:{self.port}/put/{f}"} for f in told["files"]]
            return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
        if name == "ArtifactType":
            return {"project": None}
        if name == "CreateArtifact":  # "there already" spares the upload of its parts
            return {"createArtifact": {"artifact": {"id": "a", "state": "COMMITTED", "artifactSequence": {}}}}
        if name == "UpsertSweep":
            self.sweep = told["config"]
            return {"upsertSweep": {"sweep": {"name": "sweep1", "project": where}, "configValidationWarnings": []}}
        if name == "SweepWithRuns":
            return {"project": {"sweep": {"id": "s", "name": "sweep1", "config": self.sweep, "runs": {"edges": []}}}}
        if name == "CreateAgent":
            return {"createAgent": {"agent": {"id": "agent1"}}}
        if name == "Heartbeat":
            busy = any(json.loads(told["runState"]).values())
            next_ = [] if busy else [self.commands.pop(0)] if self.commands else [{"type": "exit"}]
            return {"agentHeartbeat": {"agent": {"id": "agent1"}, "commands": json.dumps(next_)}}
        if "viewer" in query:
            return {"viewer": {"id": "u", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}}}
        return {}

    def _known(self, run_id: str) -> dict[str, Any] | None:
        rows = self.history.get(run_id)
        if not rows:
            return None
        tail = json.dumps([json.dumps(rows[-1])])
        counts = {"historyLineCount": len(rows), "eventsLineCount": 0, "logLineCount": 0}
        texts = {"historyTail": tail, "eventsTail": "[]", "summaryMetrics": "{}", "config": "{}", "tags": []}
        return {"id": f"b-{run_id}", "name": run_id, "displayName": run_id, "notes": "", **counts, **texts}

    def stream(self, run_id: str, told: dict[str, Any]) -> None:
        """Take in rows of a run's history."""
        part = (told.get("files") or {}).get("wandb-history.jsonl")
        if part:
            rows = self.history.setdefault(run_id, [])
            rows[part["offset"] :] = [json.loads(line) for line in part["content"]]
        if told.get("complete"):
            self.open.discard(run_id)
            self.ends[run_id] = told.get("exitcode", 0)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    known: Server

    def log_message(self, *_: Any) -> None:
        pass

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _say(self, status: int, content: Any) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self) -> None:
        self._body()
        self._say(200, {})

    def do_PUT(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        body, known = self._body(), self.known
        if known.way == "silent":
            known.over.wait()
        if known.way in ("refuses", "broken"):
            self._say(401 if known.way == "refuses" else 500, {})
            return
        if not self.path.startswith("/graphql"):
            if known.way == "lost":
                known.over.wait()
            if self.path.endswith("/file_stream"):
                known.stream(self.path.split("/")[-2], json.loads(body))
            self._say(200, {})
            return
        asked = json.loads(body)
        query, told = asked["query"], asked.get("variables") or {}
        name = asked.get("operationName") or query.split("(")[0].split("{")[0].split()[-1]
        if known.way == "lost" and "viewer" not in query:
            known.over.wait()
        assert base64.b64decode(self.headers["Authorization"].split()[1]).decode() == f"api:{KEY}"
        self._say(200, {"data": known.answer(name, query, told)})


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """The client may hang up."""


@contextmanager
def serving(way: Way = "ok") -> Iterator[Server]:
    """A server on a free port of this machine."""
    known = Server(way)
    server = Quiet(("127.0.0.1", 0), type("Its", (Handler,), {"known": known}))
    known.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield known
    finally:
        known.over.set()
        server.shutdown()
        server.server_close()
