// An AIP session in a browser: the end that dials, written from docs/protocol.md.

import { concatenated, decode, encode } from "./msgpack.js";
import { ProtocolError, Streams } from "./streams.js";

const VERSION = 1;
const SUBPROTOCOL = "aip.v1+msgpack";
const DEFAULT_LIMITS = { max_frame: 16777216, max_body: 8388608, max_batch: 1024 };
const PROTOCOL = 4000;
const GOODBYE = 4007;
// After these dialing again is of no use: who we are, what we speak, somebody else has the session.
const FINAL = new Set([4001, 4002, 4005, 4006, GOODBYE]);
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5000;
const HELLO_MS = 5000;
const ACK_DELAY_MS = 20;
const LOOK_MS = 500;
const SILENT_INTERVALS = 3;
const CLOCK_SAMPLES = 8;
// Bytes that may wait in the socket: few, so that what is sent next is decided late.
const BEHIND_BYTES = 16 * 1024;

// Unix seconds that never go back.
export const clock = () => (performance.timeOrigin + performance.now()) / 1000;

// What an error says, and what can be done about it.
export const advice = ({ message, remedy }) => (remedy ? `${message} ${remedy}` : message);

// A frame: an acknowledgement, and messages that are encoded already.
export function joined(ack, messages) {
  const count = messages.length + 1;
  const head = count < 16 ? [0x90 | count] : [0xdc, count >> 8, count & 255];
  return concatenated([new Uint8Array(head), encode(ack), ...messages]);
}

// The acknowledgement and the messages of a frame; a ProtocolError if it is none.
export function read(data) {
  try {
    const frame = decode(new Uint8Array(data));
    if (Array.isArray(frame) && Number.isInteger(frame[0])) return frame;
  } catch (error) {
    throw new ProtocolError(`The frame cannot be read: ${error.message}`);
  }
  throw new ProtocolError("A frame is an array that begins with an acknowledgement.");
}

// Goes on until `close`, or until the peer will have no more of it. The handlers, all of them optional:
//   opened(resumed, welcome)  there is a connection; if it is not resumed, the session is a new one,
//                             and what was not acknowledged and all streams of an older one are gone
//   lost()                    the connection is gone, and another is being tried
//   ended(code, reason)       it is over
//   message(type, body)       a numbered message that is not the session's own
//   stream(incoming)          the peer opened a stream
export class Session {
  constructor(url, hello, handlers) {
    this.url = url;
    this.hello = hello;
    this.handlers = handlers;
    this.rtt_s = 0;
    this.offset_s = 0; // the peer's clock minus ours
    this.session = null;
    this.pause = 0;
    this.begin();
    this.dial();
  }

  // ── for whoever uses it ───────────────────────────────────────────────────────────────────────

  // A numbered message; it arrives once, and in order.
  send(type, body) {
    const number = ++this.sent;
    this.unsecured.push({ number, message: encode([type, number, body]) });
    this.flushSoon();
  }

  openItems(label, deadline_ms, meta) {
    return this.streams.openItems(label, deadline_ms, meta);
  }

  openBytes(label, meta) {
    return this.streams.openBytes(label, this.limits, meta);
  }

  // Say goodbye: the peer forgets the session.
  close(reason) {
    if (this.isOpen) this.say("bye", { reason });
    this.flush();
    this.over(GOODBYE, reason);
  }

  // ── connections ───────────────────────────────────────────────────────────────────────────────

  begin() {
    this.received = this.sent = this.passed = 0;
    this.limits = { ...DEFAULT_LIMITS };
    this.unsecured = []; // ours, until they are acknowledged; up to `passed` they were sent
    this.streams = new Streams({
      number: (type, body) => this.send(type, body),
      say: (type, body) => this.say(type, body),
      flush: () => this.flushSoon(),
      opened: (incoming) => this.handlers.stream?.(incoming),
    });
  }

  dial() {
    const socket = new WebSocket(this.url, SUBPROTOCOL);
    socket.binaryType = "arraybuffer";
    Object.assign(this, { socket, isOpen: false, control: [], samples: [] });
    this.heard = performance.now();
    this.silence_ms = HELLO_MS;
    this.watch = setInterval(() => this.look(), LOOK_MS);
    socket.onopen = () => {
      const { hello, session, received } = this;
      const body = { ...hello, version: [VERSION], received, ...(session && { session }) };
      socket.send(joined(0, [encode(["hello", 0, body])]));
    };
    socket.onmessage = ({ data }) => {
      try {
        this.take(read(data));
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        console.error(error);
        this.drop(PROTOCOL, error.message);
      }
    };
    socket.onclose = ({ code, reason }) => this.gone(code, reason);
  }

  gone(code, reason) {
    this.letGo();
    if (FINAL.has(code)) return this.handlers.ended?.(code, this.refusal ?? reason);
    this.handlers.lost?.();
    this.redial = setTimeout(() => this.dial(), this.pause);
    this.pause = Math.min(Math.max(2 * this.pause, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
  }

  // Have no more to do with the connection, though it may not have noticed that it is dead.
  drop(code, reason) {
    const { socket } = this;
    this.letGo();
    socket.close(code, reason.slice(0, 40));
    this.gone(code, reason);
  }

  over(code, reason) {
    clearTimeout(this.redial);
    const { socket } = this;
    this.letGo();
    socket.close(code);
    this.handlers.ended?.(code, reason);
  }

  letGo() {
    this.isOpen = false;
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    clearInterval(this.watch);
    clearTimeout(this.acknowledging);
    this.acknowledging = null;
  }

  look() {
    const now = performance.now();
    if (now - this.heard > this.silence_ms) return this.drop(4004, "nothing was heard");
    if (this.isOpen && now >= this.pingAt) this.ping(now);
    this.flush();
  }

  // ── receiving ─────────────────────────────────────────────────────────────────────────────────

  take([ack, ...messages]) {
    this.heard = performance.now();
    if (!this.isOpen) {
      const [type, , body] = messages.shift() ?? [];
      if (type === "error") this.refusal = advice(body);
      if (type !== "welcome") return;
      this.welcomed(body);
    }
    while (this.unsecured.length && this.unsecured[0].number <= ack) this.unsecured.shift();
    for (const [type, number, body] of messages) {
      if (number && number <= this.received) continue;
      if (number > this.received + 1) throw new ProtocolError(`Message ${number} came too early.`);
      if (number) this.received = number;
      if (number) this.acknowledging ??= setTimeout(() => this.acknowledge(), ACK_DELAY_MS);
      this.hear(type, number, body);
      if (!this.isOpen) return;
    }
  }

  welcomed(welcome) {
    this.pause = 0;
    this.refusal = undefined;
    // What was sent before there was any session is not lost: it was early.
    if (!welcome.resumed && this.session) this.begin();
    Object.assign(this.limits, welcome.limits);
    this.session = welcome.session;
    this.passed = welcome.received;
    this.isOpen = true;
    this.beat_ms = 1000 * welcome.heartbeat_s;
    this.silence_ms = SILENT_INTERVALS * this.beat_ms;
    if (welcome.resumed) this.streams.resume();
    this.ping(performance.now());
    this.acknowledge();
    this.handlers.opened?.(welcome.resumed, welcome);
  }

  hear(type, number, body) {
    switch (type) {
      case "open":
      case "close":
      case "data":
      case "window":
        return this.streams.receive(type, body, clock() + this.offset_s);
      case "ping":
        return this.say("pong", { t0: body.t0, t1: clock(), t2: clock() });
      case "pong":
        return this.measure(body);
      case "error":
        this.refusal = advice(body);
        return console.warn(`Refused: ${body.message}`);
      case "bye":
        return this.over(GOODBYE, this.refusal ?? body.reason);
    }
    if (number) this.handlers.message?.(type, body);
    else this.say("error", { code: "protocol.remote", message: `${type}: it was not expected.` });
  }

  // ── the clock ─────────────────────────────────────────────────────────────────────────────────

  ping(now) {
    this.pingAt = now + this.beat_ms;
    this.say("ping", { t0: clock() });
  }

  measure({ t0, t1, t2 }) {
    const t3 = clock();
    this.samples.push({ rtt_s: t3 - t0 - (t2 - t1), offset_s: (t1 - t0 + (t2 - t3)) / 2 });
    if (this.samples.length > CLOCK_SAMPLES) this.samples.shift();
    const best = this.samples.reduce((a, b) => (b.rtt_s < a.rtt_s ? b : a));
    Object.assign(this, { rtt_s: Math.max(0, best.rtt_s), offset_s: best.offset_s });
  }

  // ── sending ───────────────────────────────────────────────────────────────────────────────────

  say(type, body) {
    this.control.push(encode([type, 0, body]));
    this.flushSoon();
  }

  // Alone, though nothing else is to be said.
  acknowledge() {
    this.acknowledging = null;
    this.write([]);
  }

  flushSoon() {
    if (this.flushing) return;
    this.flushing = true;
    queueMicrotask(() => this.flush());
  }

  flush() {
    this.flushing = false;
    if (!this.isOpen) return;
    const waiting = this.unsecured.filter(({ number }) => number > this.passed);
    const messages = [...this.control.splice(0), ...waiting.map(({ message }) => message)];
    this.passed = this.sent;
    for (const frame of this.batches(messages)) this.write(frame);
    // Nothing of a stream goes out before the message that opens it.
    const room = () => this.socket.bufferedAmount < BEHIND_BYTES;
    for (const body of this.streams.parts(clock(), room)) {
      this.write([encode(["data", 0, body])]);
    }
  }

  // As many messages in each frame as the peer takes.
  *batches(messages) {
    let batch = [];
    let bytes = 0;
    for (const message of messages) {
      const full = bytes + message.length > this.limits.max_frame / 2;
      if (batch.length && (full || batch.length >= this.limits.max_batch)) {
        yield batch;
        [batch, bytes] = [[], 0];
      }
      batch.push(message);
      bytes += message.length;
    }
    if (batch.length) yield batch;
  }

  write(messages) {
    if (!this.isOpen) return;
    clearTimeout(this.acknowledging);
    this.acknowledging = null;
    this.socket.send(joined(this.received, messages));
  }
}
