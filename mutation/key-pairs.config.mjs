import common from "./common.mjs";

// Read by mutation/vitest.config.ts, in the processes that Stryker starts.
process.env["MUTATION_TESTS"] = "{key-pairs,key-store}";

/** npm run mutation:key-pairs [-- --mutate src/key-pairs/active/schedule.ts] */
export default {
  ...common,
  mutate: ["src/key-pairs/**/*.ts"],
  // Tables of tests are made of pairs, so that 700 mutants would each run every test, and a run a day. What tests meet as well is
  // tried by those tests; only what nothing but the modules' own beginning meets is left out: 70 of 4,547.
  ignoreStatic: true,
  vitest: { configFile: "mutation/vitest.config.ts", dir: "test" },
  incrementalFile: "reports/mutation/key-pairs.incremental.json",
  jsonReporter: { fileName: "reports/mutation/key-pairs.json" },
};
