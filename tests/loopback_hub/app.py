"""The routes of the loopback Hub."""

import asyncio
import base64
import hashlib
import json
import re
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .jobs import ROUTES as JOB_ROUTES
from .jobs import Machines
from .store import KINDS, Hub, Refusal, Repo, blob_id, file_entry, is_lfs, repo_info


def _hub(request: Request) -> Hub:
    return request.app.state.hub


def _repo(request: Request, write: bool = False) -> Repo:
    """The repository of a request, if its token may see it or, with `write`, write to it."""
    hub, parts = _hub(request), request.path_params
    authorization = request.headers.get("authorization", "")
    # The addresses of a model's files name no kind.
    repo = hub.repo(KINDS[parts.get("kinds", "models")], f"{parts['org']}/{parts['name']}")
    if write:
        hub.writer(authorization, parts["org"])
    elif hub.reader(authorization) is None and repo.private:
        raise Refusal(401, "Repository not found", "RepoNotFound")
    return repo


async def whoami(request: Request) -> Response:
    token = _hub(request).reader(request.headers.get("authorization", ""))
    if token is None:
        raise Refusal(401, "Invalid username or password.")
    about = {"type": "user", "name": token.user, "orgs": [{"type": "org", "name": name} for name in token.namespaces]}
    about |= {"fullname": token.user.title(), "avatarUrl": "/avatar.png"}
    return JSONResponse({**about, "auth": {"accessToken": {"role": token.role}}})


async def validate_yaml(request: Request) -> Response:
    return JSONResponse({"errors": [], "warnings": []})


async def create(request: Request) -> Response:
    wanted = await request.json()
    _hub(request).writer(request.headers.get("authorization", ""), wanted["organization"])
    kind, repo_id = wanted.get("type", "model"), f"{wanted['organization']}/{wanted['name']}"
    prefix = "" if kind == "model" else f"{kind}s/"
    answer = {"url": f"{request.base_url}{prefix}{repo_id}", "name": repo_id, "id": "0" * 24}
    try:
        _hub(request).create(kind, repo_id, wanted.get("visibility") == "private")
    except Refusal as refusal:  # of one that is there the Hub says where
        return JSONResponse({**answer, "error": refusal.message}, refusal.status)
    return JSONResponse(answer)


async def info(request: Request) -> Response:
    repo = _repo(request)
    return JSONResponse(repo_info(repo, repo.at(request.path_params.get("revision", "main"))))


async def refs(request: Request) -> Response:
    repo = _repo(request)
    branches, tags = (
        [{"name": name, "ref": f"refs/{place}/{name}", "targetCommit": oid} for name, oid in pointers.items()]
        for place, pointers in (("heads", repo.branches), ("tags", repo.tags))
    )
    return JSONResponse({"branches": branches, "tags": tags, "converts": []})


async def tree(request: Request) -> Response:
    files = _repo(request).at(request.path_params["revision"]).files
    folder = request.path_params.get("path", "").strip("/")
    inside = {path: content for path, content in files.items() if not folder or path.startswith(f"{folder}/")}
    if folder and not inside:
        raise Refusal(404, f"{folder} does not exist", "EntryNotFound")
    recursive = request.query_params.get("recursive", "").lower() in ("true", "1")
    depth = folder.count("/") + 1 if folder else 0
    entries: dict[str, dict[str, Any]] = {}
    for path, content in sorted(inside.items()):
        parts = path.split("/")
        for level in range(depth + 1, len(parts) if recursive else min(len(parts), depth + 2)):
            entries["/".join(parts[:level])] = _folder_entry("/".join(parts[:level]))
        if recursive or len(parts) == depth + 1:
            entries[path] = file_entry(path, content)
    return JSONResponse(list(entries.values()))


def _folder_entry(path: str) -> dict[str, Any]:
    return {"type": "directory", "path": path, "size": 0, "oid": hashlib.sha1(path.encode()).hexdigest()}


async def paths_info(request: Request) -> Response:
    files = _repo(request).at(request.path_params["revision"]).files
    is_json = "json" in request.headers.get("content-type", "")
    paths = (await request.json())["paths"] if is_json else (await request.form()).getlist("paths")
    entries = []
    for path in [paths] if isinstance(paths, str) else paths:
        if path in files:
            entries.append(file_entry(path, files[path]))
        elif any(name.startswith(f"{path}/") for name in files):
            entries.append(_folder_entry(path))
    return JSONResponse(entries)


async def preupload(request: Request) -> Response:
    files = _repo(request, write=True).at(request.path_params["revision"]).files
    answers = []
    for wanted in (await request.json())["files"]:
        path, lfs = wanted["path"], is_lfs(wanted["path"], wanted["size"])
        answer = {"path": path, "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False}
        if path in files:
            answer["oid"] = hashlib.sha256(files[path]).hexdigest() if lfs else blob_id(files[path])
        answers.append(answer)
    return JSONResponse({"files": answers})


async def lfs_batch(request: Request) -> Response:
    hub, objects = _hub(request), []
    _repo(request, write=True)
    for wanted in (await request.json())["objects"]:
        hub.announced[wanted["oid"]] = wanted["size"]
        upload = {"upload": {"href": f"{request.base_url}lfs/{wanted['oid']}"}}
        objects.append({**wanted, **({} if wanted["oid"] in hub.uploads else {"actions": upload})})
    return JSONResponse({"transfer": "basic", "objects": objects})


async def lfs_upload(request: Request) -> Response:
    _hub(request).upload(request.path_params["oid"], await request.body())
    return Response()


async def commit(request: Request) -> Response:
    repo, branch = _repo(request, write=True), request.path_params["revision"]
    head = repo.at(branch)
    files, title = dict(head.files), ""
    for line in (await request.body()).splitlines():
        item = json.loads(line)
        value = item["value"]
        match item["key"]:
            case "header":
                title = value["summary"]
                if value.get("parentCommit", head.oid) != head.oid:
                    raise Refusal(412, "A commit has happened since. Please refresh and try again.")
            case "file":
                files[value["path"]] = base64.b64decode(value["content"])
            case "lfsFile":
                files[value["path"]] = _hub(request).stored(value["oid"], value["size"])
            case "deletedFile":
                if files.pop(value["path"], None) is None:
                    raise Refusal(404, f"A file with this name doesn't exist: {value['path']}", "EntryNotFound")
            case key:
                raise Refusal(400, f"unknown operation {key}")
    made = repo.commit(title, files, branch)
    url = f"{request.base_url}{repo.kind}s/{repo.id}/commit/{made.oid}"
    return JSONResponse({"success": True, "commitOid": made.oid, "commitUrl": url, "hookOutput": ""})


async def tag(request: Request) -> Response:
    repo = _repo(request, write=True)
    name = (await request.json())["tag"]
    if name in repo.tags:
        raise Refusal(409, f"Tag {name} exists")
    repo.tags[name] = repo.at(request.path_params["revision"]).oid
    return JSONResponse({})


async def resolve(request: Request) -> Response:
    at, path = _repo(request).at(request.path_params["revision"]), request.path_params["path"]
    if path not in at.files:
        raise Refusal(404, f"Entry not found: {path}", "EntryNotFound")
    content = at.files[path]
    lfs = is_lfs(path, len(content))
    etag = f'"{hashlib.sha256(content).hexdigest() if lfs else blob_id(content)}"'
    headers = {"X-Repo-Commit": at.oid, "ETag": etag, "Accept-Ranges": "bytes"}
    if lfs:
        headers |= {"X-Linked-Etag": etag, "X-Linked-Size": str(len(content))}
    if request.method == "HEAD":
        return Response(headers={**headers, "Content-Length": str(len(content))})
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if wanted is None:
        return Response(content, headers=headers, media_type="application/octet-stream")
    first, last = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Response(content[first : last + 1], 206, headers, "application/octet-stream")


class _Gate(BaseHTTPMiddleware):
    """Writes requests down, lets faults strike, and answers refusals as the Hub does."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        hub, path = request.app.state.hub, request.url.path
        hub.requests.append(f"{request.method} {path}")
        fault = next((fault for fault in hub.faults if fault.strikes(request.method, path)), None)
        if fault:
            await asyncio.sleep(fault.delay)
        if fault and fault.status == 0:
            hub.repos.clear()
        elif fault and not fault.after:
            return JSONResponse({"error": "the loopback Hub was told to fail"}, fault.status, fault.headers)
        response = await call_next(request)
        if fault and fault.after:
            return JSONResponse({"error": "the answer was lost"}, fault.status, fault.headers)
        return response


async def _refuse(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    headers = {"X-Error-Message": refusal.message, **({"X-Error-Code": refusal.code} if refusal.code else {})}
    return JSONResponse({"error": refusal.message}, refusal.status, headers)


def build_app(hub: Hub, machines: Machines) -> Starlette:
    """The application that serves a hub and runs its jobs."""
    api, files = "/api/{kinds}/{org}/{name}", "/{kinds}/{org}/{name}"
    routes = [
        *JOB_ROUTES,
        Route("/api/whoami-v2", whoami),
        Route("/api/validate-yaml", validate_yaml, methods=["POST"]),
        Route("/api/repos/create", create, methods=["POST"]),
        Route(f"{api}/revision/{{revision}}", info),
        Route(f"{api}/refs", refs),
        Route(f"{api}/tree/{{revision}}", tree),
        Route(f"{api}/tree/{{revision}}/{{path:path}}", tree),
        Route(f"{api}/paths-info/{{revision}}", paths_info, methods=["POST"]),
        Route(f"{api}/preupload/{{revision}}", preupload, methods=["POST"]),
        Route(f"{api}/commit/{{revision}}", commit, methods=["POST"]),
        Route(f"{api}/tag/{{revision}}", tag, methods=["POST"]),
        Route(api, info),
        Route(f"{files}.git/info/lfs/objects/batch", lfs_batch, methods=["POST"]),
        Route("/lfs/{oid}", lfs_upload, methods=["PUT"]),
        Route(f"{files}/resolve/{{revision}}/{{path:path}}", resolve),
        Route("/{org}/{name}.git/info/lfs/objects/batch", lfs_batch, methods=["POST"]),
        Route("/{org}/{name}/resolve/{revision}/{path:path}", resolve),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(_Gate)], exception_handlers={Refusal: _refuse})
    app.state.hub, app.state.machines = hub, machines
    return app
