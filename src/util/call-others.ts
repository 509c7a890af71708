/**
 * Calls a function of other people's whose answer nobody needs. Leaves nothing to nobody: neither what it throws nor what a
 * promise that it gives rejects with, as that of an async function does.
 */
export function callOthers(call: () => unknown, onFailure: (error: unknown) => void = () => undefined): void {
  try {
    dropAnswer(call(), onFailure);
  } catch (error) {
    onFailure(error);
  }
}

/** Drops an answer that should have been none, and may be a promise. */
export function dropAnswer(answer: unknown, onFailure: (error: unknown) => void = () => undefined): void {
  if (typeof answer !== "object" || answer === null) return;
  // Not Promise.resolve(), which asks a promise for its constructor.
  new Promise((resolve) => resolve(answer)).catch(onFailure);
}
