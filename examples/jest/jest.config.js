/** @type {import("jest").Config} */
module.exports = {
  testEnvironment: "node", // The library is for Node; under jsdom its bytes would be another realm's.
  globalSetup: "./in-memory-kms.setup.js",
  globalTeardown: "./in-memory-kms.teardown.js",
};
