// Sends the lines of stdin, prints what comes, ends with stdin: 1 where a line was refused. Node 20, npm install ws
import { createInterface } from "node:readline";
import WebSocket from "ws";
const args = process.argv.slice(2), register = args[0] === "--register" && args.shift();
const [server, name, password, room = "general"] = args;
const LATER = ["rate_limited", "overloaded", "storage_failed"]; // With these codes the same may succeed after a while.
let socket, silence, acked, pending, pause = 0, since = {}; // pending: has no Ack; since: a room's last printed seq.
const print = (text) => console.log(text.replace(/\p{Cc}/gu, " ")); // What others write must not command the terminal.
const send = (frame) => frame && socket?.readyState === WebSocket.OPEN && socket.send(JSON.stringify(frame));
const post = (path) => fetch(server + path, { method: "POST", body: JSON.stringify({ name, password }) });
const stop = (why) => { console.error(why); process.exit(1); };
const reset = () => { since = {}; pause = 1; socket.removeAllListeners("message").terminate(); }; // Restored from a backup.
const hear = {
  Welcome({ rooms }) { if (rooms.some((it) => it.last_seq < since[it.name])) return reset(); pause = 0; send(pending); },
  Message({ room, seq, sender, content, replaces }) {
    print(`[${room}] ${sender}${replaces ? " (edited)" : ""}: ${content}`);
    since[room] = seq;
    send({ action: "Read", data: { room, seq } });
  },
  Gap({ room }) { print(`[${room}] (more in the history)`); },
  Ack(_, id) { if (id && id === pending?.id) { pending = null; acked(); } },
  Error({ code, message, retry_after_ms = 1000 }, id) {
    if (id && LATER.includes(code)) return setTimeout(() => send(pending), retry_after_ms);
    print(`! ${message}`);
    if (id) process.exitCode = 1;
    hear.Ack(null, id); // Repeating would not mend it: on to the next line.
  },
};
async function connect() {
  const known = await post("/auth/login");
  const answer = known.status === 401 && register ? await post("/auth/createuser") : known;
  const { token, code, message } = await answer.json();
  if (!token) return LATER.includes(code) ? retry(message) : stop(`Wrong name or password: ${message}`);
  const alive = () => { clearTimeout(silence); silence = setTimeout(() => socket.terminate(), 75_000); }; // No pings.
  socket = new WebSocket(server.replace("http", "ws") + "/chat/connect").on("ping", alive).on("message", alive);
  socket.on("open", () => send({ action: "Hello", data: { token, since } })).on("error", () => {}); // "close" follows.
  socket.on("message", (json) => { const { action, data, id } = JSON.parse(json); hear[action]?.(data, id); });
  socket.on("close", (code) => (code === 4401 ? stop("Signed out: start again to sign in.") : retry(`code ${code}`)));
}
function retry(why) {
  if (!pause) console.error(`${server} cannot be reached (${why.cause?.code ?? why}); trying again.`);
  setTimeout(() => connect().catch(retry), (0.5 + Math.random() / 2) * (pause = Math.min(2 * pause || 1000, 30_000)));
}
if (!password) stop('usage: node chat.mjs [--register] http://localhost:8080 Eva "correct horse" [room]');
connect().catch(retry);
for await (const content of createInterface({ input: process.stdin })) {
  pending = { action: "Message", data: { room, content }, id: crypto.randomUUID() };
  await new Promise((done) => { acked = done; send(pending); });
}
process.exit();
