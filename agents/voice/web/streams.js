// The streams of an AIP session: bytes that all arrive, and items that are dropped when late.

// The peer does not keep to the protocol.
export class ProtocolError extends Error {}

const CHUNK_BYTES = 16 * 1024;
const WINDOW_BYTES = 1024 * 1024;

// Sends items. Without a deadline only the newest is kept.
class ItemSender {
  constructor(number, deadline_s, flush) {
    this.number = number;
    this.deadline_s = deadline_s;
    this.dropped = 0; // items that were never sent
    this.items = [];
    this.index = 0;
    this.flush = flush;
  }

  // An item that was made at a time of the session's clock, in seconds.
  put(payload, time) {
    const { deadline_s } = this;
    while (this.items.length && (deadline_s === null || time - this.items[0].time > deadline_s)) {
      this.items.shift();
      this.dropped++;
    }
    this.items.push({ stream: this.number, index: this.index++, time, payload });
    this.flush();
  }

  take(now) {
    while (this.items.length) {
      const item = this.items.shift();
      if (this.deadline_s === null || now - item.time <= this.deadline_s) return item;
      this.dropped++;
    }
    return null;
  }

  rewind() {}
}

// Sends bytes, and keeps them until they were taken in.
class ByteSender {
  constructor(number, chunk, flush) {
    this.number = number;
    this.chunk = chunk;
    this.flush = flush;
    this.limit = WINDOW_BYTES;
    this.chunks = [];
    this.next = 0; // of the chunks, to be sent
    this.base = 0; // the offset of the first
    this.sent = 0; // the offset up to which was sent on this connection
  }

  write(bytes) {
    for (let at = 0; at < bytes.length; at += this.chunk) {
      this.chunks.push(bytes.slice(at, at + this.chunk));
    }
    this.flush();
  }

  take() {
    const payload = this.chunks[this.next];
    if (payload === undefined || this.sent + payload.length > this.base + this.limit) return null;
    const offset = this.sent;
    this.next++;
    this.sent += payload.length;
    return { stream: this.number, offset, payload };
  }

  window(offset, limit) {
    this.limit = limit;
    while (this.chunks.length && this.base < offset) {
      const taken = Math.min(this.chunks[0].length, offset - this.base);
      this.base += taken;
      if (taken < this.chunks[0].length) this.chunks[0] = this.chunks[0].subarray(taken);
      else {
        this.chunks.shift();
        this.next = Math.max(0, this.next - 1);
      }
    }
    this.sent = Math.max(this.sent, this.base);
    this.flush();
  }

  rewind() {
    this.next = 0;
    this.sent = this.base;
  }
}

// A stream of the peer. Give it `ondata`, which takes a Uint8Array, and `onend` if you like.
class Incoming {
  constructor({ stream, qos, deadline_ms, label, meta }) {
    Object.assign(this, { number: stream, qos, label: label ?? "", meta: meta ?? {} });
    this.deadline_s = qos === "deadline" ? deadline_ms / 1000 : Infinity;
    this.offset = 0;
    this.newest = -1;
    this.ended = false;
    this.ondata = () => {};
    this.onend = () => {};
  }

  // Whether bytes were taken in, so that a window is to be said.
  take({ payload, offset, index, time, last }, peerNow) {
    if (this.qos !== "reliable") {
      if (index <= this.newest || peerNow - time > this.deadline_s) return false;
      this.newest = index;
      this.ondata(payload);
      return false;
    }
    if (offset > this.offset) throw new ProtocolError(`Bytes before ${offset} are missing.`);
    const fresh = payload.subarray(this.offset - offset);
    this.offset += fresh.length;
    if (fresh.length) this.ondata(fresh);
    if (last && !this.ended) {
      this.ended = true;
      this.onend(null);
    }
    return true;
  }

  window() {
    return { stream: this.number, offset: this.offset, limit: WINDOW_BYTES };
  }
}

// All of a session. `number` sends a numbered message, `say` one without, `flush` what waits.
export class Streams {
  constructor({ number, say, flush, opened }) {
    Object.assign(this, { number, say, flush, opened });
    this.next = 1; // the dialler's are odd
    this.newest = 0; // of the peer's
    this.senders = new Map();
    this.receivers = new Map();
  }

  openItems(label, deadline_ms = null, meta = {}) {
    const stream = this.open(label, meta, deadline_ms === null ? "latest" : "deadline", deadline_ms);
    return this.keep(new ItemSender(stream, deadline_ms && deadline_ms / 1000, this.flush));
  }

  openBytes(label, limits, meta = {}) {
    const stream = this.open(label, meta, "reliable", null);
    // With room around it, every part finds its place in a frame.
    const chunk = Math.min(CHUNK_BYTES, limits.max_body >> 1, limits.max_frame >> 2);
    return this.keep(new ByteSender(stream, chunk, this.flush));
  }

  open(label, meta, qos, deadline_ms) {
    const stream = this.next;
    this.next += 2;
    this.number("open", { stream, qos, label, meta, ...(deadline_ms && { deadline_ms }) });
    return stream;
  }

  keep(sender) {
    this.senders.set(sender.number, sender);
    return sender;
  }

  // After a reconnect: say again what was taken in, and send again what was not.
  resume() {
    for (const sender of this.senders.values()) sender.rewind();
    for (const each of this.receivers.values()) {
      if (each.qos === "reliable") this.say("window", each.window());
    }
  }

  // What the peer says of streams.
  receive(type, body, peerNow) {
    switch (type) {
      case "open":
        if (body.stream % 2 || body.stream <= this.newest) {
          throw new ProtocolError(`${body.stream} is not the number of a new stream of the peer.`);
        }
        this.newest = body.stream;
        this.receivers.set(body.stream, new Incoming(body));
        this.opened(this.receivers.get(body.stream));
        break;
      case "close": {
        const ended = this.receivers.get(body.stream);
        this.receivers.delete(body.stream);
        this.senders.delete(body.stream);
        if (ended && !ended.ended) ended.onend(body.error ?? null);
        break;
      }
      case "data": {
        const receiver = this.receivers.get(body.stream);
        if (receiver?.take(body, peerNow)) this.say("window", receiver.window());
        break;
      }
      case "window":
        this.senders.get(body.stream)?.window?.(body.offset, body.limit);
    }
  }

  // The next part of each stream in turn, as long as `room` says that there is some.
  *parts(now, room) {
    for (let found = true; found; ) {
      found = false;
      for (const sender of this.senders.values()) {
        const body = room() ? sender.take(now) : null;
        if (body !== null) {
          found = true;
          yield body;
        }
      }
    }
  }
}
