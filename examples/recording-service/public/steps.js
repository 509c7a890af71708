// Shows the steps of a test as they end, and tells a screen reader of each one once.

/** Each line of an answer, as JSON, as soon as it is there. */
async function* lines(response) {
  let rest = "";
  for await (const text of textOf(response)) {
    const whole = (rest + text).split("\n");
    rest = whole.pop();
    for (const line of whole) yield JSON.parse(line);
  }
}

// Not every browser iterates over streams.
async function* textOf({ body }) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** Sends a form that tests a key. @returns the text of the page that says what came of it */
export async function sendTest(form, { action, body, said }) {
  const shown = form.querySelector("template[data-steps]").content.cloneNode(true).firstElementChild;
  const list = shown.querySelector("ol");
  const run = (step) => {
    step.className = "running";
    step.lastElementChild.textContent = list.dataset.running;
  };
  run(list.firstElementChild);
  document.querySelector("[data-outcome]").replaceChildren(shown);
  shown.focus({ preventScroll: true });
  shown.scrollIntoView({ block: "nearest" });

  const response = await fetch(action, { method: "POST", body, headers: { Accept: "application/x-ndjson" } });
  if (!response.headers.get("Content-Type").startsWith("application/x-ndjson")) return response.text();
  for await (const { page, name, status, text } of lines(response)) {
    if (page !== undefined) return page;
    const step = list.querySelector(`[data-step="${name}"]`);
    step.className = status;
    step.lastElementChild.textContent = text;
    if (status === "skipped") continue; // the one before it said why
    said.textContent = `${step.firstElementChild.textContent}: ${text}`;
    if (status !== "failed" && step.nextElementSibling) run(step.nextElementSibling);
  }
  throw new Error("the answer has broken off");
}
