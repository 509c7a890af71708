const scenario = require("./scenario.cjs");

scenario({
  root: require("recording-keystore"),
  aws: require("recording-keystore/aws"),
  file: require("recording-keystore/stores/file"),
  testing: require("recording-keystore/testing"),
  sdk: require("@aws-sdk/client-kms"),
}).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
