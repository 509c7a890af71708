import common from "./common.mjs";

/** npm run mutation:recording [-- --mutate src/recording/header.ts] */
export default {
  ...common,
  mutate: ["src/recording/**/*.ts"],
  vitest: { configFile: "mutation/vitest.config.ts", dir: "test/recording" },
  incrementalFile: "reports/mutation/recording.incremental.json",
  jsonReporter: { fileName: "reports/mutation/recording.json" },
};
