import { mergeConfig } from "vitest/config";
import example from "../../examples/vitest/vitest.config.js";
import { base } from "../../vitest.config.js";

/** The example's own configuration, with the package's sources under the package's name. */
export default mergeConfig(example, {
  resolve: base.resolve,
  define: base.define,
  test: { testTimeout: base.test.testTimeout, hookTimeout: base.test.hookTimeout },
});
