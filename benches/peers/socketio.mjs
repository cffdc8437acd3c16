// A chat of Socket.IO with the usual broadcast: `io.emit` to everybody and an acknowledgement to the sender, in memory
// alone.

import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { transports: ["websocket"] });
let seq = 0;

io.on("connection", (socket) => {
  socket.on("message", ({ room, content }, acknowledge) => {
    const message = { room, seq: ++seq, sender: "user-00000", content, timestamp: Date.now() };
    io.emit("message", message);
    acknowledge({ room, seq, timestamp: message.timestamp });
  });
});

http.listen(0, "127.0.0.1", () => console.log(`127.0.0.1:${http.address().port}`));
