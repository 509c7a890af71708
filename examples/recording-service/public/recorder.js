// Records the microphone, or uploads a file. What is recorded goes to the service each second, and is encrypted there.

const types = ["audio/webm;codecs=opus", "audio/mp4;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];

/** Sends a request; throws what the service's page of the error says. */
async function send(address, init) {
  const response = await fetch(address, init);
  if (response.ok) return response;
  throw new Error(await reason(await response.text()));
}

function reason(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  return [...page.querySelectorAll("main h1, main p:not(.row)")].map((part) => part.textContent.trim()).join(". ");
}

export function startRecorder(card) {
  const texts = JSON.parse(card.dataset.texts);
  const [toggle, clock, level, said] = ["toggle", "clock", "level", "said"].map((name) =>
    card.querySelector(`[data-${name}]`),
  );
  const type = globalThis.MediaRecorder && types.find((one) => MediaRecorder.isTypeSupported(one));
  if (!type) {
    toggle.disabled = true;
    said.textContent = texts.unsupported;
    return;
  }
  let call;
  toggle.addEventListener("click", async () => {
    toggle.disabled = true;
    try {
      if (call) {
        said.textContent = texts.saving;
        location.assign(await call.stop());
        return;
      }
      const time = new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: "medium" });
      const name = `${texts.name} ${time.format(new Date())}`;
      call = await beginCall(card.dataset.recorder, type, name, (seconds, loudness) => {
        clock.textContent = `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
        level.value = loudness;
      });
      said.textContent = texts.recording;
      toggle.textContent = texts.stop;
      toggle.classList.add("recording");
      clock.hidden = level.hidden = false;
    } catch (error) {
      const denied = ["NotAllowedError", "NotFoundError", "NotReadableError"].includes(error.name);
      said.textContent = denied ? texts.noMicrophone : error.message || texts.failed;
      call?.cancel();
      call = undefined;
      toggle.textContent = texts.start;
      toggle.classList.remove("recording");
      clock.hidden = level.hidden = true;
    }
    toggle.disabled = false;
  });
}

/** Begins a call, and sends its parts one after the other. */
async function beginCall(address, type, name, tick) {
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  const release = () => microphone.getTracks().forEach((track) => track.stop());
  try {
    const query = new URLSearchParams({ name, type });
    const { id } = await (await send(`${address}/live?${query}`, { method: "POST" })).json();
    const recorder = new MediaRecorder(microphone, { mimeType: type });
    const begun = performance.now();
    const seconds = () => (performance.now() - begun) / 1000;
    let number = 0;
    let sent = Promise.resolve();
    recorder.addEventListener("dataavailable", ({ data }) => {
      if (data.size === 0) return;
      const part = `${address}/live/${id}/${number++}`;
      sent = sent.then(() => send(part, { method: "PUT", body: data }));
      sent.catch(() => undefined); // `stop` tells
    });
    recorder.start(1_000);
    const loudness = listen(microphone);
    const timer = setInterval(() => tick(seconds(), loudness()), 100);
    const end = () => {
      clearInterval(timer);
      if (recorder.state !== "inactive") recorder.stop();
      release();
    };
    return {
      cancel: end,
      async stop() {
        const length = seconds();
        const stopped = new Promise((resolve) => recorder.addEventListener("stop", resolve, { once: true }));
        end();
        await stopped;
        await sent;
        const answer = await send(`${address}/live/${id}/end?seconds=${length.toFixed(1)}`, { method: "POST" });
        return (await answer.json()).address;
      },
    };
  } catch (error) {
    release();
    throw error;
  }
}

/** How loud the microphone is now, from 0 to 1. */
function listen(microphone) {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(microphone).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  return () => {
    analyser.getFloatTimeDomainData(samples);
    return Math.min(1, 3 * Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length));
  };
}

export function startUpload(form) {
  const [progress, said] = [form.querySelector("progress"), form.querySelector("[data-said]")];
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [file] = form.elements.file.files;
    const button = form.querySelector("button");
    button.disabled = true;
    said.textContent = "";
    progress.hidden = false;
    try {
      const query = new URLSearchParams({ name: file.name });
      const seconds = await lengthOf(file);
      if (Number.isFinite(seconds)) query.set("seconds", seconds.toFixed(1));
      location.assign(await upload(`${form.dataset.upload}?${query}`, file, (share) => (progress.value = share)));
    } catch (error) {
      said.textContent = error.message || form.dataset.failed;
      progress.hidden = true;
      button.disabled = false;
    }
  });
}

/** Length of a file in seconds, as the browser's own player finds it. */
function lengthOf(file) {
  const player = new Audio();
  const address = URL.createObjectURL(file);
  return new Promise((resolve) => {
    player.addEventListener("loadedmetadata", () => resolve(player.duration));
    player.addEventListener("error", () => resolve(Number.NaN));
    player.src = address;
  }).finally(() => URL.revokeObjectURL(address));
}

/** `fetch` tells nothing of its progress. */
function upload(address, file, tell) {
  const request = new XMLHttpRequest();
  request.open("POST", address);
  request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
  request.upload.addEventListener("progress", ({ loaded, total }) => tell(loaded / total));
  return new Promise((resolve, reject) => {
    request.addEventListener("error", () => reject(new Error()));
    request.addEventListener("load", () => {
      if (request.status === 201) resolve(JSON.parse(request.responseText).address);
      else reject(new Error(reason(request.responseText)));
    });
    request.send(file);
  });
}
