const scenario = require("../scenario.cjs");

const modules = {
  root: require("recording-keystore"),
  aws: require("recording-keystore/aws"),
  file: require("recording-keystore/stores/file"),
  testing: require("recording-keystore/testing"),
  sdk: require("@aws-sdk/client-kms"),
};

test("works in a Jest CommonJS test", () => scenario(modules));

test("works under Jest's fake timers", async () => {
  // Date, performance.now() and timers stand still; files and streams need the event loop itself.
  jest.useFakeTimers({ doNotFake: ["nextTick", "setImmediate", "queueMicrotask"] });
  try {
    // The AWS SDK itself would wait between its attempts.
    await scenario(modules, { maxAttempts: 1 });
  } finally {
    jest.useRealTimers();
  }
});
