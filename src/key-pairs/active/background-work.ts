/** What is under way and nobody waits for. It never rejects. */
export class BackgroundWork {
  #running: Promise<void> | undefined;

  /** Ends with all that is under way now; `undefined` if nothing is. */
  get running(): Promise<void> | undefined {
    return this.#running;
  }

  add(work: Promise<unknown>): void {
    const running = Promise.allSettled([this.#running, work]).then(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
  }
}
