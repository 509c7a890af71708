export { instrument, type Instrumented, type InstrumentOptions } from "./instrument.js";
export { attributeNames, metricNames } from "./names.js";
