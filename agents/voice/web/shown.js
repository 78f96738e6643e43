// What the page shows: captions, voices, delays, devices and work.

const PHASES = {
  listening: "Listening.",
  hearing: "You speak.",
  thinking: "Thinking.",
  working: "Working.",
  speaking: "The agent speaks.",
  ended: "The conversation is over.",
};
const VOICE = 0.5;
// A voice is shown for so long after it was heard last, or names would flicker.
const HELD_MS = 400;
// A frame of the microphone is on its way when it is full.
const FRAME_MS = 20;
// What is longer ago is dropped from the page.
const MOST_LINES = 300;

const find = (id) => document.getElementById(id);
const texts = new Map(); // of answers, as they are said
let phase = "listening";
let playing = 0; // the answer that is heard
let known = false; // whether one voice alone may interrupt
const voices = { anyone: -Infinity, primary: -Infinity }; // when they were heard last

function show(id, text) {
  if (find(id).textContent !== text) find(id).textContent = text;
}

// A screen reader is told of trouble alone: else it would talk into the conversation.
function state(text, name) {
  find("state").setAttribute("aria-live", Object.hasOwn(PHASES, name) ? "off" : "polite");
  find("state").dataset.phase = name;
  show("state", text);
}

function add(list, line) {
  find(list).append(line);
  if (find(list).childElementCount > MOST_LINES) find(list).firstElementChild.remove();
}

function item(parts, className = "") {
  const element = document.createElement("li");
  element.className = className;
  for (const part of parts) {
    const span = document.createElement("span");
    span.append(part);
    element.append(typeof part === "string" ? span : part);
  }
  return element;
}

// ── the session ─────────────────────────────────────────────────────────────────────────────────

function enable(talking) {
  for (const id of ["mute", "enrol", "everyone"]) find(id).disabled = !talking;
}

function talking(on) {
  find("start").dataset.talking = on;
  show("start", on ? "Hang up" : "Start talking");
}

const isTalking = () => find("start").dataset.talking === "true";

export function starting() {
  talking(true);
  state("Connecting.", "off");
}

// Which parts of the agent are loaded, by name; the conversation waits for all of them.
export function loading({ ready, parts }) {
  const names = Object.keys(parts);
  const missing = names.filter((name) => !parts[name]);
  find("loading").hidden = ready;
  find("loaded").max = names.length;
  find("loaded").value = names.length - missing.length;
  const next = isTalking() ? "The conversation begins by itself." : "You can press the button already.";
  show("missing", `Loading ${missing.join(", ")}. ${next}`);
}

export function begin() {
  texts.clear();
  live();
  phase = "listening";
  may("Everyone may interrupt.", false);
  enable(true);
  linked();
}

export const isMuted = () => find("mute").getAttribute("aria-pressed") === "true";

export function linked() {
  state(PHASES[phase], phase);
}

export const lost = () => state("The link is lost. Trying again.", "lost");

export function ended(reason) {
  enable(false);
  talking(false);
  live();
  // What was being learnt is given up.
  may(known ? "Only you may interrupt." : "Everyone may interrupt.", known);
  state(`Not connected: ${reason}`, "off");
}

export function trouble(message) {
  state(message, "lost");
}

export function buttons({ start, hangUp, enrol, everyone, mute }) {
  find("start").onclick = () => (isTalking() ? hangUp() : start());
  find("enrol").onclick = enrol;
  find("everyone").onclick = everyone;
  find("mute").onclick = ({ target }) => {
    target.setAttribute("aria-pressed", !isMuted());
    mute();
  };
}

// ── what the agent tells ────────────────────────────────────────────────────────────────────────

const told = {
  phase(body) {
    phase = body.phase;
    linked();
    if (phase !== "speaking" && phase !== "hearing") show("speaking", "");
  },
  hearing: ({ text }) => show("hearing", text),
  saying({ answer, text }) {
    texts.set(answer, [...(texts.get(answer) ?? []), text]);
    if (answer === playing) show("speaking", textOf(answer));
  },
  said: caption,
  happened,
  fabric,
  enrolling({ seconds, enough }) {
    show("who", `Read this aloud, or talk for ${seconds} seconds; ${enough} and a pause will do:`);
    find("learned").value = 0;
    find("enrolment").hidden = false;
  },
  learning: ({ share }) => (find("learned").value = share),
  enrolled: () => may("Only you may interrupt.", true),
  everyone: () => may("Everyone may interrupt.", false),
  "not enrolled": ({ message }) => may(message, known),
};

// Whether that was for the page to show.
export function take(kind, body, delays) {
  if (kind === "play") forgetBefore(body.answer);
  if (kind === "play" || kind === "resume") {
    playing = body.answer;
    show("speaking", textOf(playing));
  }
  if (!Object.hasOwn(told, kind)) return false;
  told[kind](body, delays);
  return true;
}

function may(text, one) {
  known = one;
  find("enrolment").hidden = true;
  show("who", text);
}

// Older answers are captions by now, or were never heard.
function forgetBefore(answer) {
  for (const older of texts.keys()) if (older < answer) texts.delete(older);
}

const textOf = (answer) => (texts.get(answer) ?? []).join(" ");

function live() {
  playing = 0;
  show("hearing", "");
  show("speaking", "");
}

// What was heard of an answer, and struck out what was not.
function caption({ who, answer, text, cut }) {
  const parts = [text];
  if (cut) {
    const rest = document.createElement("del");
    rest.className = "cut";
    rest.textContent = textOf(answer).slice(text.length);
    parts.push(rest);
  }
  if (who === "agent") texts.delete(answer);
  live();
  add("said", item(parts, who));
  find("hint").hidden = true;
  find("log").scrollTop = find("log").scrollHeight;
}

function happened({ at_s, what, text, after_s }, delays) {
  const after = after_s === undefined ? "" : ` (after ${Math.round(1000 * after_s)} ms)`;
  add("happened", item([`${at_s.toFixed(2)} s ${what}${text ? `: ${text}` : ""}${after}`]));
  if (what === "nothing said") show("hearing", "");
  // The person had not ended: what was said so far comes again, with the rest.
  if (what === "turn taken up again") [...document.querySelectorAll("#said .person")].at(-1)?.remove();
  if (what !== "first audio") return;
  const { link, device } = delays();
  const agent = 1000 * after_s;
  show("latency", `${Math.round(agent + link + device + FRAME_MS)} ms`);
  const [own, way, ear] = [agent, link, device + FRAME_MS].map(Math.round);
  show("shares", `${own} in the agent, ${way} on the link, ${ear} in your sound device`);
}

function fabric({ devices, works }) {
  const names = devices.map(([name, connected]) => item([name, connected ? "connected" : "away"]));
  find("devices").replaceChildren(...(names.length ? names : [item(["None is connected."])]));
  const rows = works.toReversed().map(({ title, state, ended, tasks }) => {
    const bar = document.createElement("progress");
    Object.assign(bar, { max: Math.max(1, tasks), value: ended });
    bar.setAttribute("aria-label", `${title}: ${ended} of ${tasks} tasks`);
    return item([title, `${state}, ${ended} of ${tasks}`, bar]);
  });
  find("works").replaceChildren(...(rows.length ? rows : [item(["Nothing runs."])]));
}

// ── voices ──────────────────────────────────────────────────────────────────────────────────────

export function levels(bytes) {
  const now = performance.now();
  ["anyone", "primary"].forEach((id, index) => {
    const level = bytes[index] / 255;
    find(id).value = level;
    find(id).textContent = level.toFixed(1);
    if (level >= VOICE) voices[id] = now;
  });
  const heard = (id) => now - voices[id] < HELD_MS;
  if (!heard("anyone") && !heard("primary")) show("voice", "Nobody");
  else if (!known) show("voice", "Somebody");
  else show("voice", heard("primary") ? "You" : "Somebody else");
}
