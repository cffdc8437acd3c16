"""Sends the lines of stdin, prints what comes, ends with stdin: 1 where a line was refused. pip install websockets"""
import contextlib, json, os, random, re, sys, threading, time, urllib.error, urllib.request, uuid, websockets.sync.client
args = sys.argv[1:]
register = args[:1] == ["--register"] and args.pop(0)
if len(args) < 3: sys.exit('usage: python3 chat.py [--register] http://localhost:8080 Eva "correct horse" [room]')
server, name, password, room = (args + ["general"])[:4]
LATER = ("rate_limited", "overloaded", "storage_failed")  # With these codes the same may succeed after a while.
SHOWN = {"Message": "[{room}] {sender}{edited}: {content}", "Gap": "[{room}] (more in the history)", "Error": "! {message}"}
since, unacked, refused, acked = {}, {}, [], threading.Semaphore(0)  # since: per room the last seq printed.
socket, pause = None, 0
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
        edited = " (edited)" if "replaces" in data else ""
        print(re.sub(r"[\0-\x1f\x7f-\x9f]", " ", SHOWN[action].format(edited=edited, **data)), flush=True)
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
        with websockets.sync.client.connect(server.replace("http", "ws", 1) + "/chat/connect", max_size=None) as it:
            it.send(json.dumps({"action": "Hello", "data": {"token": token, "since": since}}))
            if json.loads(it.recv())["action"] == "Welcome": socket, pause = it, 0  # Else it closes.
            send()
            while True: hear(**json.loads(it.recv()))
    except (OSError, ValueError, websockets.WebSocketException) as why:
        if getattr(why, "rcvd", None) and why.rcvd.code == 4401: sys.exit("Signed out: start again to sign in.")
        if not pause: print(f"{server} cannot be reached ({why}); trying again.", file=sys.stderr)
        time.sleep(random.uniform(0.5, 1) * (pause := min(2 * pause or 1, 30)))
