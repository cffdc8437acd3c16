"""Sends the lines of stdin, prints what comes, ends with stdin: 1 where a line was refused. pip install websockets"""
import contextlib, json, os, random, re, sys, threading, time, urllib.error, urllib.request, uuid, websockets.sync.client
register = sys.argv[1:2] == ["--register"] and sys.argv.pop(1)
if len(sys.argv) < 4: sys.exit('usage: python3 chat.py [--register] http://localhost:8080 Eva "correct horse" [room]')
server, name, password, room = (sys.argv[1:] + ["general"])[:4]
LATER = ("rate_limited", "overloaded", "storage_failed")  # With these codes the same may succeed after a while.
SHOWN = {"Message": "[{room}] {sender}{edited}: {content}", "Gap": "[{room}] (more in the history)", "Error": "! {message}"}
since, unacked, refused, acked, socket, pause = {}, {}, [], threading.Semaphore(0), None, 0  # since: the last seqs printed.
def sign_in(path="/auth/login"):
    account = json.dumps({"name": name, "password": password}).encode()
    try: return json.load(urllib.request.urlopen(server + path, account, timeout=30))["token"]
    except urllib.error.HTTPError as error:
        if error.code == 401 and register: return sign_in("/auth/createuser")
        raise error if error.code >= 429 else SystemExit("Wrong name or password: " + json.load(error)["message"])
def send():
    with contextlib.suppress(websockets.ConnectionClosed):  # The next connection sends it again.
        for frame in list(unacked.values()) if socket else []: socket.send(frame)
def hear(action, data, id=None, **_):
    if id and data.get("code") in LATER: return threading.Timer(data.get("retry_after_ms", 1000) / 1000, send).start()
    if action in SHOWN:
        text = SHOWN[action].format(edited=" (edited)" if "replaces" in data else "", **data)
        print(re.sub(r"[\0-\x1f\x7f-\x9f]", " ", text), flush=True)
    if action == "Message":
        since[data["room"]] = data["seq"]
        socket.send(json.dumps({"action": "Read", "data": {"room": data["room"], "seq": data["seq"]}}))
    if unacked.pop(id, None):  # Its Ack, or an Error that no repeating mends: on to the next line.
        if action == "Error": refused.append(id)
        acked.release()
def talk():
    for line in open(0, errors="replace"):
        id = str(uuid.uuid4())
        unacked[id] = json.dumps({"action": "Message", "data": {"room": room, "content": line.rstrip("\n")}, "id": id})
        send()
        acked.acquire()
    os._exit(len(refused) > 0)
threading.Thread(target=talk, daemon=True).start()
while True:
    try:
        token = sign_in()
        with websockets.sync.client.connect(server.replace("http", "ws", 1) + "/chat/connect", max_size=None, close_timeout=1) as it:
            it.send(json.dumps({"action": "Hello", "data": {"token": token, "since": since}}))
            rooms = json.loads(it.recv())["data"].get("rooms")  # Welcome has them; after anything else it closes.
            if rooms and any(known["last_seq"] < since.get(known["name"], 0) for known in rooms):
                since.clear(); continue  # The server was restored from a backup.
            if rooms: socket, pause = it, 0; send()
            while True: hear(**json.loads(it.recv()))
    except (OSError, ValueError, websockets.WebSocketException) as why:
        if getattr(why, "rcvd", None) and why.rcvd.code == 4401: sys.exit("Signed out: start again to sign in.")
        if not pause: print(f"{server} cannot be reached ({why}); trying again.", file=sys.stderr)
        time.sleep(random.uniform(0.5, 1) * (pause := min(2 * pause or 1, 30)))
