// A chat of Node's `ws` with the usual broadcast loop: one JSON encoding a message, one `send` a receiver, in memory
// alone. It speaks as much of docs/protocol.md as the load client hears.

import { WebSocket, WebSocketServer } from "ws";

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
let seq = 0;

server.on("connection", (socket) => {
  socket.on("message", (bytes) => {
    const { action, data, id } = JSON.parse(bytes);
    if (action === "Hello") {
      socket.send(JSON.stringify({ action: "Welcome", data: {} }));
      return;
    }
    const message = { room: data.room, seq: ++seq, sender: "user-00000", content: data.content, timestamp: Date.now(), id };
    const frame = JSON.stringify({ action: "Message", data: message });
    for (const client of server.clients) {
      if (client.readyState === WebSocket.OPEN) client.send(frame);
    }
    socket.send(JSON.stringify({ action: "Ack", data: { room: data.room, seq, timestamp: message.timestamp }, id }));
  });
});

server.on("listening", () => console.log(`127.0.0.1:${server.address().port}`));
