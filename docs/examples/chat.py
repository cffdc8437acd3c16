"""A complete client: python3 chat.py http://localhost:8080 Eva "correct horse" [room]
Needs `pip install websockets`. Prints what is said in all rooms, sends the lines of stdin, ends with stdin."""
import asyncio, json, random, sys, threading, unicodedata, urllib.error, urllib.request, uuid
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

server, name, password, room = (sys.argv[1:] + ["general"])[:4]
LATER = ("rate_limited", "overloaded", "storage_failed")
since = {}  # Per room the last seq that was printed.
socket = pending = None  # `pending` is sent, and sent again with the same id, until it is acked.
acked = asyncio.Event()

def post(path):
    request = urllib.request.Request(server + path, json.dumps({"name": name, "password": password}).encode())
    try: return 200, json.load(urllib.request.urlopen(request))
    except urllib.error.HTTPError as error: return error.code, json.load(error)
    except urllib.error.URLError as error: sys.exit(f"{server}: {error.reason}")

def sign_in():
    status, answer = post("/auth/login")
    created = post("/auth/createuser") if status == 401 else (409, None)
    if created[0] != 409: answer = created[1]  # 409: the name exists, so it was the password.
    return answer.get("token") or sys.exit(answer["message"])

def show(text):  # What others write must not command the terminal.
    safe = lambda c: "\n    " if c == "\n" else "\ufffd" if unicodedata.category(c) in ("Cc", "Cf") else c
    print("".join(map(safe, text)), flush=True)

async def send(frame):
    try:
        if frame and socket: await socket.send(json.dumps(frame))
    except ConnectionClosed: pass  # The next Welcome sends it again.

async def hear(action, data, id=None, **_):
    mine = pending and id == pending["id"]
    if action == "Welcome": await send(pending)
    elif action == "Message":
        since[data["room"]] = data["seq"]
        show(f'[{data["room"]}] {data["sender"]}: {data["content"]}')
    elif action == "Gap": show(f'[{data["room"]}] ... {data["before"] - data["after"] - 1} more are in the history ...')
    elif action == "Ack" and mine: acked.set()
    elif action == "Error" and mine and data["code"] in LATER:
        await asyncio.sleep(data.get("retry_after_ms", 1000) / 1000)
        await send(pending)
    elif action == "Error":
        print(data["message"], file=sys.stderr)
        if mine: acked.set()  # It will never be taken: go on with the next line.

async def listen(token):
    global socket
    async for socket in connect(server.replace("http", "ws", 1) + "/chat/connect", max_size=None):
        try:
            await send({"action": "Hello", "data": {"token": token, "since": since}})
            async for frame in socket: await hear(**json.loads(frame))
        except ConnectionClosed: pass
        if socket.close_code == 4401: token = sign_in()
        await asyncio.sleep(random.uniform(0.5, 2))  # Where it cannot connect at all, `connect` waits longer and longer.

def read_lines(loop, lines):
    for line in sys.stdin: loop.call_soon_threadsafe(lines.put_nowait, line.rstrip("\n"))
    loop.call_soon_threadsafe(lines.put_nowait, None)

async def main():
    global pending
    listening, lines = asyncio.create_task(listen(sign_in())), asyncio.Queue()
    threading.Thread(target=read_lines, args=(asyncio.get_running_loop(), lines), daemon=True).start()
    while (content := await lines.get()) is not None:
        pending = {"action": "Message", "data": {"room": room, "content": content}, "id": str(uuid.uuid4())}
        acked.clear()
        await send(pending)
        await acked.wait()
        pending = None
    listening.cancel()
    await asyncio.wait([listening])

asyncio.run(main())
