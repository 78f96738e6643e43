// The page: one websocket to the agent, the microphone into it and answers out of it.

const RATE_HZ = 16000;
const RETRY_MS = 1000;
const PHASES = {
  listening: "Listening.",
  hearing: "You speak.",
  thinking: "Thinking.",
  working: "Working.",
  speaking: "Speaking.",
  ended: "The conversation is over.",
};

const find = (id) => document.getElementById(id);
const secret = location.hash.slice(1);

let link = null;
let speaker = null;
let session = "";
let received = 0;
let saying = new Map();

function tell(message) {
  if (link?.readyState === WebSocket.OPEN) link.send(message);
}

function connect() {
  const query = new URLSearchParams({ secret, session, after: received });
  link = new WebSocket(`ws://${location.host}/talk?${query}`);
  link.binaryType = "arraybuffer";
  link.onopen = () => show("state", PHASES.listening);
  link.onmessage = ({ data }) => (typeof data === "string" ? take(JSON.parse(data)) : hear(data));
  link.onclose = ({ code }) => {
    if (code === 1000 || code === 1008 || code === 1013) return show("state", "Disconnected.");
    show("state", "The link is lost. Trying again.");
    setTimeout(connect, RETRY_MS);
  };
}

function isNew(seq) {
  if (seq <= received) return false;
  received = seq;
  return true;
}

function hear(data) {
  const view = new DataView(data);
  if (!isNew(view.getUint32(0, true))) return;
  const sound = new Int16Array(data.slice(8));
  speaker.port.postMessage({ type: "add", answer: view.getUint32(4, true), sound });
}

function take(message) {
  if (message.seq !== undefined && !isNew(message.seq)) return;
  switch (message.type) {
    case "session":
      session = message.session;
      break;
    case "level":
      for (const id of ["anyone", "primary"]) {
        find(id).value = message[id];
        show(id, message[id].toFixed(1));
      }
      break;
    case "phase":
      show("state", PHASES[message.phase]);
      break;
    case "hearing":
      show("hearing", message.text);
      break;
    case "saying":
      saying.set(message.answer, [...(saying.get(message.answer) ?? []), message.text]);
      break;
    case "said":
      caption(message);
      break;
    case "happened":
      happened(message);
      break;
    case "enrolling":
      show("who", `Speak for ${message.seconds} seconds, please.`);
      break;
    case "enrolled":
      show("who", "Only you may interrupt.");
      break;
    case "not enrolled":
      show("who", message.message);
      break;
    case "everyone":
      show("who", "Everyone may interrupt.");
      break;
    default:
      speaker.port.postMessage(message);
  }
}

function show(id, text) {
  find(id).textContent = text;
}

// What was heard of an answer, and struck out what was not.
function caption({ who, answer, text, cut }) {
  const item = document.createElement("li");
  item.className = who;
  item.append(text);
  if (cut) {
    const rest = document.createElement("span");
    const whole = (saying.get(answer) ?? []).join(" ");
    rest.className = "cut";
    rest.setAttribute("aria-label", "not heard");
    rest.textContent = whole.slice(text.length);
    item.append(rest);
  }
  saying.delete(answer);
  show("hearing", "");
  find("said").append(item);
  item.scrollIntoView({ block: "nearest" });
}

function happened({ at_s, what, text, after_s }) {
  const item = document.createElement("li");
  const after = after_s === undefined ? "" : ` (after ${Math.round(1000 * after_s)} ms)`;
  item.textContent = `${at_s.toFixed(2)} s ${what}${text ? `: ${text}` : ""}${after}`;
  find("happened").append(item);
  // The agent's own part: the way to the ear comes on top.
  if (what === "first audio") show("latency", `${Math.round(1000 * after_s)} ms`);
}

async function start() {
  find("start").disabled = true;
  const wanted = { channelCount: 1, echoCancellation: true, autoGainControl: true };
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: wanted });
    const audio = new AudioContext({ sampleRate: RATE_HZ, latencyHint: "interactive" });
    await audio.audioWorklet.addModule("audio.js");
    const microphone = new AudioWorkletNode(audio, "microphone", { numberOfOutputs: 0 });
    speaker = new AudioWorkletNode(audio, "loudspeaker", { numberOfInputs: 0 });
    microphone.port.onmessage = ({ data }) => tell(data);
    speaker.port.onmessage = ({ data }) => tell(JSON.stringify({ type: "played", ...data }));
    speaker.connect(audio.destination);
    connect();
    audio.createMediaStreamSource(stream).connect(microphone);
  } catch (error) {
    find("start").disabled = false;
    return show("state", `The microphone cannot be used: ${error.message}`);
  }
  for (const id of ["mute", "enrol", "everyone"]) find(id).disabled = false;
}

find("start").onclick = start;
find("enrol").onclick = () => tell(JSON.stringify({ type: "enrol" }));
find("everyone").onclick = () => tell(JSON.stringify({ type: "everyone" }));
find("mute").onclick = ({ target }) => {
  const on = target.getAttribute("aria-pressed") !== "true";
  target.setAttribute("aria-pressed", on);
  tell(JSON.stringify({ type: "mute", on }));
};
