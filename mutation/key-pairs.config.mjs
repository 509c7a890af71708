import common from "./common.mjs";

// Read by mutation/vitest.config.ts, in the processes that Stryker starts.
process.env["MUTATION_TESTS"] = "{key-pairs,key-store}";

/** npm run mutation:key-pairs [-- --mutate src/key-pairs/active/schedule.ts] */
export default {
  ...common,
  mutate: ["src/key-pairs/**/*.ts"],
  vitest: { configFile: "mutation/vitest.config.ts", dir: "test" },
  incrementalFile: "reports/mutation/key-pairs.incremental.json",
  jsonReporter: { fileName: "reports/mutation/key-pairs.json" },
};
