import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** How long each file took at its longest, milliseconds: after a failure files end early, or are not begun. */
const longest = new Map<string, number>();

/** What killed the mutant before this one is likely to kill this one too; then those files that are over soonest. */
export default class ShortestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = new Map(
      files.map((file) => {
        const key = `${file.project.name}:${relative(this.ctx.config.root, file.moduleId)}`;
        const before = this.ctx.cache.getFileTestResults(key);
        const duration = Math.max(longest.get(key) ?? 0, before?.duration ?? 0);
        longest.set(key, duration);
        return [file, before?.failed ? -1 : duration];
      }),
    );
    return [...files].sort((one, other) => (rank.get(one) ?? 0) - (rank.get(other) ?? 0));
  }
}
