// A complete client: node chat.mjs http://localhost:8080 Eva "correct horse" [room]
// Needs Node 20 and `npm install ws`. Prints what is said in all rooms, sends the lines of stdin, ends with stdin.
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import WebSocket from "ws";

const [server, name, password, room = "general"] = process.argv.slice(2);
const since = {}; // Per room the last seq that was printed.
let token, socket, pending, acked; // `pending` is sent, and sent again with the same id, until it is acked.
let pause = 1000;
const LATER = ["rate_limited", "overloaded", "storage_failed"];
const post = (path) => fetch(server + path, { method: "POST", body: JSON.stringify({ name, password }) });
const send = (frame) => frame && socket?.readyState === WebSocket.OPEN && socket.send(JSON.stringify(frame));
// What others write must not command the terminal.
const print = (text) => console.log(text.replace(/[\p{Cc}\p{Cf}]/gu, (c) => (c === "\n" ? "\n    " : "\ufffd")));
const actions = {
  Welcome() { pause = 1000; send(pending); },
  Message({ room, seq, sender, content }) { since[room] = seq; print(`[${room}] ${sender}: ${content}`); },
  Gap({ room, after, before }) { print(`[${room}] ... messages ${after + 1} to ${before - 1} are in the history ...`); },
  Ack(_, id) { if (pending && id === pending.id) acked(); },
  Error({ code, message, retry_after_ms }, id) {
    if (LATER.includes(code) && id) return setTimeout(() => send(pending), retry_after_ms ?? 1000);
    console.error(message);
    this.Ack(null, id); // It will never be taken: go on with the next line.
  },
};
async function signIn() {
  let answer = await post("/auth/login");
  const created = answer.status === 401 && (await post("/auth/createuser"));
  if (created && created.status !== 409) answer = created; // 409: the name exists, so it was the password.
  const { token, message } = await answer.json();
  if (!token) { console.error(message); process.exit(1); }
  return token;
}
async function connect() {
  token ??= await signIn();
  socket = new WebSocket(server.replace(/^http/, "ws") + "/chat/connect");
  let silence; // The server pings whoever is silent; where nothing comes at all, the connection is dead.
  const alive = () => { clearTimeout(silence); silence = setTimeout(() => socket.terminate(), 75_000); };
  socket.on("open", () => { alive(); send({ action: "Hello", data: { token, since } }); }).on("ping", alive);
  socket.on("message", (json) => { alive(); const { action, data, id } = JSON.parse(json); actions[action]?.(data, id); });
  socket.on("error", () => {}); // "close" follows, also where the connection never opened.
  socket.on("close", (code) => { clearTimeout(silence); if (code === 4401) token = null; reconnect(); });
}
const reconnect = () => setTimeout(() => connect().catch(reconnect), Math.random() * (pause = Math.min(2 * pause, 30_000)));

connect().catch(reconnect);
for await (const content of createInterface({ input: process.stdin })) {
  pending = { action: "Message", data: { room, content }, id: randomUUID() };
  await new Promise((done) => { acked = done; send(pending); });
  pending = null;
}
process.exit(0);
