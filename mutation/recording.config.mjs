import common from "./common.mjs";

// Read by mutation/vitest.config.ts, in the processes that Stryker starts.
process.env["MUTATION_TESTS"] = "{format,recording}";

/** npm run mutation:recording [-- --mutate src/format/header.ts] */
export default {
  ...common,
  mutate: ["src/format/**/*.ts", "src/recording/*.ts", "src/recording/reader/**/*.ts"],
  vitest: { configFile: "mutation/vitest.config.ts", dir: "test" },
  incrementalFile: "reports/mutation/recording.incremental.json",
  jsonReporter: { fileName: "reports/mutation/recording.json" },
};
