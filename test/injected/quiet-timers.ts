import { afterEach, beforeEach, vi } from "vitest";

/** For each test, timers that it moves itself, and no warnings of the process in what it prints. */
export function withQuietTimers(): void {
  beforeEach(() => {
    vi.spyOn(process, "emitWarning").mockReturnValue(undefined);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });
}
