// Makes pages livelier. Everything but recording and uploading works without it.
import { startRecorder, startUpload } from "./recorder.js";
import { sendTest } from "./steps.js";

const parse = (text) => new DOMParser().parseFromString(text, "text/html");

/** Shows times in the reader's own zone. */
function localTimes(root) {
  const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  for (const time of root.querySelectorAll("time")) time.textContent = format.format(new Date(time.dateTime));
}

/** Puts the content of another page into this one, and the focus where that page wants it. */
function show(page) {
  document.title = page.title;
  document.querySelector("main").replaceWith(page.querySelector("main"));
  start(document.querySelector("main"));
  const focus = document.querySelector("[data-focus]") ?? document.querySelector("main");
  focus.focus();
  focus.scrollIntoView({ block: "nearest" });
}

/** Sends a form without leaving the page, and tells what goes on meanwhile. */
function enhance(form) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const action = event.submitter?.getAttribute("formaction") ?? form.action;
    const body = new URLSearchParams(new FormData(form));
    const said = form.querySelector("[data-said]");
    const buttons = [...form.querySelectorAll("button")];
    for (const button of buttons) button.disabled = true;
    try {
      const isTest = form.querySelector("[data-steps]") !== null;
      const text = isTest
        ? await sendTest(form, { action, body, said })
        : await (await fetch(action, { method: "POST", body })).text();
      history.replaceState(undefined, "", location.pathname); // what is shown is the page as it is without a query
      show(parse(text));
    } catch {
      document.querySelector("[data-outcome]").replaceChildren();
      for (const button of buttons) button.disabled = false;
      said.textContent = form.dataset.failed;
      (event.submitter ?? buttons[0]).focus();
    }
  });
}

/** Looks again every few seconds at what may change by itself, and replaces it where it has. */
function follow() {
  setInterval(async () => {
    const live = [...document.querySelectorAll("[data-live]")];
    if (document.hidden || live.length === 0) return;
    try {
      const page = parse(await (await fetch(location.pathname)).text());
      for (const old of live) {
        const now = page.getElementById(old.id);
        if (now) localTimes(now);
        if (!now) old.remove();
        else if (now.textContent !== old.textContent) {
          old.replaceWith(now);
          start(now);
        }
      }
    } catch {
      // the service is away; the next look may find it
    }
  }, 3_000);
}

/** How often a player has failed, although the page of the recording knows of no obstacle. */
let unexplained = 0;

/** Says why a recording does not play: the page of the recording knows, unless it is this browser that can't. */
function watchPlayer(player) {
  // Recordings made in a browser name no length; players find it by looking for the end once.
  const findLength = () => {
    if (Number.isFinite(player.duration)) return;
    player.addEventListener("durationchange", () => (player.currentTime = 0), { once: true });
    player.currentTime = Number.MAX_SAFE_INTEGER;
  };
  const explain = async () => {
    const page = parse(await (await fetch(location.href)).text());
    if (page.querySelector("[data-player]")) unexplained += 1;
    // The first time what was in the way may have gone.
    if (unexplained < 2) show(page);
    else player.parentElement.querySelector("[data-said]").textContent = player.dataset.player;
  };
  // The player begins before this script does.
  if (player.readyState >= HTMLMediaElement.HAVE_METADATA) findLength();
  else player.addEventListener("loadedmetadata", findLength, { once: true });
  if (player.error) void explain();
  else player.addEventListener("error", explain, { once: true });
}

function copy(button) {
  const text = document.getElementById(button.dataset.copy);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text.textContent);
    button.parentElement.querySelector("[data-said]").textContent = text.dataset.copied;
  });
}

function start(root) {
  localTimes(root);
  for (const form of root.querySelectorAll("[data-enhance]")) enhance(form);
  for (const player of root.querySelectorAll("[data-player]")) watchPlayer(player);
  for (const button of root.querySelectorAll("[data-copy]")) copy(button);
  for (const card of root.querySelectorAll("[data-recorder]")) startRecorder(card);
  for (const form of root.querySelectorAll("[data-upload]")) startUpload(form);
}

start(document);
follow();
document.querySelector("[data-focus]")?.focus();
