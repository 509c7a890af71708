import common from "./common.mjs";

/** npm run mutation:key-pairs [-- --mutate src/key-pairs/schedule.ts] */
export default {
  ...common,
  mutate: ["src/key-pairs/**/*.ts"],
  vitest: { configFile: "mutation/vitest.config.ts", dir: "test" },
  incrementalFile: "reports/mutation/key-pairs.incremental.json",
  jsonReporter: { fileName: "reports/mutation/key-pairs.json" },
};
