import { TestRunner } from "vitest";

/** After the first failure the mutant is dead: the test files that are left need not even be imported. */
export default class StopAtOnce extends TestRunner {
  #over = false;

  override cancel(...reason: Parameters<TestRunner["cancel"]>): void {
    this.#over = true;
    super.cancel(...reason);
  }

  override importFile(...[path, source]: Parameters<TestRunner["importFile"]>): unknown {
    return this.#over && source === "collect" ? undefined : super.importFile(path, source);
  }
}
